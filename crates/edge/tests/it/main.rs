//! The data plane from outside: real sockets on both sides, hand-written bytes.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod retries;
#[cfg(test)]
mod smuggling;
#[cfg(test)]
mod upgrades;
