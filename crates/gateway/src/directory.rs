//! The directory: what exists now, and the snapshots of it that the data plane works with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::ServiceName;

use crate::endpoint::{Endpoint, EndpointId, EndpointState};
use crate::policy::EdgePolicy;
use crate::route::{RouteProblem, RouteSpec};
use crate::router::Router;
use crate::service::{Service, ServiceShared, ServiceSpec};

/// Everything that a core needs to serve requests, immutable; a change is a new snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Counts up; later is newer.
    pub generation: u64,
    /// Requests → routes.
    pub router: Arc<Router>,
    /// Sorted by name; routes name them by place.
    pub services: Vec<Service>,
    /// Settings of the whole edge.
    pub policy: Arc<EdgePolicy>,
}

/// The one owner of services, endpoints and routes.
///
/// Endpoints, their counters and the balancers of services that stay are carried over from one
/// configuration to the next.
#[derive(Debug)]
pub struct Directory {
    generation: u64,
    next_endpoint_id: u64,
    router: Arc<Router>,
    policy: Arc<EdgePolicy>,
    services: BTreeMap<ServiceName, Service>,
    // Removed while they still had requests, kept so that a drain can be waited for. Each holds at
    // least one open connection, so there are never more than connections.
    departing: Vec<(ServiceName, Arc<Endpoint>)>,
}

impl Snapshot {
    /// The service at `place`, as routes name it.
    pub fn service(&self, place: u32) -> Option<&Service> {
        self.services.get(usize::try_from(place).ok()?)
    }

    /// The service called `name`: for a service's own door.
    pub fn service_named(&self, name: &ServiceName) -> Option<&Service> {
        let place = self.services.binary_search_by(|service| service.name.cmp(name)).ok()?;
        self.services.get(place)
    }
}

impl Directory {
    /// Nothing exists yet; every request is answered with 404.
    pub fn new(policy: EdgePolicy) -> Self {
        Self {
            generation: 0,
            next_endpoint_id: 1,
            router: Arc::new(Router::empty()),
            policy: Arc::new(policy),
            services: BTreeMap::new(),
            departing: Vec::new(),
        }
    }

    /// Replaces services, routes and settings; what stays keeps its endpoints and counters.
    ///
    /// # Errors
    /// Every problem of the routes at once; then nothing has changed.
    pub fn configure(
        &mut self,
        services: Vec<ServiceSpec>,
        routes: Vec<RouteSpec>,
        policy: EdgePolicy,
    ) -> Result<(), Vec<RouteProblem>> {
        let specs: BTreeMap<ServiceName, ServiceSpec> =
            services.into_iter().map(|spec| (spec.name.clone(), spec)).collect();
        let names: Vec<ServiceName> = specs.keys().cloned().collect();
        self.router = Arc::new(Router::build(routes, &names)?);
        self.policy = Arc::new(policy);
        let mut before = std::mem::take(&mut self.services);
        for (name, spec) in specs {
            let service = match before.remove(&name) {
                Some(service) => Service { retry: spec.retry, ..service },
                None => Service {
                    name: name.clone(),
                    endpoints: Vec::new(),
                    retry: spec.retry,
                    shared: Arc::new(ServiceShared::default()),
                },
            };
            self.services.insert(name, service);
        }
        for (name, service) in before {
            for endpoint in service.endpoints {
                self.depart(name.clone(), endpoint);
            }
        }
        self.changed();
        Ok(())
    }

