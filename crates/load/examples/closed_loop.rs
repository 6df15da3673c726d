//! The most that one thread gets out of a service, to compare with `wrk -t1`. Run by hand:
//! `cargo run --release -p load --example closed_loop -- http://127.0.0.1:8080/ 64 5 [RATE]`.

#![expect(clippy::print_stdout, reason = "it prints its findings")]

use std::ops::ControlFlow;
use std::time::Duration;

use load::{Options, Pace, run};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("say which URL")?;
    let mut options = Options::new(url.parse()?);
    options.connections = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    options.duration = Some(Duration::from_secs(seconds));
    if let Some(rate) = arguments.next() {
        options.pace = Pace::Open { rate: rate.parse()? };
    }
    let report = run(&options, |progress| {
        println!("{progress}");
        ControlFlow::Continue(())
    })?;
    print!("{report}");
    Ok(())
}
