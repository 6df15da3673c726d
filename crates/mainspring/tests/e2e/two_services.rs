//! The classic first example: two services behind one address, and nothing else.

use crate::node::{Node, eventually};
use crate::outside::{curl, program, say};

#[test]
fn two_services_behind_one_address_and_nothing_else() {
    let app = program("app.py");
    let node = Node::start(
        "two",
        &format!(
            "[service.product]\nrun = \"python3 {app} product\"\nhealth = \"/health\"\n\
             [service.order]\nrun = \"python3 {app} order\"\nhealth = \"/health\"\n\
             [[route]]\npath = \"/product/**\"\nto = \"product\"\n\
             [[route]]\npath = \"/order/**\"\nto = \"order\"\n"
        ),
    );
    for service in ["product", "order"] {
        let url = node.at(&format!("/{service}"));
        let body = eventually(&format!("{service} answers"), || {
            let answer = curl(&[&url]);
            // Until its first replica is ready the only other answer is "come again".
            assert!(matches!(answer.status, 200 | 503), "{}: {}", answer.status, answer.body);
            (answer.status == 200).then_some(answer.body)
        });
        assert_eq!(body, format!("{service} answers GET /{service}\n"));
        let answer = curl(&["-X", "POST", "--data", "x=1", &node.at(&format!("/{service}/7?a=b"))]);
        assert_eq!(answer.body, format!("{service} answers POST /{service}/7?a=b\n"));
    }

    let answer = curl(&[&node.at("/elsewhere")]);
    assert_eq!(answer.status, 404);
    let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("Route not found"), "{problem}");
    let page = curl(&["-H", "Accept: text/html", &node.at("/products")]);
    assert_eq!(page.status, 404);
    assert!(page.body.contains("Route not found") && page.body.contains("<html"), "{}", page.body);

    node.run(&["stop", "order"]);
    let status = eventually("order is stopped", || {
        let answer = curl(&[&node.at("/order")]);
        (answer.status != 200).then_some(answer.status)
    });
    assert_eq!((status, curl(&[&node.at("/product")]).status), (502, 200));
    say("two services: 200 each by path, 404 elsewhere, 502 when stopped");
}
