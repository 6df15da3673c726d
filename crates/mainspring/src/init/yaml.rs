//! As much YAML as compose files use: block mappings and lists, flow lists of scalars, plain and
//! quoted scalars on one line, comments.
//!
//! Not a YAML parser: anchors, tags, merges, block scalars, flow mappings and several documents
//! are refused by name, never misread. A whole parser would be the largest dependency of the
//! command line, for the sake of one file that is read once.

/// Deepest nesting. Compose files have six levels.
const DEPTH_MAX: usize = 32;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Yaml {
    /// Text, number, or nothing at all (an empty text).
    Scalar(String),
    /// `- a`
    List(Vec<Yaml>),
    /// `key: value`, in the order of the file.
    Map(Vec<(String, Yaml)>),
}

/// What could not be read, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotUnderstood {
    pub(super) line: usize,
    pub(super) what: String,
}

struct Line<'t> {
    number: usize,
    indent: usize,
    text: &'t str,
}

impl Yaml {
    /// The value of a key, if this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, it)| it),
            Self::Scalar(_) | Self::List(_) => None,
        }
    }

    /// The text, if this is one that is not empty.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Scalar(text) if !text.is_empty() => Some(text),
            Self::Scalar(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The texts of a list; a single text counts as a list of one.
    pub(super) fn texts(&self) -> Vec<&str> {
        match self {
            Self::List(items) => items.iter().filter_map(Self::text).collect(),
            Self::Scalar(_) => self.text().into_iter().collect(),
            Self::Map(_) => Vec::new(),
        }
    }
}

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Yaml, NotUnderstood> {
    let mut lines = Vec::new();
    for (number, raw) in (1..).zip(text.lines()) {
        let content = strip_comment(raw).trim_end();
        let trimmed = content.trim_start_matches(' ');
        if trimmed.is_empty() || (number == 1 && trimmed == "---") {
            continue;
        }
        if trimmed.starts_with('\t') {
            return not_understood(number, "a tab at the start of a line");
        }
        if trimmed == "---" || trimmed == "..." || trimmed.starts_with('%') {
            return not_understood(number, "several documents");
        }
        lines.push(Line { number, indent: content.len() - trimmed.len(), text: trimmed });
    }
    let mut rest = lines.as_slice();
    let document = block(&mut rest, 0, 0)?;
    match rest.first() {
        None => Ok(document),
        Some(line) => not_understood(line.number, "this indentation"),
    }
}

/// Reads the lines that are indented by at least `indent`.
fn block(rest: &mut &[Line<'_>], indent: usize, depth: usize) -> Result<Yaml, NotUnderstood> {
    let Some(first) = rest.first().filter(|line| line.indent >= indent) else {
        return Ok(Yaml::Scalar(String::new()));
    };
    if depth > DEPTH_MAX {
        return not_understood(first.number, "nesting this deep");
    }
    let here = first.indent;
    let is_list = first.text == "-" || first.text.starts_with("- ");
    let (mut items, mut entries) = (Vec::new(), Vec::new());
    while let Some((line, after)) = rest.split_first() {
        if line.indent < here {
            break;
        }
        if line.indent > here {
            return not_understood(line.number, "this indentation");
        }
        let dash = line.text == "-" || line.text.starts_with("- ");
        if dash != is_list {
            // A key that follows a list at its own level ends the list.
            if is_list {
                break;
            }
            return not_understood(line.number, "a list here");
        }
        *rest = after;
        if is_list {
            items.push(list_item(line, rest, depth)?);
        } else {
            entries.push(entry(line, rest, depth)?);
        }
    }
    Ok(if is_list { Yaml::List(items) } else { Yaml::Map(entries) })
}

fn list_item(line: &Line<'_>, rest: &mut &[Line<'_>], depth: usize) -> Result<Yaml, NotUnderstood> {
    let text = line.text.strip_prefix('-').unwrap_or_default().trim_start();
    if text.is_empty() {
        return block(rest, line.indent + 1, depth + 1);
    }
    if split_key(text).is_some() {
        return not_understood(line.number, "a mapping within a list");
    }
    scalar_or_list(text, line.number)
}

fn entry(
    line: &Line<'_>,
    rest: &mut &[Line<'_>],
    depth: usize,
) -> Result<(String, Yaml), NotUnderstood> {
    let Some((key, value)) = split_key(line.text) else {
        return not_understood(line.number, "a line without `key:`");
    };
    let key = match scalar_or_list(key, line.number)? {
        Yaml::Scalar(key) => key,
        Yaml::List(_) | Yaml::Map(_) => return not_understood(line.number, "this key"),
    };
    if !value.is_empty() {
        return Ok((key, scalar_or_list(value, line.number)?));
    }
    // A list may stand at the level of its own key.
    let list_here = rest.first().is_some_and(|next| {
        next.indent == line.indent && (next.text == "-" || next.text.starts_with("- "))
    });
    let indent = if list_here { line.indent } else { line.indent + 1 };
    Ok((key, block(rest, indent, depth + 1)?))
}

/// `key: value` → both; the colon must be followed by white space or nothing.
fn split_key(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') if at == 0 => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            (None, ':') => {
                let (key, value) = (text.get(..at)?, text.get(at + 1..)?);
                if value.is_empty() || value.starts_with(' ') {
                    return Some((key.trim_end(), value.trim()));
                }
            }
            _ => {}
        }
    }
    None
}

