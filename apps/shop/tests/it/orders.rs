//! Orders over five programs: paid, declined, late, sent back; copies that share, stop and die.

use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use super::client::{self, Answer};
use super::{Folder, Running, eventually, shop};

const GOOD: &str = "4242424242424242";
const DECLINED: &str = "4000000000000002";
const SLOW: &str = "4000000000000044";
const LATE: &str = "4000000000000077";

struct Shop {
    folder: Folder,
    catalogue: Running,
    users: Running,
    cart: Running,
    payments: Running,
    orders: Vec<Running>,
}

impl Shop {
    fn open(name: &str, copies: u32) -> Shop {
        let folder = Folder::new(name);
        let catalogue = Running::start(shop("catalogue", &folder.0));
        let users = Running::start(shop("users", &folder.0));
        let payments = Running::start(shop("payments", &folder.0));
        let mut command = shop("cart", &folder.0);
        command.env("MAINSPRING_CATALOGUE_URL", &catalogue.url);
        let cart = Running::start(command);
        let mut shop = Shop { folder, catalogue, users, cart, payments, orders: Vec::new() };
        for copy in 1..=copies {
            let mut command = shop.orders_command();
            command.env("REPLICA", copy.to_string());
            shop.orders.push(Running::start(command));
        }
        shop
    }

    fn orders_command(&self) -> Command {
        let mut command = shop("orders", &self.folder.0);
        command
            .env("MAINSPRING_CATALOGUE_URL", &self.catalogue.url)
            .env("MAINSPRING_USERS_URL", &self.users.url)
            .env("MAINSPRING_CART_URL", &self.cart.url)
            .env("MAINSPRING_PAYMENTS_URL", &self.payments.url);
        command
    }

    fn order(&self, copy: usize, reference: &str, card: &str, goods: Value) -> Answer {
        let url = format!("{}/api/orders", self.orders[copy].url);
        client::send("POST", &url, &form(reference, card, goods))
    }

    fn status(&self, copy: usize, reference: &str) -> String {
        let answer = client::get(&format!("{}/api/orders/{reference}", self.orders[copy].url));
        answer.body["status"].as_str().unwrap_or("none").to_string()
    }

    fn stock(&self, product: &str) -> i64 {
        let url = format!("{}/api/catalogue/products/{product}", self.catalogue.url);
        client::get(&url).body["stock"].as_i64().unwrap()
    }

