//! Starting, crashing, hanging, stopping.

use std::time::{Duration, Instant};

use orchestrator::{EnvValue, Exit, HealthCheck, Probe, ReplicaState, Severity, TrafficState};

use crate::stage::{
    PATIENCE, Stage, await_family, command, edit, get, is_alive, name, program, replica, report,
    run, signal, with_environment,
};

#[test]
fn a_program_gets_its_environment_and_traffic_once_healthy() {
    run(async {
        let stage = Stage::start(|config| {
            config.node = "n1".to_owned();
            config.urls.insert(name("cat-alogue"), "http://127.0.0.1:1".to_owned());
            config.urls.insert(name("web"), "http://127.0.0.1:2".to_owned());
        });
        let mut spec = program("web", "");
        edit(&mut spec, |program| {
            program.replicas = 2;
            program.env.insert("COLOUR".to_owned(), EnvValue::Plain("red".to_owned()));
        });
        stage.fleet.apply(vec![spec]).await.unwrap();
        let web = stage.settled("web").await;
        assert_eq!(web.ready, 2);
        assert_eq!(stage.door.ready().len(), 2);
        let first = web.replicas.first().unwrap();
        let address = first.address.unwrap();
        let env = |name: &str| get(address, &format!("/env/{name}")).unwrap();
        assert_eq!(env("PORT"), address.port().to_string());
        assert_eq!(env("NODE"), "n1");
        assert_eq!(env("REPLICA"), first.id.number.to_string());
        assert_eq!(env("REPLICA_INDEX"), "0");
        assert_eq!(env("COLOUR"), "red");
        assert_eq!(env("MAINSPRING_CAT_ALOGUE_URL"), "http://127.0.0.1:1");
        assert_eq!(env("MAINSPRING_WEB_URL"), "");
        stage.fleet.shutdown().await;
    });
}

#[test]
fn a_killed_replica_comes_back_and_says_why() {
    run(async {
        let stage = Stage::start(|_| {});
        stage.fleet.apply(vec![program("web", "")]).await.unwrap();
        let before = stage.settled("web").await;
        let pid = before.replicas.first().unwrap().pid.unwrap();
        signal(pid, "KILL");
        let status = stage
            .until("another ready replica", |status| {
                let replica = replica(status, "web");
                replica.state == ReplicaState::Ready && replica.pid != Some(pid)
            })
            .await;
        let after = replica(&status, "web");
        assert_eq!(after.last_exit.as_ref().unwrap().exit, Exit::Signal(9));
        assert_eq!((after.restarts, after.id.number), (1, 2));
        let states: Vec<String> = stage
            .door
            .history
            .lock()
            .unwrap()
            .iter()
            .map(|(id, state)| format!("{} {state:?}", id.number))
            .collect();
        assert_eq!(
            states,
            [
                "1 Some(Starting)",
                "1 Some(Ready)",
                "1 Some(Down)",
                "1 None",
                "2 Some(Starting)",
                "2 Some(Ready)"
            ]
        );
        stage.fleet.shutdown().await;
    });
}

#[test]
fn a_hung_replica_is_killed_and_replaced() {
    run(async {
        let stage = Stage::start(|_| {});
        let mut spec = program("web", "");
        spec.health.as_mut().unwrap().timeout = Duration::from_millis(200);
        stage.fleet.apply(vec![spec]).await.unwrap();
        let pid = stage.settled("web").await.replicas.first().unwrap().pid.unwrap();
        signal(pid, "STOP");
        stage
            .until("a replacement", |status| {
                let replica = replica(status, "web");
                replica.state == ReplicaState::Ready && replica.pid != Some(pid)
            })
            .await;
        assert!(!is_alive(pid));
        let said = stage.messages();
        assert!(said.iter().any(|message| message.contains("got no answer")), "{said:?}");
        stage.fleet.shutdown().await;
    });
}

#[test]
fn a_crash_loop_is_shown_with_status_and_last_words() {
    run(async {
        let stage = Stage::start(|_| {});
        stage.fleet.apply(vec![program("web", "die")]).await.unwrap();
        let status = stage
            .until("a crash loop with last lines", |status| {
                let replica = replica(status, "web");
                let lines = replica.last_exit.as_ref().map(|exit| exit.last_lines.len());
                replica.state == ReplicaState::CrashLoop && lines == Some(1)
            })
            .await;
        let replica = replica(&status, "web");
        let exit = replica.last_exit.as_ref().unwrap();
        assert_eq!(exit.exit, Exit::Status(3));
        assert_eq!(exit.last_lines, ["last words"]);
        assert!(replica.next_start_unix_ms.is_some());
        stage.fleet.shutdown().await;
    });
}

#[test]
fn a_missing_program_names_where_it_was_looked_for() {
    run(async {
        let stage = Stage::start(|_| {});
        stage.fleet.apply(vec![command("web", "no-such-program --flag")]).await.unwrap();
        let status = stage
            .until("a failed start", |status| replica(status, "web").last_exit.is_some())
            .await;
        let exit = replica(&status, "web").last_exit.as_ref().unwrap().exit.to_string();
        assert!(exit.contains("\"no-such-program\"") && exit.contains("/usr/bin"), "{exit}");
        stage.fleet.shutdown().await;
    });
}

