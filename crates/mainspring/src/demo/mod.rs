//! `mainspring demo`: a whole shop behind a node, with visitors, for somebody who wants to see it.
//!
//! The demo is an ordinary user of Mainspring: it writes a configuration (`place`), starts a node
//! with it, and sends requests through the front door (`visitors`). Nothing in here is known to
//! the rest of Mainspring. Reading order: `shop` (find or build the programs), `place` (folder,
//! ports, configuration), `show` (the demo itself), `visitors`, `client`, and `tour`.

mod client;
mod place;
mod shop;
mod show;
mod tour;
mod visitors;

use std::path::PathBuf;

/// What the demo can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Folder for everything; absent: a temporary one that goes away at the end.
    pub dir: Option<PathBuf>,
    /// Go through all promises without a person, and judge them.
    pub tour: bool,
    /// With `tour`: print the result as JSON.
    pub json: bool,
    /// Send no visitors.
    pub quiet: bool,
}

/// Where sentences for people go.
#[derive(Clone, Copy)]
pub struct Voice<'a> {
    /// Results.
    pub line: &'a (dyn Fn(&str) + Sync),
    /// Progress and notes.
    pub note: &'a (dyn Fn(&str) + Sync),
}

/// Runs the demo or the tour to its end. `false`: a promise of the tour did not hold.
///
/// # Errors
/// A sentence: what could not be started and what to do.
pub fn run(options: &Options, voice: Voice<'_>) -> Result<bool, String> {
    let programs = shop::find(voice)?;
    let place = place::Place::prepare(options.dir.as_deref(), programs, options.tour, voice)?;
    let held = if options.tour {
        tour::run(&place, options.json, voice)
    } else {
        show::run(&place, options.quiet, voice).map(|()| true)
    };
    place.leave(voice);
    held
}
