//! Whatever is done to a service, wrk as an outside client without retries sees no failure.

use crate::node::{Node, eventually};
use crate::outside::{Wrk, program, signal};

/// A node with two replicas of the app that are looked at often, and wrk that loads them.
fn begin(name: &str) -> (Node, Wrk, Vec<u32>) {
    let node = Node::start(name, &config(""));
    let pids = node.wait_for_ready("app", 2);
    let wrk = Wrk::start(&node.at("/page"));
    node.wait_for_load("app", &pids);
    (node, wrk, pids)
}

fn config(more: &str) -> String {
    let app = program("app.py");
    format!(
        "[service.app]\nrun = \"python3 {app}\"\nreplicas = 2\n\
         health = {{ http = \"/health\", interval = \"300ms\", timeout = \"2s\", fall = 2 }}\n\
         back-off = {{ first = \"100ms\" }}\n\
         [[route]]\npath = \"/**\"\nto = \"app\"\n{more}"
    )
}

#[test]
fn a_rolling_deploy_fails_no_request() {
    let (node, wrk, old) = begin("deploy");
    node.run(&["deploy", "app"]);
    let new = node.wait_for_ready("app", 2);
    assert!(new.iter().all(|pid| !old.contains(pid)), "{old:?} are to be replaced, not {new:?}");
    node.wait_for_load("app", &new);
    wrk.finish().assert_clean("rolling deploy");
}

#[test]
fn scaling_up_and_down_fails_no_request() {
    let (node, wrk, _) = begin("scale");
    for count in [4, 1, 3] {
        node.run(&["scale", &format!("app={count}")]);
        let pids = node.wait_for_ready("app", count);
        node.wait_for_load("app", &pids);
    }
    wrk.finish().assert_clean("scale 2, 4, 1, 3");
}

#[test]
fn reloads_fail_no_request() {
    let (node, wrk, pids) = begin("reload");
    for number in 0..10 {
        let more =
            format!("[[route]]\npath = \"/extra/{number}\"\nmethods = [\"GET\"]\nto = \"app\"\n");
        node.reload(&config(if number % 2 == 0 { &more } else { "" }));
    }
    assert_eq!(node.ready_pids("app"), pids, "a reload of routes is no reason to restart anything");
    node.wait_for_load("app", &pids);
    wrk.finish().assert_clean("10 reloads");
}

#[test]
fn a_killed_replica_fails_no_get() {
    let (node, wrk, mut known) = begin("kill");
    for _ in 0..3 {
        let victim = node.ready_pids("app")[0];
        signal("KILL", victim);
        let pids = replaced(&node, victim);
        assert!(pids.iter().any(|pid| !known.contains(pid)), "a new one: {known:?}, {pids:?}");
        node.wait_for_load("app", &pids);
        known.extend(pids);
    }
    wrk.finish().assert_clean("kill -9, three times");
}

#[test]
fn a_hung_replica_is_replaced_and_fails_no_get() {
    let (node, wrk, pids) = begin("hang");
    signal("STOP", pids[0]);
    let pids = replaced(&node, pids[0]);
    node.wait_for_load("app", &pids);
    wrk.finish().assert_clean("SIGSTOP");
}

/// Waits until two replicas are ready and the victim is none of them.
fn replaced(node: &Node, victim: u32) -> Vec<u32> {
    eventually(&format!("{victim} is replaced"), || {
        let pids = node.ready_pids("app");
        (pids.len() == 2 && !pids.contains(&victim)).then_some(pids)
    })
}
