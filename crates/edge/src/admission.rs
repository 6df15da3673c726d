//! How many connections there may be, in all and from one address, over all cores.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Locks among which addresses are spread; taken at accept and close only.
const SHARDS: usize = 16;

/// Counts connections; shared by all cores.
#[derive(Default)]
pub(crate) struct Admission {
    total: AtomicU32,
    by_address: [Mutex<HashMap<IpAddr, u32>>; SHARDS],
}

/// The right to be connected; given back when dropped.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    address: IpAddr,
}

/// Which limit a connection ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many connections as there may be.
    Total,
    /// As many as one address may have.
    Address,
}

impl Admission {
    /// Counts one more connection from `address`.
    ///
    /// An IPv6 client counts by its /64: a single host usually owns all of it.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        total_max: u32,
        address_max: u32,
    ) -> Result<Permit, Full> {
        let address = subject(address);
        // Count first and look afterwards: two cores cannot both take the last place.
        if self.total.fetch_add(1, Ordering::Relaxed) >= total_max {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Total);
        }
        let mut shard = self.shard(address).lock().unwrap_or_else(PoisonError::into_inner);
        let count = shard.entry(address).or_insert(0);
        if *count >= address_max {
            if *count == 0 {
                shard.remove(&address);
            }
            self.total.fetch_sub(1, Ordering::Relaxed);
            return Err(Full::Address);
        }
        *count += 1;
        drop(shard);
        Ok(Permit { admission: Arc::clone(self), address })
    }

    pub(crate) fn total(&self) -> u32 {
        self.total.load(Ordering::Relaxed)
    }

    #[expect(clippy::indexing_slicing, reason = "the index is taken modulo the length")]
    fn shard(&self, address: IpAddr) -> &Mutex<HashMap<IpAddr, u32>> {
        let last = match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(address) => address.octets()[7],
        };
        &self.by_address[usize::from(last) % SHARDS]
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.total.fetch_sub(1, Ordering::Relaxed);
        let shard = self.admission.shard(self.address);
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = shard.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&self.address);
            }
        }
    }
}

fn subject(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !0 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_given_and_the_next_refused_until_one_leaves() {
        let admission = Arc::new(Admission::default());
        let (one, two): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let first = admission.admit(one, 3, 2).unwrap();
        let _second = admission.admit(one, 3, 2).unwrap();
        assert_eq!(admission.admit(one, 3, 2).err(), Some(Full::Address));
        let _third = admission.admit(two, 3, 2).unwrap();
        assert_eq!(admission.admit(two, 3, 2).err(), Some(Full::Total));
        drop(first);
        assert!(admission.admit(one, 3, 2).is_ok());
        assert_eq!(admission.total(), 2);
    }

    #[test]
    fn nothing_is_kept_about_an_address_that_left() {
        let admission = Arc::new(Admission::default());
        drop(admission.admit([10, 0, 0, 1].into(), 1, 1));
        assert!(admission.admit([10, 0, 0, 1].into(), 1, 0).is_err());
        let known: usize =
            admission.by_address.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert_eq!(known, 0);
    }

    #[test]
    fn ipv6_addresses_of_one_network_are_one_subject() {
        let admission = Arc::new(Admission::default());
        let _first = admission.admit("2001:db8::1".parse().unwrap(), 9, 1).unwrap();
        assert!(admission.admit("2001:db8::2".parse().unwrap(), 9, 1).is_err());
        assert!(admission.admit("2001:db8:0:1::2".parse().unwrap(), 9, 1).is_ok());
    }
}
