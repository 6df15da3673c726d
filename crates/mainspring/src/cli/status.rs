//! `mainspring status`: the node, its services and replicas, its routes.

use std::time::{SystemTime, UNIX_EPOCH};

use console::api::{ReplicaState, ReplicaStatus, ServiceKind, ServiceState, ServiceStatus, Status};

use super::output::{self, Cell, Table, Tone};
use super::remote::{Patience, Target};
use super::{DONE, Outcome, Output};

/// Last lines shown of a program that died.
const LAST_LINE_COUNT: usize = 3;

/// `mainspring status`.
pub(super) fn status(target: &Target, json: bool, output: Output) -> Outcome {
    let remote = target.connect(Patience::Short)?;
    let status: Status = remote.get("/status")?;
    if json {
        output.json(&status);
    } else {
        output.write(&show(&status, output));
    }
    Ok(DONE)
}

fn show(status: &Status, output: Output) -> String {
    let mut text = show_node(status, output);
    if status.services.is_empty() {
        text.push_str("\nno services\n");
    } else {
        text.push('\n');
        text.push_str(&output.table(&service_table(&status.services)));
        text.push_str(&show_troubles(&status.services, output));
    }
    if !status.routes.is_empty() {
        let mut table = Table::new(&["ROUTE", "HOST", "PATH", "METHODS", "TO", "BALANCE"]);
        for route in &status.routes {
            let methods =
                if route.methods.is_empty() { "any".to_owned() } else { route.methods.join(",") };
            table.row(vec![
                Cell::text(&route.name),
                Cell::text(route.host.as_deref().unwrap_or("any")),
                Cell::text(&route.path),
                Cell::text(methods),
                Cell::text(&route.to),
                Cell::text(&route.balance).in_tone(Tone::Faint),
            ]);
        }
        text.push('\n');
        text.push_str(&output.table(&table));
    }
    text
}

fn show_node(status: &Status, output: Output) -> String {
    let node = &status.node;
    let ready = if node.ready {
        output.paint(Tone::Good, "ready")
    } else {
        output.paint(Tone::Uneasy, "not ready")
    };
    let mut text = format!(
        "{} {ready}, up {}, pid {}, {} memory, {} CPU, mainspring {}\n",
        output.paint(Tone::Strong, &node.name),
        output::span_ms(node.uptime_ms),
        node.pid,
        output::bytes(node.resident_bytes),
        percent(node.cpu_cores),
        node.version,
    );
    let doors = node.listeners.iter().map(|listener| listener.door.chars().count());
    let width = doors.max().unwrap_or(0).max("config".len());
    for listener in &node.listeners {
        text.push_str(&format!("{:<width$}  http://{}\n", listener.door, listener.address));
    }
    text.push_str(&format!(
        "{:<width$}  {}, generation {}\n",
        "config", node.config_path, node.config_generation
    ));
    if let Some(error) = &node.config_error {
        let error = output.paint(Tone::Bad, error);
        text.push_str(&format!("         the last reload was refused: {error}\n"));
    }
    text
}

fn service_table(services: &[ServiceStatus]) -> Table {
    let mut table = Table::new(&[
        "SERVICE", "STATE", "READY", "PID", "ADDRESS", "UP", "RESTARTS", "CPU", "MEMORY",
    ]);
    for service in services {
        // Folded from zero: the sum of no floats is -0.0, and would be shown so.
        let cpu = service.replicas.iter().filter_map(|replica| replica.cpu_cores);
        let cpu = cpu.fold(0.0, |sum, cores| sum + cores);
        let memory = service.replicas.iter().filter_map(|replica| replica.resident_bytes).sum();
        let program = service.kind == ServiceKind::Program;
        let measured = |text: String| Cell::number(if program { text } else { String::new() });
        table.row(vec![
            Cell::text(&service.name).in_tone(Tone::Strong),
            Cell::text(service.state.word()).in_tone(service_tone(service.state)),
            Cell::text(format!("{}/{}", service.ready, service.desired)),
            Cell::number(""),
            Cell::text(if program { "" } else { "elsewhere" }).in_tone(Tone::Faint),
            Cell::number(""),
            measured(service.restarts.to_string()),
            measured(percent(cpu)),
            measured(output::bytes(memory)),
        ]);
        for replica in &service.replicas {
            table.row(replica_row(replica));
        }
    }
    table
}

fn replica_row(replica: &ReplicaStatus) -> Vec<Cell> {
    let since = |unix_ms: u64| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        output::span(now.saturating_sub(std::time::Duration::from_millis(unix_ms)))
    };
    let adopted = if replica.adopted { " (taken over)" } else { "" };
    vec![
        Cell::text(format!("  {}", replica.id)),
        Cell::text(format!("{}{adopted}", replica.state.word()))
            .in_tone(replica_tone(replica.state)),
        Cell::text(""),
        Cell::number(replica.pid.map_or_else(String::new, |pid| pid.to_string())),
        Cell::text(replica.address.clone().unwrap_or_default()),
        Cell::number(
            replica
                .started_unix_ms
                .filter(|_| replica.pid.is_some())
                .map_or_else(String::new, since),
        ),
        Cell::number(if replica.restarts == 0 {
            String::new()
        } else {
            replica.restarts.to_string()
        }),
        Cell::number(replica.cpu_cores.map_or_else(String::new, percent)),
        Cell::number(replica.resident_bytes.map_or_else(String::new, output::bytes)),
    ]
}

