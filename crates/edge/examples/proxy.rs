//! The data plane alone: one door, one service, the backends given on the command line.
//!
//! `cargo run --release -p edge --example proxy -- 127.0.0.1:8080 2 127.0.0.1:9001 127.0.0.1:9002`
//! (door, cores, backends). Prints the door's address when it is open. For measuring and for
//! debugging without an orchestrator.

use std::net::SocketAddr;
use std::process::ExitCode;

use edge::{Door, Edge, EdgeConfig, Listener};
use gateway::{
    Directory, EdgePolicy, HostMatch, PathMatch, RetryPolicy, RoutePolicy, RouteSpec, ServiceSpec,
};
use model::ServiceName;
use runtime::signal;

#[expect(clippy::print_stdout, reason = "a program that talks to its user")]
fn main() -> ExitCode {
    runtime::descriptors::raise();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match start(&arguments) {
        Ok(edge) => {
            for (_, address) in edge.addresses() {
                println!("{address}");
            }
            let stopped = runtime::control::block_on(async {
                let mut terminate = signal::listen(signal::Kind::Terminate)?;
                terminate.next().await;
                Ok::<_, std::io::Error>(())
            });
            if stopped.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(problem) => {
            println!("{problem}");
            ExitCode::from(2)
        }
    }
}

fn start(arguments: &[String]) -> Result<Edge, String> {
    let [door, cores, backends @ ..] = arguments else {
        return Err("usage: proxy DOOR CORES BACKEND...".to_owned());
    };
    let address = |text: &String| -> Result<SocketAddr, String> {
        text.parse().map_err(|_| format!("{text:?} is not an address such as 127.0.0.1:8080"))
    };
    let name = ServiceName::new("backend").map_err(|problem| problem.to_string())?;
    let route = RouteSpec {
        name: "all".to_owned(),
        host: HostMatch::Any,
        path: PathMatch::Any,
        methods: Vec::new(),
        headers: Vec::new(),
        to: vec![(name.clone(), 1)],
        policy: RoutePolicy::default(),
    };
    let service = ServiceSpec { name: name.clone(), retry: RetryPolicy::default() };
    let mut directory = Directory::new(EdgePolicy::default());
    directory
        .configure(vec![service], vec![route], EdgePolicy::default())
        .map_err(|problems| format!("{problems:?}"))?;
    let endpoints = backends
        .iter()
        .map(|backend| Ok((backend.clone(), address(backend)?)))
        .collect::<Result<Vec<_>, String>>()?;
    directory.set_endpoints(&name, &endpoints);
    let config = EdgeConfig {
        listeners: vec![Listener { address: address(door)?, door: Door::Public }],
        cores: cores.parse().map_err(|_| format!("{cores:?} is not a number of cores"))?,
        access_log: None,
    };
    Edge::start(config, directory.snapshot()).map_err(|problem| problem.to_string())
}
