//! What fleet tells the front door.

use std::net::SocketAddr;

use model::ReplicaId;
use orchestrator::TrafficState;

/// The front door as fleet sees it. Calls come from the control thread and must not block.
pub trait Traffic: Send + Sync + 'static {
    /// `replica` listens at `address`; whether requests may go there. When this returns, new
    /// requests obey it.
    fn set(&self, replica: &ReplicaId, address: SocketAddr, state: TrafficState);

    /// `replica` is gone.
    fn remove(&self, replica: &ReplicaId);

    /// Requests and upgraded connections that are with `replica` now.
    fn in_flight(&self, replica: &ReplicaId) -> u32;
}
