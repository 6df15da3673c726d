//! What one request's decisions cost, in nanoseconds. Run by hand:
//! `cargo run --release -p gateway --example decision_cost`.

#![expect(clippy::print_stdout, reason = "it prints its findings")]
#![expect(clippy::disallowed_methods, reason = "a stopwatch needs the clock")]
#![expect(clippy::unwrap_used, reason = "a broken example should stop")]

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Instant;

use gateway::{
    Balance, Canonical, Directory, EdgePolicy, EndpointState, FieldList, Forwarding, HostMatch,
    PathMatch, Peer, Request, RetryPolicy, RoutePolicy, RouteSpec, Router, ServiceSpec,
    TraceContext, Tried,
};
use model::ServiceName;

/// Runs per sample, and samples. The best sample is the least disturbed one; samples are shorter
/// than a scheduler's slice, so that some are not disturbed at all on a busy machine.
const RUN_COUNT: u32 = 500;
const SAMPLE_COUNT: u32 = 4_000;

fn main() {
    parsing();
    for count in [10, 1_000, 5_000] {
        routing(count);
    }
    for count in [2, 16] {
        leasing(count);
    }
    telling();
}

fn print(what: &str, mut run: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..SAMPLE_COUNT {
        let start = Instant::now();
        for _ in 0..RUN_COUNT {
            run();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(RUN_COUNT));
    }
    println!("{what:<44} {best:>8.1} ns");
}

fn parsing() {
    let host = Some(&b"shop.example:8080"[..]);
    for (what, target) in [
        ("parse, plain", &b"/orders/4711/items?expand=items&page=2"[..]),
        ("parse, canonical escapes", b"/caf%C3%A9/cr%C3%A8me%20br%C3%BBl%C3%A9e"),
        ("parse, rewritten", b"/orders/./x/../4711//items/%7euser"),
    ] {
        print(what, || {
            black_box(Canonical::parse("GET", black_box(target), host).unwrap());
        });
    }
}

fn routing(count: u32) {
    let service = ServiceName::new("orders").unwrap();
    let spec = |number: u32| RouteSpec {
        name: format!("r{number}"),
        // As many hosts as a multi-tenant edge has, and some paths in each.
        host: HostMatch::parse(&format!("t{}.shop.example", number / 10)).unwrap(),
        path: PathMatch::parse(&format!("/api/v{}/orders/**", number % 10)).unwrap(),
        methods: vec![],
        headers: vec![],
        to: vec![(service.clone(), 1)],
        policy: RoutePolicy::default(),
    };
    let mut specs: Vec<RouteSpec> = (0..count).map(spec).collect();
    // And one host with all of them as paths, in which the look-ups are made too.
    specs.extend((0..count).map(|number| RouteSpec {
        name: format!("p{number}"),
        host: HostMatch::Any,
        path: PathMatch::parse(&format!("/tenant{number}/orders/*")).unwrap(),
        ..spec(number)
    }));
    let router = Router::build(specs, &[service]).unwrap();
    let middle = count / 2;
    for (what, host, target) in [
        ("by host", format!("t{}.shop.example", middle / 10), "/api/v0/orders/17".to_owned()),
        ("by path", "other.example".to_owned(), format!("/tenant{middle}/orders/17")),
    ] {
        let canonical = Canonical::parse("GET", target.as_bytes(), Some(host.as_bytes())).unwrap();
        let request = Request {
            method: "GET",
            canonical: &canonical,
            fields: &FieldList::default(),
            client: IpAddr::from([127, 0, 0, 1]),
            secure: false,
        };
        assert!(router.find(&request).is_some());
        print(&format!("route among {}, {what}", count * 2), || {
            black_box(router.find(black_box(&request)));
        });
    }
}

fn leasing(count: u16) {
    let name = ServiceName::new("orders").unwrap();
    let mut directory = Directory::new(EdgePolicy::default());
    let spec = ServiceSpec { name: name.clone(), retry: RetryPolicy::default() };
    directory.configure(vec![spec], vec![], EdgePolicy::default()).unwrap();
    for number in 1..=count {
        let address = ([127, 0, 0, 1], number).into();
        let label = format!("orders.{number}");
        directory.upsert_endpoint(&name, &label, address, EndpointState::Ready);
    }
    let snapshot = directory.snapshot();
    let service = snapshot.service(0).unwrap();
    for balance in [Balance::RoundRobin, Balance::LeastConnections] {
        print(&format!("lease among {count}, {balance:?}"), || {
            black_box(service.lease(balance, &Tried::NONE).unwrap());
        });
    }
}

fn telling() {
    let forwarding = Forwarding::default();
    let peer = Peer { address: IpAddr::from([203, 0, 113, 9]), secure: false };
    let fields = FieldList::default();
    let canonical = Canonical::parse("GET", b"/", Some(b"shop.example:8080")).unwrap();
    let mut out = Vec::with_capacity(256);
    print("X-Forwarded-*, for a stranger", || {
        out.clear();
        let origin = forwarding.origin(peer, &fields);
        forwarding.write(peer, &origin, &canonical, &fields, &mut |name, value| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(value);
        });
        black_box(&out);
    });
    print("traceparent, started and written", || {
        out.clear();
        TraceContext::continue_or_start(&fields, black_box([7; 24])).write(&mut out);
        black_box(&out);
    });
}
