//! Random histories: whatever happens, it converges, keeps its limits, and spares the last
//! healthy replica.

use std::time::Duration;

use model::ServiceName;
use orchestrator::{Command, Orchestrator, ReplicaState, ServiceView};
use proptest::prelude::*;

use crate::world::World;

/// Longer than any deadline, grace and back-off in the world, several times over.
const LONG: Duration = Duration::from_secs(150);

#[derive(Clone, Debug)]
enum Step {
    Change(&'static str),
    Deploy,
    Restart,
    Scale(u32),
    Stop,
    Start,
    Kill(usize),
    Hang(usize),
    Busy(bool),
    Pass(u64),
}

fn change() -> impl Strategy<Value = Step> {
    prop::sample::select(vec!["ok", "slow", "die", "unwell", "flaky", "missing", "deaf", "ok 2"])
        .prop_map(Step::Change)
}

/// What deploys and configs do.
fn rollout() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => change(),
        2 => Just(Step::Deploy),
        1 => Just(Step::Restart),
        2 => any::<bool>().prop_map(Step::Busy),
        6 => (0u64..20_000).prop_map(Step::Pass),
    ]
}

/// That, and what people and accidents do.
fn anything() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => rollout(),
        1 => (0u32..6).prop_map(Step::Scale),
        1 => Just(Step::Stop),
        1 => Just(Step::Start),
        2 => (0usize..6).prop_map(Step::Kill),
        2 => (0usize..6).prop_map(Step::Hang),
    ]
}

fn start(replicas: u32) -> World {
    let mut world = World::new();
    world.describe("web", "ok", replicas, &[]);
    world.apply().unwrap();
    world.pass(Duration::from_secs(2));
    world
}

fn take(world: &mut World, step: &Step, replicas: &mut u32) {
    let name = ServiceName::new("web").unwrap();
    // A refusal (busy, stopped) is a fine answer here.
    let _ = match step {
        Step::Change(command) => {
            world.describe("web", command, *replicas, &[]);
            world.apply()
        }
        Step::Deploy => world.command(Command::Deploy(name)),
        Step::Restart => world.command(Command::Restart(name)),
        Step::Scale(to) => {
            *replicas = *to;
            world.command(Command::Scale(name, *to))
        }
        Step::Stop => world.command(Command::Stop(name)),
        Step::Start => world.command(Command::Start(name)),
        Step::Kill(index) => {
            world.kill(*index);
            Ok(())
        }
        Step::Hang(index) => {
            world.hang(*index);
            Ok(())
        }
        Step::Busy(busy) => {
            world.busy = *busy;
            Ok(())
        }
        Step::Pass(ms) => {
            world.pass(Duration::from_millis(*ms));
            Ok(())
        }
    };
}

fn count(view: &ServiceView, state: ReplicaState) -> u32 {
    u32::try_from(view.replicas.iter().filter(|r| r.state == state).count()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn it_converges_whatever_happened(
        replicas in 0u32..4,
        steps in prop::collection::vec(anything(), 0..25),
        fixed in prop::sample::select(vec!["ok 3", "slow 3"]),
    ) {
        let mut replicas = replicas;
        let mut world = start(replicas);
        for step in &steps {
            take(&mut world, step, &mut replicas);
        }
        world.busy = false;
        world.pass(LONG);
        take(&mut world, &Step::Start, &mut replicas);
        take(&mut world, &Step::Change(fixed), &mut replicas);
        world.pass(LONG);
        let view = world.view("web");
        prop_assert!(view.rollout.is_none(), "{:?}", world.picture());
        prop_assert_eq!(count(&view, ReplicaState::Ready), replicas);
        prop_assert_eq!(view.replicas.len(), replicas as usize, "{:?}", world.picture());
        prop_assert_eq!(world.process_count(), replicas as usize);
        prop_assert_eq!(view.desired, view.running);
    }

    #[test]
    fn a_deploy_has_no_more_than_one_extra_and_spares_the_healthy(
        replicas in 1u32..5,
        steps in prop::collection::vec(rollout(), 1..25),
    ) {
        let mut world = start(replicas);
        let mut wanted = replicas;
        for step in &steps {
            take(&mut world, step, &mut wanted);
            prop_assert!(world.extra_max <= 1, "{} extra\n{}", world.extra_max, world.log.join("\n"));
            prop_assert!(world.shortages.is_empty(), "{:?}\n{}", world.shortages, world.log.join("\n"));
        }
    }

    #[test]
    fn a_proven_version_survives_any_bad_one(
        replicas in 1u32..4,
        bad in prop::sample::select(vec!["die", "unwell", "missing"]),
        wait in 0u64..60_000,
    ) {
        let mut world = start(replicas);
        let mut wanted = replicas;
        take(&mut world, &Step::Change(bad), &mut wanted);
        world.pass(Duration::from_millis(wait));
        prop_assert_eq!(count(&world.view("web"), ReplicaState::Ready), replicas);
        world.pass(LONG);
        let view = world.view("web");
        prop_assert_eq!(count(&view, ReplicaState::Ready), replicas);
        prop_assert_eq!(world.process_count(), replicas as usize);
        prop_assert!(view.rollout.is_none() && view.last_failure.is_some());
    }

    #[test]
    fn its_memory_is_what_it_remembers(
        steps in prop::collection::vec(anything(), 0..15),
    ) {
        let mut replicas = 2;
        let mut world = start(replicas);
        for step in &steps {
            take(&mut world, step, &mut replicas);
        }
        let memory = world.machine.memory();
        let json = serde_json::to_vec(&memory).unwrap();
        let read = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(&memory, &read);
        let known: Vec<_> = read.services.iter().flat_map(|s| &s.replicas).map(|r| r.id.clone()).collect();
        let (machine, _) = Orchestrator::resume(1, world.now, read);
        for id in known {
            prop_assert!(machine.knows(&id));
        }
    }
}
