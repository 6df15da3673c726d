//! A snapshot of the configuration with this core's meters laid beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway::{EndpointId, Snapshot};
use model::ServiceName;

use crate::meters::{CoreMeters, EndpointKey, Histogram, RouteKey, ServiceMeters, Traffic};

/// What one core needs for a request; made when a snapshot arrives, so that counting a request is
/// an index and not a search.
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    /// By service, in the snapshot's order.
    services: Vec<ServiceView>,
    /// By route, in the file's order, then by service: a weighted route has several.
    routes: Vec<Vec<(u32, Arc<Traffic>)>>,
    /// Requests through a service's own door, by service.
    doors: Vec<Arc<Traffic>>,
    /// Requests that no route took.
    pub(crate) unrouted: Arc<Traffic>,
    door_places: BTreeMap<ServiceName, u32>,
}

/// A service's meters.
pub(crate) struct ServiceView {
    pub(crate) meters: Arc<ServiceMeters>,
    latencies: Vec<(EndpointId, Arc<Histogram>)>,
}

/// Name under which requests through a service's own door are counted.
pub(crate) fn door_name(service: &ServiceName) -> String {
    format!("door:{service}")
}

impl View {
    pub(crate) fn new(snapshot: Arc<Snapshot>, meters: &CoreMeters) -> Self {
        let name_of = |place: u32| {
            snapshot.service(place).map(|service| service.name.to_string()).unwrap_or_default()
        };
        let routes = snapshot.router.routes().map(|route| {
            let services = route.to.services().into_iter().map(|(service, _)| {
                let key = RouteKey { route: route.name.to_string(), service: name_of(service) };
                (service, meters.route(key))
            });
            services.collect()
        });
        let routes = routes.collect();
        let doors = snapshot.services.iter().map(|service| {
            let route = door_name(&service.name);
            meters.route(RouteKey { route, service: service.name.to_string() })
        });
        let doors = doors.collect();
        let services = snapshot.services.iter().map(|service| ServiceView {
            meters: meters.service(service.name.as_str()),
            latencies: latencies(service, meters),
        });
        let services = services.collect();
        let places = (0..).zip(&snapshot.services);
        let door_places = places.map(|(place, service)| (service.name.clone(), place)).collect();
        let unrouted = meters.route(RouteKey { route: String::new(), service: String::new() });
        Self { services, routes, doors, unrouted, door_places, snapshot }
    }

    /// The meters of `route` when it leads to `service`.
    pub(crate) fn route(&self, route: u32, service: u32) -> &Arc<Traffic> {
        let found = self.routes.get(route as usize).and_then(|services| {
            services.iter().find(|(place, _)| *place == service).map(|(_, traffic)| traffic)
        });
        found.unwrap_or(&self.unrouted)
    }

    /// The meters of the own door of `service`.
    pub(crate) fn door(&self, service: u32) -> &Arc<Traffic> {
        self.doors.get(service as usize).unwrap_or(&self.unrouted)
    }

    /// Where the service called `name` stands.
    pub(crate) fn place_of(&self, name: &ServiceName) -> Option<u32> {
        self.door_places.get(name).copied()
    }

    pub(crate) fn service(&self, place: u32) -> Option<&ServiceView> {
        self.services.get(place as usize)
    }

    /// Whether the endpoint is still part of a service.
    pub(crate) fn has_endpoint(&self, id: u64) -> bool {
        let mut services = self.services.iter();
        services.any(|service| service.latencies.iter().any(|(known, _)| known.0 == id))
    }
}

impl ServiceView {
    /// The endpoint's latencies; `None` when a newer snapshot dropped it.
    pub(crate) fn latency(&self, id: EndpointId) -> Option<&Arc<Histogram>> {
        self.latencies.iter().find(|(known, _)| *known == id).map(|(_, histogram)| histogram)
    }
}

fn latencies(service: &gateway::Service, meters: &CoreMeters) -> Vec<(EndpointId, Arc<Histogram>)> {
    let endpoints = service.endpoints.iter().map(|endpoint| {
        let label = endpoint.label.clone();
        (endpoint.id, meters.endpoint(EndpointKey { service: service.name.to_string(), label }))
    });
    endpoints.collect()
}