fn scalar_or_list(text: &str, number: usize) -> Result<Yaml, NotUnderstood> {
    if let Some(inner) = text.strip_prefix('[') {
        let Some(inner) = inner.strip_suffix(']') else {
            return not_understood(number, "a list over several lines");
        };
        let items = split_flow(inner).into_iter().map(|item| scalar(item, number));
        return items.collect::<Result<_, _>>().map(Yaml::List);
    }
    scalar(text, number)
}

fn scalar(text: &str, number: usize) -> Result<Yaml, NotUnderstood> {
    let text = text.trim();
    let quoted = |mark: char| text.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark));
    if let Some(inner) = quoted('\'') {
        return Ok(Yaml::Scalar(inner.replace("''", "'")));
    }
    if let Some(inner) = quoted('"') {
        return match unescape(inner) {
            Some(plain) => Ok(Yaml::Scalar(plain)),
            None => not_understood(number, "this escape in a quoted text"),
        };
    }
    match text.chars().next() {
        Some('&' | '*') => not_understood(number, "anchors and aliases"),
        Some('!') => not_understood(number, "tags"),
        Some('|' | '>') => not_understood(number, "a text over several lines"),
        Some('{') => not_understood(number, "a mapping in braces"),
        Some('[') => not_understood(number, "a list within a list"),
        Some('"' | '\'') => not_understood(number, "a quote that is not closed in its line"),
        _ if text == "~" || text == "null" => Ok(Yaml::Scalar(String::new())),
        _ => Ok(Yaml::Scalar(text.to_owned())),
    }
}

/// Splits at commas that are not quoted.
fn split_flow(text: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut quote, mut start) = (None, 0);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            (None, ',') => {
                items.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text.get(start..).unwrap_or_default();
    if !last.trim().is_empty() {
        items.push(last);
    }
    items
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        plain.push(match c {
            '\\' => match characters.next()? {
                'n' => '\n',
                't' => '\t',
                other @ ('"' | '\\' | '/') => other,
                _ => return None,
            },
            _ => c,
        });
    }
    Some(plain)
}

/// The line up to a `#` that begins a comment: one at the start or after white space, unquoted.
fn strip_comment(line: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('"'), '\\') => escaped = true,
            (None, '#') if before.is_whitespace() => return line.get(..at).unwrap_or_default(),
            (None, '"' | '\'') if before.is_whitespace() || matches!(before, '[' | ',') => {
                quote = Some(c);
            }
            (Some(open), _) if c == open => quote = None,
            _ => {}
        }
        before = c;
    }
    line
}

fn not_understood<T>(line: usize, what: &str) -> Result<T, NotUnderstood> {
    Err(NotUnderstood { line, what: what.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compose_file_is_read() {
        let text = "\
# a comment
version: '3'
services:
  web:          # another
    build: .
    command: [\"node\", \"a, b.js\"]
    ports:
    - \"8080:80\"
    - 9090
    environment:
      LOG: \"a\\\"b # c\"
      EMPTY:
    depends_on: [db]
  db:
    image: postgres:16
";
        let yaml = parse(text).unwrap();
        let web = yaml.get("services").unwrap().get("web").unwrap();
        assert_eq!(web.get("command").unwrap().texts(), ["node", "a, b.js"]);
        assert_eq!(web.get("ports").unwrap().texts(), ["8080:80", "9090"]);
        let environment = web.get("environment").unwrap();
        assert_eq!(environment.get("LOG").unwrap().text(), Some("a\"b # c"));
        assert_eq!(environment.get("EMPTY").unwrap().text(), None);
        let image = yaml.get("services").unwrap().get("db").unwrap().get("image").unwrap();
        assert_eq!(image.text(), Some("postgres:16"));
    }

    #[test]
    fn what_is_beyond_the_subset_is_refused_by_line() {
        for (text, line) in [
            ("a: &x 1", 1),
            ("a: *x", 1),
            ("a: |\n  b", 1),
            ("a: {b: 1}", 1),
            ("a:\n  - b: 1", 2),
            ("a: 1\n---\nb: 2", 2),
            ("a:\n    b: 1\n  c: 2", 3),
            ("a: 'b", 1),
            ("a\n", 1),
            ("\ta: 1", 1),
            ("a: [1,\n 2]", 1),
        ] {
            assert_eq!(parse(text).unwrap_err().line, line, "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| {
            (0..depth).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>()
        };
        assert!(parse(&nested(DEPTH_MAX + 1)).is_ok());
        assert!(parse(&nested(DEPTH_MAX + 2)).is_err());
    }
}