#[test]
fn services_start_in_the_order_of_their_needs() {
    run(async {
        let stage = Stage::start(|_| {});
        let mut web = program("web", "");
        web.needs = vec![name("api")];
        let mut api = program("api", "");
        api.needs = vec![name("store")];
        stage.fleet.apply(vec![web, api, program("store", "")]).await.unwrap();
        for service in ["web", "api", "store"] {
            stage.settled(service).await;
        }
        let order: Vec<String> = (stage.door.history.lock().unwrap().iter())
            .map(|(id, state)| format!("{} {:?}", id.service, state.unwrap()))
            .collect();
        assert_eq!(
            order,
            [
                "store Starting",
                "store Ready",
                "api Starting",
                "api Ready",
                "web Starting",
                "web Ready"
            ]
        );
        stage.fleet.shutdown().await;
    });
}

#[test]
fn a_program_that_ignores_sigterm_is_killed_after_its_grace() {
    run(async {
        let stage = Stage::start(|_| {});
        let mut spec =
            command("web", "sh -c 'trap \"\" TERM; echo deaf; while :; do sleep 1; done'");
        spec.health = None;
        edit(&mut spec, |program| program.stop_grace = Duration::from_millis(300));
        stage.fleet.apply(vec![spec]).await.unwrap();
        let pid = stage.settled("web").await.replicas.first().unwrap().pid.unwrap();
        stage.fleet.stop(&name("web")).await.unwrap();
        let web = stage.settled("web").await;
        assert!(!is_alive(pid));
        assert_eq!(web.replicas.first().unwrap().state, ReplicaState::Stopped);
        let said = stage.messages();
        assert!(said.iter().any(|message| message.contains("SIGKILL")), "{said:?}");
        stage.fleet.start_service(&name("web")).await.unwrap();
        assert_eq!(stage.settled("web").await.ready, 1);
        stage.fleet.shutdown().await;
    });
}

#[test]
fn after_a_shutdown_no_descendant_is_left() {
    run(async {
        let stage = Stage::start(|_| {});
        let mut spec = program("web", "");
        let mark = format!("FAMILY=mark-{}", stage.folder.0.display());
        let (variable, value) = mark.split_once('=').unwrap();
        edit(&mut spec, |program| {
            program.env.insert(variable.to_owned(), EnvValue::Plain(value.to_owned()));
        });
        stage.fleet.apply(vec![spec]).await.unwrap();
        let address = stage.settled("web").await.replicas.first().unwrap().address.unwrap();
        get(address, "/family").unwrap();
        await_family(&mark, 3); // The program, and two that left its session.
        let asked = Instant::now();
        stage.fleet.shutdown().await;
        assert!(with_environment(&mark).is_empty());
        // A bound of the promise itself: two seconds, with all that a loaded machine may add.
        assert!(asked.elapsed() < PATIENCE);
    });
}

#[test]
fn a_dead_replica_takes_its_children_with_it() {
    run(async {
        let stage = Stage::start(|_| {});
        let mut spec = program("web", "");
        let mark = format!("CHILDREN=mark-{}", stage.folder.0.display());
        let (variable, value) = mark.split_once('=').unwrap();
        edit(&mut spec, |program| {
            program.env.insert(variable.to_owned(), EnvValue::Plain(value.to_owned()));
        });
        stage.fleet.apply(vec![spec]).await.unwrap();
        let first = stage.settled("web").await.replicas.first().unwrap().clone();
        get(first.address.unwrap(), "/family").unwrap();
        await_family(&mark, 3);
        get(first.address.unwrap(), "/exit/1");
        stage
            .until("a replacement", |status| {
                let replica = replica(status, "web");
                replica.state == ReplicaState::Ready && replica.id != first.id
            })
            .await;
        assert_eq!(with_environment(&mark).len(), 1);
        stage.fleet.shutdown().await;
    });
}

#[test]
fn too_much_memory_is_an_out_of_memory_kill() {
    run(async {
        let limit_bytes = 96 * 1024 * 1024;
        let stage = Stage::start(|_| {});
        let mut spec = program("web", "");
        edit(&mut spec, |program| program.limits.memory_bytes = Some(limit_bytes));
        stage.fleet.apply(vec![spec]).await.unwrap();
        let web = stage.settled("web").await;
        assert_eq!(web.limits.first().unwrap().what, "memory");
        assert!(!web.limits.first().unwrap().enforced_by.contains("not enforced"));
        let first = web.replicas.first().unwrap().clone();
        get(first.address.unwrap(), &format!("/eat/{}", limit_bytes / 2));
        let address = first.address.unwrap();
        std::thread::spawn(move || get(address, &format!("/eat/{limit_bytes}")));
        let status = stage
            .until("a replacement", |status| {
                let replica = replica(status, "web");
                replica.state == ReplicaState::Ready && replica.id != first.id
            })
            .await;
        let exit = &replica(&status, "web").last_exit.as_ref().unwrap().exit;
        assert_eq!(*exit, Exit::OutOfMemory { limit_bytes });
        stage.fleet.shutdown().await;
    });
}

