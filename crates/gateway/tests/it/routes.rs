//! The order of routes: a transcript for people, a property for the tree.

use std::net::IpAddr;

use gateway::{
    Canonical, Explanation, FieldList, HeaderMatch, HostMatch, PathMatch, Refusal, Request,
    RoutePolicy, RouteProblem, RouteSpec, Router, Verdict,
};
use model::ServiceName;
use proptest::prelude::*;

use crate::transcript;

fn services() -> Vec<ServiceName> {
    ["a", "b"].map(|name| ServiceName::new(name).unwrap()).to_vec()
}

/// `[METHOD,…] [host]path [header=value|header]…`; a path that begins with `~` is a regex.
fn spec(name: &str, line: &str) -> RouteSpec {
    let mut words = line.split_whitespace();
    let mut word = words.next().unwrap();
    let mut methods = Vec::new();
    if word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b',') {
        methods = word.split(',').map(str::to_owned).collect();
        word = words.next().unwrap();
    }
    let split = word.find(['/', '~']).unwrap_or(word.len());
    let (host, path) = word.split_at(split);
    let header = |word: &str| match word.split_once('=') {
        Some((name, value)) => match value.strip_prefix('~') {
            Some(regex) => HeaderMatch::matches(name, regex).unwrap(),
            None => HeaderMatch::equals(name, value),
        },
        None => HeaderMatch::present(word),
    };
    RouteSpec {
        name: name.to_owned(),
        host: if host.is_empty() { HostMatch::Any } else { HostMatch::parse(host).unwrap() },
        path: match path.strip_prefix('~') {
            Some(regex) => PathMatch::regex(regex).unwrap(),
            None if path.is_empty() => PathMatch::Any,
            None => PathMatch::parse(path).unwrap(),
        },
        methods,
        headers: words.map(header).collect(),
        to: vec![(ServiceName::new("a").unwrap(), 1)],
        policy: RoutePolicy::default(),
    }
}

fn build(lines: &[&str]) -> Result<Router, Vec<RouteProblem>> {
    let specs = lines.iter().zip(1..).map(|(line, n)| spec(&format!("r{n}"), line)).collect();
    Router::build(specs, &services())
}

