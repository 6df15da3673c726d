//! What is wrong with a configuration, shown where it is wrong and with what to write instead.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

/// Problems kept of one file. Beyond it only their number is told: nobody reads the 101st.
pub const DIAGNOSTIC_COUNT_MAX: usize = 100;

/// Most lines of the file that are shown for one problem.
const SHOWN_LINE_COUNT_MAX: usize = 6;

/// Most bytes of one line that are shown: a longer one is shown from close before the problem.
const SHOWN_LINE_BYTES_MAX: usize = 400;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but probably does not do what its author believes.
    Warning,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the configuration can be used all the same.
    pub severity: Severity,
    /// Bytes of the file that are wrong; nothing when the file itself cannot be read.
    pub span: Option<Range<usize>>,
    /// What is wrong, in one sentence without a full stop.
    pub title: String,
    /// Written under the marked text.
    pub label: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Another place that has to do with it, such as the first of two equal names.
    pub related: Option<(Range<usize>, String)>,
}

/// All problems of one file, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    path: String,
    source: String,
    list: Vec<Diagnostic>,
    left_out: usize,
}

/// One problem as `--json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiagnosticRecord {
    /// Whether the configuration can be used all the same.
    pub severity: Severity,
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1; 0 when the file could not be read.
    pub line: usize,
    /// Column in characters, from 1; 0 when the file could not be read.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What exactly the marked text should be.
    pub label: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// Collects problems while a file is read.
#[derive(Debug, Default)]
pub(super) struct Found {
    list: Vec<Diagnostic>,
    left_out: usize,
    /// Where the first syntax error is. What is read beyond may stand in the wrong table.
    trusted_until: Option<usize>,
}

impl Diagnostics {
    /// A file that could not be read at all.
    pub fn unreadable(path: &str, title: String, help: &str) -> Self {
        let only = Diagnostic {
            severity: Severity::Error,
            span: None,
            title,
            label: String::new(),
            help: Some(help.to_owned()),
            related: None,
        };
        Self { path: path.to_owned(), source: String::new(), list: vec![only], left_out: 0 }
    }

    pub(super) fn new(path: &str, source: &str, found: Found) -> Self {
        let Found { mut list, left_out, .. } = found;
        list.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
        Self { path: path.to_owned(), source: source.to_owned(), list, left_out }
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are, those that were not kept included.
    pub fn count(&self) -> usize {
        self.list.len() + self.left_out
    }

    /// Each problem that was kept.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// For people: each problem with its place in the file and the fix.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for problem in &self.list {
            text.push_str(&self.render_one(problem, &renderer));
            text.push_str("\n\n");
        }
        if self.left_out > 0 {
            let _ = writeln!(text, "and {} more, shown when these are corrected\n", self.left_out);
        }
        text
    }

    /// For programs.
    pub fn records(&self) -> Vec<DiagnosticRecord> {
        let record = |problem: &Diagnostic| {
            let place = problem.span.as_ref().map(|span| line_and_column(&self.source, span.start));
            let (line, column) = place.unwrap_or((0, 0));
            DiagnosticRecord {
                severity: problem.severity,
                file: self.path.clone(),
                line,
                column,
                message: problem.title.clone(),
                label: problem.label.clone(),
                help: problem.help.clone(),
            }
        };
        self.list.iter().map(record).collect()
    }

    fn render_one(&self, problem: &Diagnostic, renderer: &Renderer) -> String {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group: Group<'_> = Group::with_title(level.primary_title(&problem.title));
        if let Some(span) = &problem.span {
            let window = Window::around(&self.source, span);
            let mark = AnnotationKind::Primary.span(window.inside(span)).label(&problem.label);
            group = group.element(window.snippet(&self.path).annotation(mark));
        }
        if let Some((span, note)) = &problem.related {
            let window = Window::around(&self.source, span);
            let mark = AnnotationKind::Context.span(window.inside(span)).label(note);
            group = group.element(window.snippet(&self.path).annotation(mark));
        }
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }
}

impl Found {
    /// From now on nothing at or beyond `place` is believed, nor anything that says that something
    /// is missing or does not fit together.
    pub(super) fn trust_until(&mut self, place: usize) {
        self.trusted_until = Some(self.trusted_until.map_or(place, |other| other.min(place)));
    }

    /// A problem that is one wherever the rest of the file leads: a wrong value, an unknown key.
    pub(super) fn local_error(
        &mut self,
        span: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let trusted = self.trusted_until.take();
        if trusted.is_none_or(|until| span.end <= until) {
            self.error(span, title, label, help);
        }
        self.trusted_until = trusted;
    }

    pub(super) fn add(&mut self, problem: Diagnostic) {
        if self.trusted_until.is_some() {
            return;
        }
        if self.list.len() < DIAGNOSTIC_COUNT_MAX {
            self.list.push(problem);
        } else {
            self.left_out += 1;
        }
    }

