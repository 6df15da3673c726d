//! The console over a made-up node, to look at it and to test it in a browser.
//!
//! `cargo run -p console --example fake_node -- [ADDRESS [TOKEN_FILE]]`; it prints its URL, and ends
//! when its standard input does.

#[path = "../tests/fake/mod.rs"]
mod fake;

use std::io::{Read, Write};
use std::sync::Arc;

use console::{Console, ConsoleConfig, Token};
use runtime::control::Control;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned()).parse()?;
    let mut config = ConsoleConfig::new(address);
    if let Some(path) = std::env::args().nth(2) {
        config.token = Some(Token::load_or_create(path.as_ref())?);
    }
    let control = Control::start("control")?;
    let started = control
        .block_on(async move { Console::start(config, Arc::new(fake::FakeNode::new())).await });
    let console = started.ok_or("the control thread ended")??;
    let mut out = std::io::stdout();
    writeln!(out, "http://{}", console.address())?;
    out.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
