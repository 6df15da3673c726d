//! Deploys, rollbacks, scaling: never fewer ready than wanted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use orchestrator::{EnvValue, Outcome, Refused, ServiceSpec};

use crate::stage::{Stage, edit, get, name, program, report, run};

fn version(text: &str, replicas: u32, arguments: &str) -> ServiceSpec {
    let mut spec = program("web", arguments);
    edit(&mut spec, |program| {
        program.replicas = replicas;
        program.env.insert("VERSION".to_owned(), EnvValue::Plain(text.to_owned()));
    });
    spec
}

async fn start(stage: &Stage, replicas: u32) {
    stage.fleet.apply(vec![version("one", replicas, "")]).await.unwrap();
    stage.settled("web").await;
    stage.door.forget();
}

fn versions(stage: &Stage) -> Vec<String> {
    stage.door.ready().iter().map(|address| get(*address, "/env/VERSION").unwrap()).collect()
}

#[test]
fn a_changed_spec_rolls_over_with_all_replicas_ready_throughout() {
    run(async {
        let stage = Stage::start(|_| {});
        start(&stage, 2).await;
        let applied = stage.fleet.apply(vec![version("two", 2, "")]).await.unwrap();
        for rollout in applied.rollouts {
            assert_eq!(rollout.outcome().await.unwrap(), Outcome::Done);
        }
        assert_eq!(versions(&stage), ["two", "two"]);
        assert_eq!(*stage.door.ready_min.lock().unwrap(), 2);
        let again = stage.fleet.apply(vec![version("two", 2, "")]).await.unwrap();
        assert!(again.rollouts.is_empty(), "unchanged is untouched");
        stage.fleet.shutdown().await;
    });
}

#[test]
fn a_version_that_dies_is_rolled_back() {
    run(async {
        let stage = Stage::start(|_| {});
        start(&stage, 2).await;
        let pids = |stage: &Stage| {
            let status = stage.fleet.status();
            report(&status, "web").replicas.iter().map(|r| r.pid).collect::<Vec<_>>()
        };
        let before = pids(&stage);
        let applied = stage.fleet.apply(vec![version("two", 2, "die")]).await.unwrap();
        let outcome = applied.rollouts.into_iter().next().unwrap().outcome().await.unwrap();
        assert!(matches!(&outcome, Outcome::RolledBack { why } if why.contains("exit status 3")));
        let web = stage.settled("web").await;
        assert_eq!(pids(&stage), before, "the old ones were never touched");
        assert_eq!(*stage.door.ready_min.lock().unwrap(), 2);
        assert!(web.last_failure.is_some());
        assert_ne!(web.desired, web.running);
        stage.fleet.shutdown().await;
    });
}

#[test]
fn a_version_that_never_gets_healthy_is_rolled_back_at_the_deadline() {
    run(async {
        let stage = Stage::start(|_| {});
        start(&stage, 1).await;
        let mut unwell = version("two", 1, "unwell");
        edit(&mut unwell, |program| program.deploy.deadline = Duration::from_millis(800));
        let applied = stage.fleet.apply(vec![unwell]).await.unwrap();
        let outcome = applied.rollouts.into_iter().next().unwrap().outcome().await.unwrap();
        assert!(matches!(&outcome, Outcome::RolledBack { why } if why.contains("status 500")));
        assert_eq!(versions(&stage), ["one"]);
        assert_eq!(*stage.door.ready_min.lock().unwrap(), 1);
        stage.fleet.shutdown().await;
    });
}

#[test]
fn a_deploy_waits_for_requests_in_flight_and_refuses_another() {
    run(async {
        let stage = Stage::start(|_| {});
        start(&stage, 1).await;
        stage.door.in_flight.store(1, Ordering::SeqCst);
        let fleet = stage.fleet.clone();
        let deploy = runtime::task::spawn(async move { fleet.deploy(&name("web")).await });
        stage
            .until("the old one draining", |status| {
                let replicas = &report(status, "web").replicas;
                replicas.iter().any(|r| r.state == orchestrator::ReplicaState::Draining)
            })
            .await;
        let refused = stage.fleet.deploy(&name("web")).await;
        assert!(matches!(
            refused,
            Err(fleet::FleetError::Refused(Refused::Busy { version: 2, .. }))
        ));
        let old = stage.door.history.lock().unwrap().first().unwrap().0.clone();
        assert!(stage.door.now.lock().unwrap().contains_key(&old));
        stage.door.in_flight.store(0, Ordering::SeqCst);
        assert_eq!(deploy.await.unwrap().unwrap(), Outcome::Done);
        assert!(!stage.door.now.lock().unwrap().contains_key(&old));
        stage.fleet.shutdown().await;
    });
}

#[test]
fn scaling_goes_up_and_down_and_unknown_names_are_refused() {
    run(async {
        let stage = Stage::start(|_| {});
        start(&stage, 1).await;
        stage.fleet.scale(&name("web"), 3).await.unwrap();
        assert_eq!(stage.settled("web").await.ready, 3);
        stage.fleet.scale(&name("web"), 1).await.unwrap();
        assert_eq!(stage.settled("web").await.replicas.len(), 1);
        assert!(*stage.door.ready_min.lock().unwrap() >= 1);
        assert!(stage.fleet.scale(&name("nope"), 1).await.is_err());
        stage.fleet.shutdown().await;
    });
}