    /// The usual problem: a place, what is wrong, and what to write.
    pub(super) fn error(
        &mut self,
        span: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Diagnostic {
            severity: Severity::Error,
            span: Some(span),
            title: title.into(),
            label: label.into(),
            help: Some(help.into()).filter(|help: &String| !help.is_empty()),
            related: None,
        });
    }

    /// Something that works, but perhaps not as its author believes.
    pub(super) fn warning(
        &mut self,
        span: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
    ) {
        self.add(Diagnostic {
            severity: Severity::Warning,
            span: Some(span),
            title: title.into(),
            label: label.into(),
            help: None,
            related: None,
        });
    }

    /// Whether any of it forbids using the configuration. Problems that were not kept count: the
    /// limit is only reached by a file that is beyond repair anyway.
    pub(super) fn has_errors(&self) -> bool {
        let error = |problem: &Diagnostic| problem.severity == Severity::Error;
        self.left_out > 0 || self.list.iter().any(error)
    }
}

/// The few lines of a file that are shown for one problem.
///
/// The renderer gets only these: handing it a whole file for each of a hundred problems makes
/// its work grow with their product.
struct Window<'s> {
    text: &'s str,
    start: usize,
    line: usize,
}

impl<'s> Window<'s> {
    fn around(source: &'s str, span: &Range<usize>) -> Self {
        let from = floor(source, span.start);
        let to = floor(source, span.end.max(from));
        let before = source.get(..from).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let start = floor(source, line_start.max(from.saturating_sub(SHOWN_LINE_BYTES_MAX / 2)));
        let rest = source.get(start..).unwrap_or_default();
        let mut end = start;
        for line in rest.split_inclusive('\n').take(SHOWN_LINE_COUNT_MAX) {
            end += line.len();
            if end >= to {
                break;
            }
        }
        let end = floor(source, end.min(from + SHOWN_LINE_BYTES_MAX));
        let text = source.get(start..end).unwrap_or_default();
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        Self { text: text.trim_end_matches(['\n', '\r']), start, line }
    }

    fn inside(&self, span: &Range<usize>) -> Range<usize> {
        let end = self.text.len();
        let from = floor(self.text, span.start.saturating_sub(self.start).min(end));
        let to = floor(self.text, span.end.saturating_sub(self.start).min(end));
        from..to.max(from)
    }

    fn snippet<A: Clone>(&self, path: &'s str) -> Snippet<'s, A> {
        Snippet::source(self.text).line_start(self.line).path(path).fold(false)
    }
}

/// The nearest start of a character at or before `index`.
fn floor(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1; // Stops at 0 at the latest, which is always a boundary.
    }
    index
}

/// Line and column of a byte, both from 1, the column in characters.
pub(super) fn line_and_column(source: &str, index: usize) -> (usize, usize) {
    let before = source.get(..floor(source, index)).unwrap_or_default();
    let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
    let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(count: usize) -> Found {
        let mut found = Found::default();
        for _ in 0..count {
            found.error(0..1, "wrong", "here", "");
        }
        found
    }

    #[test]
    fn problems_beyond_the_limit_are_counted_not_kept() {
        let full = Diagnostics::new("f", "a = 1", found(DIAGNOSTIC_COUNT_MAX));
        assert!(!full.render(false).contains("more"));
        let over = Diagnostics::new("f", "a = 1", found(DIAGNOSTIC_COUNT_MAX + 1));
        assert_eq!(over.iter().count(), DIAGNOSTIC_COUNT_MAX);
        assert_eq!(over.count(), DIAGNOSTIC_COUNT_MAX + 1);
        assert!(over.render(false).contains("and 1 more"));
    }

    #[test]
    fn a_span_outside_the_file_or_inside_a_character_is_moved_not_a_panic() {
        let source = "ä = 'ö'\nß";
        for start in 0..source.len() + 3 {
            for end in 0..source.len() + 3 {
                let mut found = Found::default();
                found.error(start..end, "wrong", "here", "right");
                let shown = Diagnostics::new("f", source, found).render(true);
                assert!(shown.contains("wrong"));
            }
        }
    }

    #[test]
    fn a_very_long_line_is_shown_from_close_before_the_problem() {
        let source = format!("a = \"{}\"", "x".repeat(100_000));
        let mut found = Found::default();
        found.error(50_000..50_001, "wrong", "here", "");
        let shown = Diagnostics::new("f", &source, found).render(false);
        assert!(shown.len() < 2_000, "{}", shown.len());
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(line_and_column("ä = 1\nb", 3), (1, 3));
        assert_eq!(line_and_column("ä = 1\nb", 7), (2, 1));
    }
}