/// Why services and replicas are not as they should be, and how programs ended last.
fn show_troubles(services: &[ServiceStatus], output: Output) -> String {
    let mut text = String::new();
    for service in services {
        if !service.reason.is_empty() {
            let tone = service_tone(service.state);
            text.push_str(&format!(
                "\n{}: {}\n",
                output.paint(tone, &service.name),
                service.reason
            ));
        }
        if let Some(deploy) = &service.deploy {
            let (done, wanted) = (deploy.replaced, deploy.wanted);
            text.push_str(&format!(
                "\n{}: deploy, {done} of {wanted} replaced: {}\n",
                service.name, deploy.step
            ));
        }
        for limit in service.limits.iter().filter(|limit| limit.enforced_by.starts_with("not ")) {
            text.push_str(&format!(
                "\n{}: the limit {} {} is {}\n",
                service.name, limit.what, limit.limit, limit.enforced_by
            ));
        }
        for replica in &service.replicas {
            let Some(exit) = &replica.last_exit else { continue };
            let when = output::ago(exit.time_unix_ms);
            let why = output.paint(Tone::Bad, &exit.reason);
            text.push_str(&format!("\n{} ended {when}: {why}\n", replica.id));
            let skip = exit.last_lines.len().saturating_sub(LAST_LINE_COUNT);
            for line in exit.last_lines.iter().skip(skip) {
                text.push_str(&format!("    {}\n", output.paint(Tone::Faint, line)));
            }
        }
    }
    text
}

fn service_tone(state: ServiceState) -> Tone {
    match state {
        ServiceState::Ready => Tone::Good,
        ServiceState::Starting
        | ServiceState::Waiting
        | ServiceState::Degraded
        | ServiceState::Deploying
        | ServiceState::Stopping => Tone::Uneasy,
        ServiceState::CrashLoop | ServiceState::Down => Tone::Bad,
        ServiceState::Stopped => Tone::Faint,
    }
}

fn replica_tone(state: ReplicaState) -> Tone {
    match state {
        ReplicaState::Ready => Tone::Good,
        ReplicaState::Starting | ReplicaState::Draining | ReplicaState::Stopping => Tone::Uneasy,
        ReplicaState::Unhealthy | ReplicaState::BackingOff | ReplicaState::CrashLoop => Tone::Bad,
        ReplicaState::Stopped => Tone::Faint,
    }
}

/// Cores as a share of one: 150 % is one and a half.
fn percent(cores: f64) -> String {
    format!("{:.0}%", cores * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use console::api::{ExitStatus, ListenerStatus, NodeStatus, RouteStatus};

    #[test]
    fn the_table_shows_state_and_the_last_death() {
        let replica = ReplicaStatus {
            id: "orders.3".into(),
            state: ReplicaState::Ready,
            pid: Some(77),
            address: Some("127.0.0.1:40001".into()),
            cpu_cores: Some(1.5),
            resident_bytes: Some(10 << 20),
            restarts: 1,
            last_exit: Some(ExitStatus {
                reason: "killed by SIGKILL".into(),
                last_lines: vec!["a".into(), "b".into(), "c".into(), "d".into()],
                ..ExitStatus::default()
            }),
            ..ReplicaStatus::default()
        };
        let status = Status {
            node: NodeStatus {
                name: "n1".into(),
                listeners: vec![ListenerStatus {
                    door: "http".into(),
                    address: "0.0.0.0:80".into(),
                }],
                ..NodeStatus::default()
            },
            services: vec![ServiceStatus {
                name: "orders".into(),
                state: ServiceState::Degraded,
                reason: "one replica is missing".into(),
                ready: 1,
                desired: 2,
                restarts: 1,
                replicas: vec![replica],
                ..ServiceStatus::default()
            }],
            routes: vec![RouteStatus {
                name: "all".into(),
                path: "/**".into(),
                to: "orders".into(),
                ..RouteStatus::default()
            }],
        };
        let shown = show(&status, Output { colour: false, error_colour: false });
        for want in [
            "orders      degraded  1/2",
            "orders.3",
            "150%",
            "10 MiB",
            "killed by SIGKILL",
            "one replica is missing",
        ] {
            assert!(shown.contains(want), "{want}:\n{shown}");
        }
        assert!(
            !shown.contains("\n    a\n") && shown.contains("\n    d\n"),
            "the last three lines"
        );
    }
}
