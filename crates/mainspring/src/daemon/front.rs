//! The front door: the directory of routes and endpoints, and the edge that serves it.
//!
//! The config changes routes and services; the fleet changes endpoints. Both meet here, and every
//! change is published to the cores as a whole.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use edge::Edge;
use fleet::Traffic;
use gateway::{Directory, EdgePolicy, EndpointState, RouteProblem, RouteSpec, ServiceSpec};
use model::ReplicaId;
use orchestrator::TrafficState;

/// Shared between the daemon and the fleet.
pub(super) struct Front {
    directory: Mutex<Directory>,
    edge: OnceLock<Edge>,
}

impl Front {
    /// A directory without services; nothing is served yet.
    pub(super) fn new(policy: EdgePolicy) -> Self {
        Self { directory: Mutex::new(Directory::new(policy)), edge: OnceLock::new() }
    }

    /// Opens the doors.
    ///
    /// # Errors
    /// When an address cannot be had.
    pub(super) fn open(&self, config: edge::EdgeConfig) -> Result<&Edge, edge::EdgeError> {
        let snapshot = self.directory().snapshot();
        let edge = Edge::start(config, snapshot)?;
        Ok(self.edge.get_or_init(|| edge))
    }

    /// Puts services, routes and policy in force.
    ///
    /// # Errors
    /// When routes contradict each other; then nothing changed.
    pub(super) fn configure(
        &self,
        services: Vec<ServiceSpec>,
        routes: Vec<RouteSpec>,
        policy: EdgePolicy,
    ) -> Result<(), Vec<RouteProblem>> {
        let mut directory = self.directory();
        directory.configure(services, routes, policy)?;
        self.publish(&directory);
        Ok(())
    }

    /// The edge, once it is open.
    pub(super) fn edge(&self) -> Option<&Edge> {
        self.edge.get()
    }

    /// The directory, for reading what is in force.
    pub(super) fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, directory: &Directory) {
        if let Some(edge) = self.edge.get() {
            edge.publish(directory.snapshot());
        }
    }
}

impl Traffic for Front {
    fn set(&self, replica: &ReplicaId, address: SocketAddr, state: TrafficState) {
        let mut directory = self.directory();
        let label = replica.to_string();
        directory.upsert_endpoint(&replica.service, &label, address, endpoint_state(state));
        self.publish(&directory);
    }

    fn remove(&self, replica: &ReplicaId) {
        let mut directory = self.directory();
        directory.remove_endpoint(&replica.service, &replica.to_string());
        self.publish(&directory);
    }

    fn in_flight(&self, replica: &ReplicaId) -> u32 {
        self.directory().in_flight(&replica.service, &replica.to_string())
    }
}

fn endpoint_state(state: TrafficState) -> EndpointState {
    match state {
        TrafficState::Starting => EndpointState::Starting,
        TrafficState::Ready => EndpointState::Ready,
        TrafficState::Draining => EndpointState::Draining,
        TrafficState::Down => EndpointState::Down,
    }
}
