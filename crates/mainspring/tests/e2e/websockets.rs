//! Two hundred WebSockets of a library that nobody here wrote live through twenty reloads.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use crate::node::{Node, eventually};
use crate::outside::{PYTHON, curl, program, say, spawn};

const SOCKETS: u32 = 200;
const RELOADS: u32 = 20;

#[test]
fn two_hundred_websockets_live_through_twenty_reloads() {
    // A reload waits for the services that it adds, so the outside one must be there: its health
    // check is content with a connection, and no request goes to it.
    let outside = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = outside.local_addr().unwrap();
    let config = |number| config(number, address);
    let node = Node::start("websockets", &config(0));
    let url = node.at("/");
    eventually("the echo answers", || (curl(&[&url]).status == 426).then_some(()));

    let mut command = Command::new(PYTHON);
    command.args([&program("websocket_clients.py"), &url.replace("http:", "ws:")]);
    command.arg(SOCKETS.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut clients = spawn(&mut command, "python3-websockets");
    let mut input = clients.stdin.take().unwrap();
    let mut lines = BufReader::new(clients.stdout.take().unwrap()).lines();
    let mut expect = |want: String| {
        let line = lines.next().expect("the clients ended early").unwrap();
        assert_eq!(line, want);
    };

    expect(format!("echoed {SOCKETS}"));
    for number in 1..=RELOADS {
        node.reload(&config(number));
        // A reload that changed nothing would prove nothing.
        let wanted = if number % 2 == 1 { 200 } else { 404 };
        assert_eq!(curl(&[&node.at(&format!("/other/{number}"))]).status, wanted, "{number}");
    }
    input.write_all(b"again\n").unwrap();
    expect(format!("echoed {SOCKETS}"));
    drop(input);
    assert!(clients.wait().unwrap().success());
    say(&format!("{SOCKETS} WebSockets echoed before and after {RELOADS} reloads"));
}

/// The sockets' own route never changes. With odd numbers there is another service with a route
/// of its own that knows the number; with every fourth, one more that somebody else runs.
fn config(number: u32, outside: SocketAddr) -> String {
    let (echo, app) = (program("websocket_echo.py"), program("app.py"));
    let mut text = format!(
        "[service.echo]\nrun = \"{PYTHON} {echo}\"\n[[route]]\npath = \"/\"\nto = \"echo\"\n"
    );
    if number % 2 == 1 {
        text += &format!(
            "[service.other]\nrun = \"python3 {app}\"\nhealth = \"/health\"\n\
             [[route]]\npath = \"/other/{number}\"\nto = \"other\"\nretries = {}\n",
            number % 5
        );
    }
    if number % 4 == 3 {
        text += &format!(
            "[service.third]\nat = [\"{outside}\"]\n\
             [[route]]\nhost = \"h{number}.example\"\npath = \"/**\"\nto = \"third\"\n"
        );
    }
    text
}
