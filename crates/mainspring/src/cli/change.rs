//! Commands about the configuration: check, plan, reload.

use std::path::Path;

use clap::Args;
use console::api::{
    ConfigText, PlanAction, PlanChange, PlanReport, PlanSubject, ReloadReport, ReloadRequest,
};
use serde_json::json;

use super::output::Tone;
use super::remote::{Patience, Target};
use super::{CHANGE, DONE, Failure, Outcome, Output, WRONG};
use crate::config::{self, Config, Diagnostics};

#[derive(Args, Clone, Debug)]
pub(super) struct ReloadArgs {
    /// Only when the running configuration is still the one that this plan was made against
    #[arg(long, value_name = "ID")]
    plan: Option<String>,
    /// Print JSON for programs
    #[arg(long)]
    json: bool,
}

/// Reads the configuration; shows what is wrong with it.
pub(super) fn read(path: &Path, output: Output) -> Result<(String, Config), Failure> {
    read_with_warnings(path, output).map(|(text, config, _)| (text, config))
}

/// The same, with what is not wrong but probably not meant.
pub(super) fn read_with_warnings(
    path: &Path,
    output: Output,
) -> Result<(String, Config, Diagnostics), Failure> {
    let wrong = |problems: &Diagnostics| {
        output.note(&problems.render(output.error_colour));
        Failure::wrong(cannot_be_used(path, problems))
    };
    let text = config::read_text(path).map_err(|problems| wrong(&problems))?;
    let read = config::read_text_as(path, &text);
    let (config, warnings) = read.map_err(|problems| wrong(&problems))?;
    Ok((text, config, warnings))
}

/// `mainspring check`.
pub(super) fn check(path: &Path, json: bool, output: Output) -> Outcome {
    let (problems, usable) = match config::read(path) {
        Ok((config, warnings)) => (warnings, Some(config)),
        Err(problems) => (problems, None),
    };
    let code = if usable.is_some() { DONE } else { WRONG };
    if json {
        let (valid, problems) = (usable.is_some(), problems.records());
        output.json(&json!({ "valid": valid, "problems": problems }));
        return Ok(code);
    }
    if !problems.is_empty() {
        output.note(&problems.render(output.error_colour));
    }
    match usable {
        Some(config) => {
            let (services, routes) = (config.services.len(), config.routes.len());
            let word = output.paint(Tone::Good, "fine");
            let services = plural(services, "service");
            let routes = plural(routes, "route");
            output.line(&format!("{} is {word}: {services}, {routes}", path.display()));
            Ok(DONE)
        }
        None => Err(Failure::wrong(cannot_be_used(path, &problems))),
    }
}

/// `mainspring plan`: 0 no change, 3 change, 2 invalid.
pub(super) fn plan(path: &Path, target: &Target, json: bool, output: Output) -> Outcome {
    let (text, _) = read(path, output)?;
    let remote = target.connect(Patience::Short)?;
    let request = ConfigText { text: Some(text), path: Some(absolute(path)) };
    let report: PlanReport = remote.send("POST", "/plan", &request)?;
    if json {
        output.json(&report);
    } else if report.changes.is_empty() {
        output.line("no change: the running configuration says the same");
    } else {
        output.write(&show_changes(&report.changes, output));
        let file = path.display();
        output.line(&format!(
            "\nto do exactly this: mainspring reload -c {file} --plan {}",
            report.id
        ));
    }
    Ok(if report.changes.is_empty() { DONE } else { CHANGE })
}

/// `mainspring reload`.
pub(super) fn reload(path: &Path, target: &Target, args: &ReloadArgs, output: Output) -> Outcome {
    let (text, _) = read(path, output)?;
    let remote = target.connect(Patience::Long)?;
    let request =
        ReloadRequest { text: Some(text), path: Some(absolute(path)), plan: args.plan.clone() };
    let report: ReloadReport = remote.send("POST", "/reload", &request)?;
    if args.json {
        output.json(&report);
        return Ok(DONE);
    }
    if report.changes.is_empty() {
        output.line("no change: the running configuration says the same");
    } else {
        output.write(&show_changes(&report.changes, output));
        output.line(&format!("\nin force as generation {}", report.generation));
    }
    Ok(DONE)
}

/// Every change with its mark, what it does to traffic, and what differs.
fn show_changes(changes: &[PlanChange], output: Output) -> String {
    let mut text = String::new();
    for change in changes {
        let (mark, tone) = match change.action {
            PlanAction::Added => ("+", Tone::Good),
            PlanAction::Changed => ("~", Tone::Uneasy),
            PlanAction::Removed => ("-", Tone::Bad),
        };
        let subject = match change.subject {
            PlanSubject::Service => "service",
            PlanSubject::Route => "route",
            PlanSubject::Listener => "door",
            PlanSubject::Setting => "setting",
        };
        let head = output.paint(tone, &format!("{mark} {subject} {}", change.name));
        text.push_str(&format!("{head}: {}\n", change.effect));
        for detail in &change.details {
            text.push_str(&format!("    {}\n", output.paint(Tone::Faint, detail)));
        }
    }
    text
}

fn cannot_be_used(path: &Path, problems: &Diagnostics) -> String {
    let errors = problems.iter().filter(|p| p.severity == config::Severity::Error).count();
    let beyond = problems.count() - problems.iter().count();
    format!("{} cannot be used: {}", path.display(), plural(errors + beyond, "error"))
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