    fn ledger(&self) -> Vec<Value> {
        let output = shop("ledger", &self.folder.0).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn form(reference: &str, card: &str, goods: Value) -> Value {
    let mut form = json!({
        "reference": reference, "email": "ann@shop.example", "name": "Ann", "card": card,
    });
    for (key, value) in goods.as_object().unwrap() {
        form[key] = value.clone();
    }
    form
}

fn one(product: &str) -> Value {
    json!({ "items": [{ "product": product, "quantity": 1 }] })
}

#[test]
fn a_customer_registers_fills_a_cart_orders_and_sends_it_back() {
    let shop = Shop::open("customer", 1);
    let account = json!({ "email": "Ann@Shop.example", "name": "Ann", "password": "tick-tock" });
    let users = format!("{}/api/users", shop.users.url);
    let registered = client::send("POST", &users, &account);
    assert_eq!(registered.status, 201);
    assert_eq!(client::send("POST", &users, &account).status, 409);
    let wrong = json!({ "email": "ann@shop.example", "password": "tock-tick" });
    assert_eq!(client::send("POST", &format!("{users}/session"), &wrong).status, 401);
    let cookie = registered.field("set-cookie").unwrap().split(';').next().unwrap().to_string();
    let cookie = format!("cookie: {cookie}\r\n");

    let cart = format!("{}/api/cart/0123456789abcdef", shop.cart.url);
    for (product, quantity, want) in [("field", 2, 200), ("gear", 1, 200), ("nothing", 1, 404)] {
        let url = format!("{cart}/items/{product}");
        let set = client::send("PUT", &url, &json!({ "quantity": quantity }));
        assert_eq!(set.status, want, "{product}: {}", set.body);
    }
    assert_eq!(client::get(&cart).body["total_cents"], 2 * 14_900 + 49_900);

    let url = format!("{}/api/orders", shop.orders[0].url);
    let body = form("order-of-ann-0001", GOOD, json!({ "cart": "0123456789abcdef" }));
    let paid = client::call("POST", &url, Some(&body), &cookie).unwrap();
    assert_eq!((paid.status, &paid.body["status"]), (201, &json!("paid")), "{}", paid.body);
    assert_eq!(paid.body["total_cents"], 79_700);
    assert_eq!(paid.field("shop-replica"), Some("orders.1"));
    assert_eq!(client::get(&cart).body["items"], json!([]));
    assert_eq!(shop.stock("gear"), 2);
    let mine = client::call("GET", &url, None, &cookie).unwrap();
    assert_eq!(mine.body["orders"][0]["reference"], "order-of-ann-0001");
    assert_eq!(client::get(&url).status, 401);

    let refund = format!("{url}/order-of-ann-0001/refund");
    for _ in 0..2 {
        assert_eq!(client::send("POST", &refund, &json!({})).status, 200);
    }
    assert_eq!(shop.stock("gear"), 3, "put back once");
    let ledger = shop.ledger();
    assert_eq!(ledger.len(), 1);
    assert_eq!(ledger[0]["refunded"], true);
}

#[test]
fn refused_orders_charge_nothing_and_put_everything_back() {
    let shop = Shop::open("refused", 1);
    assert_eq!(shop.order(0, "declined-order-01", DECLINED, one("gear")).status, 402);
    let four = json!({ "items": [{ "product": "gear", "quantity": 4 }] });
    assert_eq!(shop.order(0, "too-many-order-01", GOOD, four).status, 409);
    assert_eq!(shop.order(0, "no-such-goods-001", GOOD, one("nothing")).body["status"], "failed");
    assert_eq!(shop.order(0, "short", GOOD, one("gear")).status, 422);
    assert_eq!(shop.order(0, "no-goods-order-01", GOOD, json!({})).status, 422);
    assert_eq!(shop.order(0, "wrong-card-order1", "12ab", one("gear")).status, 402);
    assert_eq!(shop.stock("gear"), 3);
    assert!(shop.ledger().iter().all(|order| order["charged"] == false));
    let refund = format!("{}/api/orders/declined-order-01/refund", shop.orders[0].url);
    assert_eq!(client::send("POST", &refund, &json!({})).status, 409);
}

#[test]
fn orders_fail_politely_while_payments_is_away() {
    let mut shop = Shop::open("away", 1);
    shop.payments.child.kill().unwrap();
    shop.payments.wait();
    let answer = shop.order(0, "away-order-000001", GOOD, one("gear"));
    assert_eq!((answer.status, &answer.body["status"]), (503, &json!("failed")));
    assert_eq!(shop.stock("gear"), 3);
}

#[test]
fn two_copies_share_one_file_and_a_reference_is_charged_once() {
    let shop = Shop::open("copies", 2);
    thread::scope(|scope| {
        for number in 0..40 {
            let shop = &shop;
            // Each reference goes to both copies at once.
            for copy in 0..2 {
                scope.spawn(move || {
                    let reference = format!("shared-order-{number:04}");
                    let answer = shop.order(copy, &reference, GOOD, one("timer"));
                    assert!(matches!(answer.status, 201 | 202), "{}", answer.body);
                });
            }
        }
    });
    let ledger = shop.ledger();
    assert_eq!(ledger.len(), 40);
    for order in &ledger {
        assert_eq!(order["status"], "paid", "{order}");
        assert_eq!((&order["arrivals"], &order["charge_requests"]), (&json!(2), &json!(1)));
    }
    assert_eq!(shop.stock("timer"), 600 - 40);
}

#[test]
fn a_late_answer_of_the_card_network_is_settled() {
    let shop = Shop::open("late", 1);
    let answer = shop.order(0, "late-order-000001", LATE, one("gear"));
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("pending")));
    eventually("the order is paid", || shop.status(0, "late-order-000001") == "paid");
    assert_eq!(shop.ledger()[0]["charge_requests"], 1);
}

#[test]
fn a_copy_that_stops_finishes_the_order_in_hand() {
    let mut shop = Shop::open("stop", 1);
    let answer = thread::scope(|scope| {
        let order = scope.spawn(|| shop.order(0, "stopping-order-01", SLOW, one("gear")));
        eventually("the order arrived", || shop.status(0, "stopping-order-01") == "placing");
        shop.orders[0].terminate();
        order.join().unwrap()
    });
    assert_eq!((answer.status, &answer.body["status"]), (201, &json!("paid")));
    assert!(shop.orders[0].wait().success());
}

#[test]
fn the_order_of_a_killed_copy_is_settled_by_another() {
    let mut shop = Shop::open("killed", 2);
    let url = format!("{}/api/orders", shop.orders[0].url);
    let body = form("orphan-order-0001", SLOW, one("gear"));
    let order = thread::spawn(move || client::call("POST", &url, Some(&body), ""));
    eventually("the order arrived", || shop.status(1, "orphan-order-0001") == "placing");
    shop.orders[0].child.kill().unwrap();
    assert!(order.join().unwrap().is_err(), "nobody answers for the dead");
    eventually("it has an end", || {
        let status = shop.status(1, "orphan-order-0001");
        status == "paid" || status == "failed"
    });
    let ledger = shop.ledger();
    assert_eq!(ledger[0]["charged"], ledger[0]["status"] == "paid", "{}", ledger[0]);
    assert!(ledger[0]["charge_requests"].as_i64().unwrap() <= 1);
    shop.orders[0].wait();
}