fn ask<R>(line: &str, then: impl FnOnce(&Request<'_>) -> R) -> R {
    let mut words = line.split_whitespace();
    let method = words.next().unwrap();
    let url = words.next().unwrap();
    let (host, target) = url.split_at(url.find(['/', '*']).unwrap());
    let fields = words
        .map(|word| word.split_once('=').unwrap_or((word, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let canonical = Canonical::parse(method, target.as_bytes(), Some(host.as_bytes())).unwrap();
    then(&Request {
        method,
        canonical: &canonical,
        fields: &FieldList(fields),
        client: IpAddr::from([127, 0, 0, 1]),
        secure: false,
    })
}

fn answer(router: &Router, line: &str) -> String {
    ask(line, |request| {
        let found = router.find(request).map(|route| route.name.to_string());
        let explained = explained(&router.explain(request));
        assert_eq!(found, explained, "the tree and the plain comparison disagree: {line}");
        found.unwrap_or_else(|| match router.refuse(request) {
            Refusal::NotFound => "404".to_owned(),
            Refusal::MethodNotAllowed { allow } => format!("405 Allow: {allow}"),
        })
    })
}

fn explained(explanation: &Explanation) -> Option<String> {
    explanation.chosen.map(|place| explanation.candidates[place].name.clone())
}

#[test]
fn the_most_specific_route_wins() {
    let mut specs: Vec<RouteSpec> = Vec::new();
    let mut router = Router::empty();
    transcript::check("routes.txt", |line| match line.strip_prefix("route ") {
        Some(rest) => {
            let (name, rest) = rest.trim().split_once(' ').unwrap();
            specs.push(spec(name, rest));
            router = Router::build(specs.clone(), &services()).unwrap();
            String::new()
        }
        None if line == "clear" => {
            specs.clear();
            String::new()
        }
        None => answer(&router, line),
    });
}

#[test]
fn an_explanation_says_why_each_route_was_passed_over() {
    let lines =
        ["shop.example/orders/**", "/orders/*", "POST /orders/7", "/orders/7 x-beta=1", "/users"];
    let router = build(&lines).unwrap();
    let explanation = ask("GET other.example/orders/7", |request| router.explain(request));
    let told: Vec<String> = explanation
        .candidates
        .iter()
        .map(|one| format!("{} {} {}: {}", one.name, one.host, one.path, one.verdict))
        .collect();
    assert_eq!(
        told,
        [
            "r1 shop.example /orders/**: the host is another",
            "r4 any host /orders/7: header condition fails: x-beta = \"1\"",
            "r3 any host /orders/7: the method is not listed",
            "r2 any host /orders/*: chosen",
            "r5 any host /users: the path is another",
        ]
    );
    let both = ask("GET shop.example/orders/7", |request| router.explain(request));
    assert_eq!(both.candidates[3].verdict, Verdict::LessSpecific);
}

#[test]
fn routes_that_can_never_match_are_refused() {
    let problem = |lines: &[&str]| {
        build(lines).map(|_| ()).map_err(|list| (list[0].index, list[0].other, list.len()))
    };
    assert_eq!(problem(&["/a", "/a"]), Err((1, Some(0), 1)));
    assert_eq!(problem(&["GET,POST /a", "POST /a", "GET /a"]), Err((0, Some(2), 1)));
    assert_eq!(problem(&["GET /a", "HEAD /a"]), Err((1, Some(0), 1)));
    assert_eq!(problem(&["HEAD /a", "GET /a"]), Ok(()));
    assert_eq!(problem(&["/a", "GET /a", "/a x", "/a x=1"]), Ok(()));
    assert_eq!(problem(&["/a x y", "/a y x"]), Err((1, Some(0), 1)));
    assert_eq!(problem(&["~/a.*", "~/a.*"]), Err((1, Some(0), 1)));
    assert_eq!(problem(&["shop.example", "shop.example"]), Err((1, Some(0), 1)));
    let twice = vec![spec("same", "/a"), spec("same", "/b")];
    assert!(Router::build(twice, &services()).unwrap_err()[0].message.contains("used twice"));
    let mut weightless = spec("w", "/a");
    weightless.to = vec![(ServiceName::new("a").unwrap(), 0)];
    assert!(Router::build(vec![weightless], &services()).is_err());
}

#[test]
fn weights_are_exact() {
    let mut split = spec("split", "/**");
    split.to = vec![(ServiceName::new("a").unwrap(), 90), (ServiceName::new("b").unwrap(), 10)];
    let router = Router::build(vec![split], &services()).unwrap();
    let picks: Vec<u32> = ask("GET h/x", |request| {
        (0..1_000).map(|_| router.find(request).unwrap().to.pick()).collect()
    });
    assert_eq!(picks.iter().filter(|&&service| service == 1).count(), 100);
}

#[test]
fn patterns_that_mean_something_else_are_refused_with_the_correction() {
    let message = |text: &str| PathMatch::parse(text).unwrap_err().to_string();
    assert!(message("orders/**").contains("\"/orders/**\""));
    assert!(message("/orders**").contains("whole segment"));
    assert!(message("/a//b").contains("write \"/a/b\""));
    assert!(message("/a?x=1").contains("queries are not matched"));
    assert!(message("/é").contains("percent-encode"));
    assert!(message("/%7ea").contains("write \"/~a\""));
    assert!(message("/..").contains("leaves the root"));
    assert!(PathMatch::parse(&"/a".repeat(64)).is_ok());
    assert!(PathMatch::parse(&"/a".repeat(65)).is_err());
    assert!(PathMatch::regex("(").is_err());
    assert!(PathMatch::regex("a)(b").is_err(), "it may not step out of its anchors");
    assert!(PathMatch::regex(".{999}{999}").is_err(), "too much memory");
    let host = |text: &str| HostMatch::parse(text).unwrap_err().to_string();
    assert!(host("*").contains("leave `host` out"));
    assert!(host("a.*.b").contains("first label"));
    assert!(host("shop.example:80").contains("without a port"));
    assert_eq!(HostMatch::parse("SHOP.example.").unwrap().to_string(), "shop.example");
    assert_eq!(HostMatch::parse("[::0001]").unwrap().to_string(), "[::1]");
}

fn random_path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        Just("a"),
        Just("b"),
        Just("ab"),
        Just("*"),
        Just("a*"),
        Just("*b"),
        Just("**"),
        Just("a*b")
    ];
    let pattern =
        (proptest::collection::vec(segment, 0..4), any::<bool>()).prop_map(|(segments, slash)| {
            let tail = if slash || segments.is_empty() { "/" } else { "" };
            segments.iter().map(|segment| format!("/{segment}")).collect::<String>() + tail
        });
    let regex = prop_oneof![
        Just("~/a/.*"),
        Just("~.*b"),
        Just("~/a/b?/?"),
        Just("~/(a|b)/.*"),
        Just("~/ab/a.*")
    ]
    .prop_map(str::to_owned);
    prop_oneof![8 => pattern, 2 => regex, 1 => Just(String::new())]
}

fn random_route() -> impl Strategy<Value = String> {
    let methods = prop_oneof![4 => Just(""), 1 => Just("GET "), 1 => Just("POST,GET ")];
    let host = prop_oneof![
        3 => Just(""), 1 => Just("x.y"), 1 => Just("*.y"), 1 => Just("*.x.y"), 1 => Just("y")
    ];
    let headers =
        prop_oneof![3 => Just(""), 1 => Just(" k"), 1 => Just(" k=1"), 1 => Just(" k=1 l")];
    (methods, host, random_path(), headers)
        .prop_filter("a line needs a word", |(_, host, path, _)| {
            !(host.is_empty() && path.is_empty())
        })
        .prop_map(|(methods, host, path, headers)| format!("{methods}{host}{path}{headers}"))
}

fn random_request() -> impl Strategy<Value = String> {
    let methods = prop_oneof![Just("GET"), Just("POST"), Just("HEAD"), Just("PUT")];
    let host = prop_oneof![Just("x.y"), Just("w.x.y"), Just("y"), Just("z"), Just("")];
    let segment = prop_oneof![Just("a"), Just("b"), Just("ab"), Just("aab"), Just("c")];
    let path =
        (proptest::collection::vec(segment, 0..5), any::<bool>()).prop_map(|(list, slash)| {
            let tail = if slash || list.is_empty() { "/" } else { "" };
            list.iter().map(|segment| format!("/{segment}")).collect::<String>() + tail
        });
    let headers = prop_oneof![Just(""), Just(" k=1"), Just(" k=2"), Just(" k=1 l=1")];
    (methods, host, path, headers).prop_map(|(m, h, p, k)| format!("{m} {h}{p}{k}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// `answer` compares the tree with the plain comparison of `explain`.
    #[test]
    fn the_tree_finds_what_the_order_says(
        routes in proptest::collection::vec(random_route(), 0..14),
        requests in proptest::collection::vec(random_request(), 1..20),
    ) {
        // Routes that can never match are refused; the others form a table.
        let mut kept: Vec<&str> = routes.iter().map(String::as_str).collect();
        let router = loop {
            match build(&kept) {
                Ok(router) => break router,
                Err(problems) => {
                    let bad: Vec<usize> = problems.iter().map(|one| one.index).collect();
                    let mut place = 0..;
                    kept.retain(|_| !bad.contains(&place.next().unwrap()));
                }
            }
        };
        for request in &requests {
            answer(&router, request);
        }
    }
}
