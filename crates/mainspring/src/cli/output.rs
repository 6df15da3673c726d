//! Writing for people and for programs: colours, tables, quantities.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// Where a command writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// Whether standard output shows colours.
    pub(super) colour: bool,
    /// Whether standard error does.
    pub(super) error_colour: bool,
}

/// How a word is shown on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it is.
    Plain,
    /// All is well.
    Good,
    /// On its way, or less than wanted.
    Uneasy,
    /// Broken.
    Bad,
    /// Beside the point.
    Faint,
    /// A heading.
    Strong,
}

/// One cell of a table.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
    right: bool,
}

/// Rows of cells under headings, in columns as wide as their widest cell.
#[derive(Debug)]
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Output {
    /// By what the two streams are. `NO_COLOR` (no-color.org) turns colours off.
    pub(super) fn of_process() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            colour: wanted && io::stdout().is_terminal(),
            error_colour: wanted && io::stderr().is_terminal(),
        }
    }

    /// Writes to standard output. A reader that went away (`| head`) is no error of ours.
    pub(super) fn write(self, text: &str) {
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }

    /// As [`Output::write`]; false when nobody reads any more.
    pub(super) fn write_on(self, text: &str) -> bool {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
    }

    /// Writes one line to standard output.
    pub(super) fn line(self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// Writes a value as JSON to standard output.
    pub(super) fn json<T: Serialize>(self, value: &T) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.line(&text),
            Err(error) => self.error(&format!("cannot write JSON: {error}")),
        }
    }

    /// Writes what went wrong to standard error.
    pub(super) fn error(self, text: &str) {
        let word = if self.error_colour { "\x1b[1;31merror\x1b[0m" } else { "error" };
        self.note(&format!("{word}: {text}"));
    }

    /// Writes to standard error.
    pub(super) fn note(self, text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "{}", text.trim_end());
    }

    /// `text` in its tone, on a terminal.
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Uneasy => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The table, with its headings.
    pub(super) fn table(self, table: &Table) -> String {
        let width = |column: usize| {
            let cells = table.rows.iter().filter_map(|row| row.get(column));
            let heading = table.headings.get(column).map_or(0, |heading| heading.chars().count());
            cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0).max(heading)
        };
        let widths: Vec<usize> = (0..table.headings.len()).map(width).collect();
        let rights: Vec<bool> = (0..table.headings.len())
            .map(|column| table.rows.iter().filter_map(|row| row.get(column)).any(|c| c.right))
            .collect();
        let heading = |(text, right): (&&str, &bool)| Cell {
            text: (*text).to_owned(),
            tone: Tone::Strong,
            right: *right,
        };
        let headings: Vec<Cell> = table.headings.iter().zip(&rights).map(heading).collect();
        let mut text = String::new();
        for row in std::iter::once(&headings).chain(&table.rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let space = " ".repeat(width.saturating_sub(cell.text.chars().count()));
                let painted = self.paint(cell.tone, &cell.text);
                let (before, after) =
                    if cell.right { (space, String::new()) } else { (String::new(), space) };
                line.push_str(&before);
                line.push_str(&painted);
                line.push_str(&after);
                line.push_str("  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

impl Cell {
    /// Text at the left of its column.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain, right: false }
    }

    /// A number at the right of its column.
    pub(super) fn number(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain, right: true }
    }

    /// The same in another tone.
    #[must_use]
    pub(super) fn in_tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

impl Table {
    /// An empty table.
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; cells beyond the headings are not shown.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }
}

/// Bytes in three or four characters and a unit, for reading at a glance.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut number = count as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    // From 999.5 on three digits would not do.
    while number >= 999.5 {
        let Some(larger) = units.next() else { break };
        number /= 1024.0;
        unit = larger;
    }
    if number < 9.95 { format!("{number:.1} {unit}") } else { format!("{number:.0} {unit}") }
}

/// A length of time in its two largest units.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes, seconds % 60) {
        (0, 0, 0, _) if seconds < 10 => format!("{:.1}s", duration.as_secs_f64()),
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m{s:02}s"),
        (0, h, m, _) => format!("{h}h{m:02}m"),
        (d, h, ..) => format!("{d}d{h:02}h"),
    }
}

/// A length of time in milliseconds, in its two largest units.
pub(super) fn span_ms(millis: u64) -> String {
    span(Duration::from_millis(millis))
}

/// How long ago a moment was.
pub(super) fn ago(unix_ms: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{} ago", span(now.saturating_sub(Duration::from_millis(unix_ms))))
}

/// A moment as `2026-01-31T23:59:59.123Z` (RFC 3339).
pub(super) fn time(unix_ms: u64) -> String {
    let (days, ms) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    let (year, month, day) = date(days);
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, milli) = (ms / 1000 % 60, ms % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The Gregorian date of a day counted from 1970-01-01.
///
/// Counts from 1 March, so that the leap day is a year's last and months have a regular length.
fn date(days_since_1970: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468; // From 0000-03-01.
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let days = days_since_1970 + DAYS_TO_1970;
    let (era, day) = (days / DAYS_IN_400_YEARS, days % DAYS_IN_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Output = Output { colour: false, error_colour: false };

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", "CPU"]);
        table.row(vec![Cell::text("a"), Cell::number("1%")]);
        table.row(vec![Cell::text("längere"), Cell::number("100%").in_tone(Tone::Bad)]);
        assert_eq!(PLAIN.table(&table), "NAME      CPU\na          1%\nlängere  100%\n");
        let coloured = Output { colour: true, error_colour: false }.table(&table);
        assert!(coloured.contains("\x1b[31m100%\x1b[0m"));
    }

    #[test]
    fn quantities_at_a_glance() {
        let sizes = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (10 << 20, "10 MiB"),
            (1000 << 20, "1.0 GiB"),
        ];
        for (count, want) in sizes {
            assert_eq!(bytes(count), want);
        }
        let spans = [
            (900, "0.9s"),
            (59_000, "59s"),
            (61_000, "1m01s"),
            (3_660_000, "1h01m"),
            (90_000_000, "1d01h"),
        ];
        for (millis, want) in spans {
            assert_eq!(span_ms(millis), want);
        }
    }

    #[test]
    fn dates_by_the_calendar() {
        let moments = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (unix_ms, want) in moments {
            assert_eq!(time(unix_ms), want);
        }
    }
}
