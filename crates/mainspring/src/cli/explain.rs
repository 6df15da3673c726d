//! `mainspring explain`: which route a request takes and why.

use std::path::Path;

use clap::Args;
use console::api::{ExplainRequest, Explanation};

use super::output::{Cell, Table, Tone};
use super::{DONE, FAILED, Failure, Outcome, Output, change};
use crate::explain;

#[derive(Args, Clone, Debug)]
pub(super) struct ExplainArgs {
    /// The method, such as GET
    method: String,
    /// A URL such as http://shop.example/orders/1, or a path
    url: String,
    /// A header of the request, as "name: value"; may be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = parse_header)]
    headers: Vec<(String, String)>,
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

/// `mainspring explain`: 1 when no route takes the request.
pub(super) fn explain(path: &Path, args: &ExplainArgs, output: Output) -> Outcome {
    let (_, config) = change::read(path, output)?;
    let request = ExplainRequest {
        method: args.method.clone(),
        url: args.url.clone(),
        headers: args.headers.clone(),
    };
    let told = explain::explain(&config, &request).map_err(Failure::failed)?;
    if args.json {
        output.json(&told);
    } else {
        output.write(&show(&told, output));
    }
    Ok(if told.route.is_some() { DONE } else { FAILED })
}

/// `name: value`, as curl's -H has it.
pub(super) fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write a header as \"name: value\"")?;
    let name = name.trim();
    if name.is_empty() {
        Err("the header has no name".to_owned())
    } else {
        Ok((name.to_owned(), value.trim().to_owned()))
    }
}

fn show(told: &Explanation, output: Output) -> String {
    let query = told.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
    let host = if told.host.is_empty() { ", no host named" } else { "" };
    let mut text = format!("{} {}{}{query}{host}\n\n", told.method, told.host, told.path);
    if told.steps.is_empty() {
        text.push_str("there are no routes\n");
    } else {
        let mut table = Table::new(&["", "ROUTE", "WHY"]);
        for step in &told.steps {
            let (mark, tone) = if step.matched { ("→", Tone::Good) } else { ("", Tone::Faint) };
            table.row(vec![
                Cell::text(mark).in_tone(tone),
                Cell::text(&step.route).in_tone(if step.matched {
                    Tone::Good
                } else {
                    Tone::Plain
                }),
                Cell::text(&step.reason).in_tone(tone),
            ]);
        }
        text.push_str(&output.table(&table));
    }
    text.push('\n');
    text.push_str(&match (&told.route, &told.service) {
        (Some(route), Some(service)) => format!("taken by {route}, to {service}\n"),
        _ => "taken by no route: answered with 404, or 405 where only the method is wrong\n"
            .to_owned(),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert_eq!(parse_header("X-A: b:c "), Ok(("X-A".to_owned(), "b:c".to_owned())));
        assert_eq!(parse_header("x:"), Ok(("x".to_owned(), String::new())));
        assert!(parse_header("x").is_err() && parse_header(": x").is_err());
    }
}
