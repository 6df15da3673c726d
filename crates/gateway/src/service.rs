//! Services: endpoints behind one name, and leases on them.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use model::{Moment, ServiceName};

use crate::balance::{Balance, Balancer, LeastConnections, RoundRobin, Tried};
use crate::endpoint::{Endpoint, EndpointState};
use crate::retry::{RetryBudget, RetryPolicy};

/// How often a lease is attempted when endpoints stop being ready under it.
const LEASE_ATTEMPT_COUNT_MAX: u32 = 32;

/// A service as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Its name.
    pub name: ServiceName,
    /// How many retries it can bear.
    pub retry: RetryPolicy,
}

/// A service in one snapshot: the endpoints are this snapshot's, the counters are for ever.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// All endpoints, whatever their state.
    pub endpoints: Vec<Arc<Endpoint>>,
    pub(crate) retry: RetryPolicy,
    pub(crate) shared: Arc<ServiceShared>,
}

/// What outlives snapshots and reloads.
#[derive(Debug, Default)]
pub(crate) struct ServiceShared {
    round_robin: RoundRobin,
    least_connections: LeastConnections,
    retries: RetryBudget,
    unavailable: AtomicU64,
    pub(crate) is_stopped: AtomicBool,
}

/// A place at an endpoint, given back on drop.
///
/// Hold it for the whole exchange; for an upgraded connection, until that ends.
#[derive(Debug)]
pub struct Lease {
    endpoint: Arc<Endpoint>,
}

/// Why no endpoint can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Replicas are starting or draining, or there are none yet: 503 with `Retry-After`.
    NoneReady,
    /// All are dead or unhealthy, or the service was stopped: 502.
    Down,
}

impl Service {
    /// Takes a place at a ready endpoint, by preference one that was not tried.
    ///
    /// Exact against drain. The lease counts itself and then looks at the state; the drainer
    /// changes the state and then looks at the count; all four are sequentially consistent. So
    /// either the lease sees the drain and steps back, or the drainer sees the lease and waits.
    ///
    /// # Errors
    /// When no endpoint is ready.
    pub fn lease(&self, balance: Balance, tried: &Tried) -> Result<Lease, Unavailable> {
        match balance {
            Balance::RoundRobin => self.lease_by(&self.shared.round_robin, tried),
            Balance::LeastConnections => self.lease_by(&self.shared.least_connections, tried),
        }
    }

    /// Counts a first attempt, from which retries are allowed in proportion.
    pub fn record_attempt(&self, now: Moment) {
        self.shared.retries.deposit(now);
    }

    /// Takes a retry from the budget that all cores share; `false`: answer with the failure.
    pub fn may_spend_retry(&self, now: Moment) -> bool {
        self.shared.retries.withdraw(self.retry, now)
    }

    /// Requests for which no endpoint was to be had.
    pub fn unavailable_count(&self) -> u64 {
        self.shared.unavailable.load(Ordering::Relaxed)
    }

    fn lease_by(&self, balancer: &dyn Balancer, tried: &Tried) -> Result<Lease, Unavailable> {
        let claim = |tried: &Tried| {
            let place = balancer.claim(&self.endpoints, tried)?;
            self.endpoints.get(place)
        };
        for _ in 0..LEASE_ATTEMPT_COUNT_MAX {
            let untried = claim(tried);
            // With every ready endpoint tried, one of them once more is better than giving up: a
            // lone replica that closed a kept connection is as healthy as before.
            let again = || if tried.is_empty() { None } else { claim(&Tried::NONE) };
            let Some(endpoint) = untried.or_else(again) else { break };
            let lease = Lease { endpoint: Arc::clone(endpoint) };
            if lease.endpoint.state() == EndpointState::Ready {
                lease.endpoint.record_request();
                return Ok(lease);
            }
        }
        self.shared.unavailable.fetch_add(1, Ordering::Relaxed);
        Err(self.why_unavailable())
    }

    fn why_unavailable(&self) -> Unavailable {
        if self.shared.is_stopped.load(Ordering::Relaxed) {
            return Unavailable::Down;
        }
        let all_down = self.endpoints.iter().all(|one| one.state() == EndpointState::Down);
        if all_down && !self.endpoints.is_empty() {
            Unavailable::Down
        } else {
            Unavailable::NoneReady
        }
    }
}

impl Deref for Lease {
    type Target = Arc<Endpoint>;

    fn deref(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.endpoint.release();
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneReady => f.write_str("no replica is ready yet"),
            Self::Down => f.write_str("every replica is down"),
        }
    }
}

impl std::error::Error for Unavailable {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::EndpointId;

    /// Chooses the first endpoint while a drain slips in between the choice and the claim.
    struct Overtaken;

    impl Balancer for Overtaken {
        fn claim(&self, endpoints: &[Arc<Endpoint>], tried: &Tried) -> Option<usize> {
            let ready = |one: &Arc<Endpoint>| one.state() == EndpointState::Ready;
            let place = endpoints.iter().position(|one| ready(one) && !tried.contains(one.id))?;
            endpoints[place].set_state(EndpointState::Draining);
            endpoints[place].claim();
            Some(place)
        }
    }

    #[test]
    fn a_drain_that_overtakes_a_lease_is_noticed() {
        let address = "127.0.0.1:1".parse().unwrap();
        let endpoint =
            |id| Arc::new(Endpoint::new(EndpointId(id), "a", address, EndpointState::Ready));
        let service = Service {
            name: ServiceName::new("a").unwrap(),
            endpoints: vec![endpoint(1), endpoint(2)],
            retry: RetryPolicy::default(),
            shared: Arc::default(),
        };
        let outcome = service.lease_by(&Overtaken, &Tried::NONE);
        assert_eq!(outcome.err(), Some(Unavailable::NoneReady));
        assert!(service.endpoints.iter().all(|one| one.in_flight() == 0 && one.requests() == 0));
    }
}
