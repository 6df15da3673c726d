//! The console's port: starting it, and stopping it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use runtime::http::{Server, ServerLimits};
use runtime::task::{self, Task};

use crate::guard::{Guard, Token};
use crate::handler::Desk;
use crate::node::Node;
use crate::sampler::{self, Samples};

/// How to open the console's port.
#[derive(Clone, Debug)]
pub struct ConsoleConfig {
    /// `[listen] console`; port 0 takes any free one.
    pub address: SocketAddr,
    /// Names, beside `localhost`, by which a browser on this machine may call us.
    pub hosts: Vec<String>,
    /// What clients of other machines must send; `None` refuses them all.
    pub token: Option<Token>,
    /// What the port takes at most.
    pub limits: ServerLimits,
}

/// The open port. Dropping it closes it.
pub struct Console {
    server: Server,
    sampler: Task<()>,
}

impl ConsoleConfig {
    /// Only this machine, usual limits.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, hosts: Vec::new(), token: None, limits: ServerLimits::default() }
    }
}

impl Console {
    /// Opens the port and begins to sample the node. Call it on the control thread.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(config: ConsoleConfig, node: Arc<dyn Node>) -> io::Result<Self> {
        let samples = Samples::new();
        let guard = Guard::new(config.token, &config.hosts);
        let desk = Desk::new(Arc::clone(&node), guard, Arc::clone(&samples));
        let server = Server::bind(config.address, config.limits, Arc::new(desk)).await?;
        let sampler = task::spawn(sampler::run(node, samples));
        Ok(Self { server, sampler })
    }

    /// The address really bound.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Lets calls end for at most `grace`. Streams end then, too.
    pub async fn stop(self, grace: Duration) {
        self.sampler.abort();
        self.server.stop(grace).await;
    }
}