#[test]
fn a_command_can_be_the_health_check() {
    run(async {
        let stage = Stage::start(|_| {});
        let mut spec = program("web", "");
        let flag = stage.folder.0.join("well");
        let test = format!("test -e {}", flag.display());
        spec.health = Some(HealthCheck {
            probe: Probe::Exec(orchestrator::CommandLine::split(&test).unwrap()),
            interval: Duration::from_millis(100),
            fall: 2,
            ..HealthCheck::default()
        });
        stage.fleet.apply(vec![spec]).await.unwrap();
        stage
            .until("a failing check", |status| {
                replica(status, "web").check_detail.starts_with("exit status 1")
            })
            .await;
        assert_eq!(stage.door.ready(), []);
        std::fs::write(&flag, "").unwrap();
        let web = stage.settled("web").await;
        std::fs::remove_file(&flag).unwrap();
        // It answers, so it is not killed, but it gets no traffic.
        let status = stage
            .until("no traffic", |status| replica(status, "web").state == ReplicaState::Unhealthy)
            .await;
        assert_eq!(replica(&status, "web").pid, web.replicas.first().unwrap().pid);
        stage.fleet.shutdown().await;
    });
}

#[test]
fn what_somebody_else_runs_is_checked() {
    run(async {
        let stage = Stage::start(|_| {});
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut spec = orchestrator::ServiceSpec::external(name("legacy"), vec![address]);
        spec.health = Some(HealthCheck {
            interval: Duration::from_millis(50),
            fall: 2,
            ..HealthCheck::default()
        });
        stage.fleet.apply(vec![spec]).await.unwrap();
        stage.settled("legacy").await;
        assert_eq!(stage.door.ready(), [address]);
        drop(listener);
        stage
            .until("unhealthy", |status| replica(status, "legacy").state == ReplicaState::Unhealthy)
            .await;
        let states = stage.door.now.lock().unwrap().values().map(|(_, s)| *s).collect::<Vec<_>>();
        assert_eq!(states, [TrafficState::Down]);
        stage.fleet.shutdown().await;
    });
}

#[test]
fn a_secret_reaches_the_program_and_nothing_else() {
    run(async {
        let stage = Stage::start(|_| {});
        let mut spec = program("web", "");
        edit(&mut spec, |program| {
            program.env.insert("KEY".to_owned(), EnvValue::Secret("card-key".to_owned()));
        });
        stage.fleet.apply(vec![spec]).await.unwrap();
        let status = stage
            .until("a failed start", |status| replica(status, "web").last_exit.is_some())
            .await;
        let exit = replica(&status, "web").last_exit.as_ref().unwrap().exit.to_string();
        assert!(exit.contains("mainspring secret set card-key"), "{exit}");
        let set = stage.fleet.secret_set("card-key", "opensesame-42").await.unwrap();
        assert_eq!(set.used_by, [name("web")]);
        let web = stage.settled("web").await;
        let address = web.replicas.first().unwrap().address.unwrap();
        assert_eq!(get(address, "/env/KEY").unwrap(), "opensesame-42");
        get(address, "/say/my-key-is-opensesame-42").unwrap();
        let query = fleet::LogQuery { tail: 10, ..Default::default() };
        let lines = stage.fleet.logs(query).await.unwrap();
        assert_eq!(lines.last().unwrap().text, "my-key-is-[secret card-key]");
        let shown = format!("{:?} {:?}", stage.fleet.status(), stage.messages());
        assert!(!shown.contains("opensesame"));
        assert!(!stage.fleet.events(0).0.iter().all(|event| event.severity == Severity::Error));
        stage.fleet.shutdown().await;
        assert_eq!(files_with(&stage.folder.0, "opensesame"), Vec::<String>::new());
    });
}

#[test]
fn cpu_and_memory_are_measured() {
    run(async {
        let stage = Stage::start(|_| {});
        stage.fleet.apply(vec![program("web", "")]).await.unwrap();
        let status = stage
            .until("a measurement", |status| {
                !status.services.is_empty()
                    && report(status, "web").replicas.iter().any(|r| r.cpu_cores.is_some())
            })
            .await;
        let replica = replica(&status, "web");
        assert!(replica.resident_bytes.unwrap() > 100_000);
        assert!(replica.cpu_cores.unwrap() < 64.0);
        stage.fleet.shutdown().await;
    });
}

/// Files below `folder` that hold `text`.
fn files_with(folder: &std::path::Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path)
                .unwrap()
                .windows(text.len())
                .any(|w| w == text.as_bytes())
            {
                found.push(path.display().to_string());
            }
        }
    }
    found
}