    /// Adds an endpoint, or changes its state; another address under the same label is another
    /// endpoint. `false` when there is no such service.
    ///
    /// A new state counts on all cores at once; a new endpoint when the snapshot is published.
    pub fn upsert_endpoint(
        &mut self,
        service: &ServiceName,
        label: &str,
        address: SocketAddr,
        state: EndpointState,
    ) -> bool {
        let Some(entry) = self.services.get_mut(service) else { return false };
        let same = |one: &&Arc<Endpoint>| one.label == label && one.address == address;
        if let Some(endpoint) = entry.endpoints.iter().find(same) {
            endpoint.set_state(state);
            return true;
        }
        let id = EndpointId(self.next_endpoint_id);
        self.next_endpoint_id += 1;
        let endpoint = Arc::new(Endpoint::new(id, label, address, state));
        let replaced = match entry.endpoints.iter_mut().find(|one| one.label == label) {
            Some(place) => Some(std::mem::replace(place, endpoint)),
            None => {
                entry.endpoints.push(endpoint);
                None
            }
        };
        if let Some(endpoint) = replaced {
            self.depart(service.clone(), endpoint);
        }
        self.changed();
        true
    }

    /// Makes `endpoints` the whole of a service, ready; those that stay keep their state and
    /// counters. `false` when there is no such service.
    pub fn set_endpoints(
        &mut self,
        service: &ServiceName,
        endpoints: &[(String, SocketAddr)],
    ) -> bool {
        let Some(entry) = self.services.get(service) else { return false };
        let listed = |one: &Endpoint| {
            endpoints.iter().any(|(label, address)| *label == one.label && *address == one.address)
        };
        let gone: Vec<String> = entry
            .endpoints
            .iter()
            .filter(|one| !listed(one))
            .map(|one| one.label.clone())
            .collect();
        for label in gone {
            self.remove_endpoint(service, &label);
        }
        for (label, address) in endpoints {
            if self.endpoint(service, label).is_none() {
                self.upsert_endpoint(service, label, *address, EndpointState::Ready);
            }
        }
        true
    }

    /// Changes an endpoint's state, on all cores at once; `false` when there is none.
    pub fn set_state(&self, service: &ServiceName, label: &str, state: EndpointState) -> bool {
        let found = self.endpoint(service, label);
        found.map(|endpoint| endpoint.set_state(state)).is_some()
    }

    /// Takes an endpoint out. Its requests go on; [`Self::in_flight`] still counts them.
    pub fn remove_endpoint(&mut self, service: &ServiceName, label: &str) -> bool {
        let Some(entry) = self.services.get_mut(service) else { return false };
        let Some(place) = entry.endpoints.iter().position(|one| one.label == label) else {
            return false;
        };
        let endpoint = entry.endpoints.remove(place);
        self.depart(service.clone(), endpoint);
        self.changed();
        true
    }

    /// Says that a service was stopped on purpose: without endpoints it is then down (502), not
    /// starting (503).
    pub fn set_stopped(&self, service: &ServiceName, is_stopped: bool) -> bool {
        let found = self.services.get(service);
        found.map(|one| one.shared.is_stopped.store(is_stopped, Ordering::Relaxed)).is_some()
    }

    /// Requests that the endpoint has now, removed ones of that label included.
    pub fn in_flight(&self, service: &ServiceName, label: &str) -> u32 {
        let present = self.endpoint(service, label).into_iter();
        let departing = self
            .departing
            .iter()
            .filter(|(name, endpoint)| name == service && endpoint.label == label)
            .map(|(_, endpoint)| endpoint);
        present.chain(departing).map(|endpoint| endpoint.in_flight()).sum()
    }

    /// What to publish: cheap, as all parts are shared.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            generation: self.generation,
            router: Arc::clone(&self.router),
            services: self.services.values().cloned().collect(),
            policy: Arc::clone(&self.policy),
        })
    }

    fn endpoint(&self, service: &ServiceName, label: &str) -> Option<&Arc<Endpoint>> {
        self.services.get(service)?.endpoints.iter().find(|one| one.label == label)
    }

    fn depart(&mut self, service: ServiceName, endpoint: Arc<Endpoint>) {
        // Older snapshots still hold it; they must not give it anything new.
        endpoint.set_state(EndpointState::Draining);
        self.departing.retain(|(_, other)| other.in_flight() > 0);
        self.departing.push((service, endpoint));
    }

    fn changed(&mut self) {
        self.generation += 1;
    }
}
