//! The part of `docs/config.md` that is made from the key table.

use std::fmt::Write as _;
use std::time::Duration;

use super::keys::{Fallback, Key, Kind, SECTIONS, Section};
use super::value::{show_duration, show_size};

/// Every section and key as Markdown.
pub fn reference() -> String {
    let mut page = String::new();
    for section in SECTIONS {
        write_section(section, &mut page);
    }
    page
}

fn write_section(section: &Section, page: &mut String) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "### {}\n\n{}\n", section.title, section.about);
    let _ = writeln!(page, "| key | value | default | what it does |\n| --- | --- | --- | --- |");
    let mut later = Vec::new();
    for key in section.keys {
        if let Kind::Later(what) = key.kind {
            later.push(format!("`{}` ({what})", key.name));
            continue;
        }
        let about = key.about.replace('\n', "<br>");
        let (value, default) = (show_kind(key), show_default(key));
        let _ = writeln!(page, "| `{}` | {value} | {default} | {about} |", key.name);
    }
    if !later.is_empty() {
        let _ = writeln!(
            page,
            "\nNot in this version, and refused with a message: {}.",
            later.join(", ")
        );
    }
    page.push('\n');
}

fn show_kind(key: &Key) -> String {
    let between = |min: Duration, max: Duration| {
        format!("duration, {} to {}", show_duration(min), show_duration(max))
    };
    match key.kind {
        Kind::Text => "text".to_owned(),
        Kind::Folder => "path".to_owned(),
        Kind::Boolean => "`true` or `false`".to_owned(),
        Kind::Integer { min, max } => format!("whole number, {min} to {max}"),
        Kind::Number { min, max } => format!("number, {min} to {max}"),
        Kind::Duration { min, max } => between(min, max),
        Kind::Size { min, max } => format!("size, {} to {}", show_size(min), show_size(max)),
        Kind::Share => "share, `\"0%\"` to `\"100%\"`".to_owned(),
        Kind::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(" or ")
        }
        Kind::Address => "`\"address:port\"`".to_owned(),
        Kind::Addresses { count_max } => {
            format!("`\"address:port\"` or a list, at most {count_max}")
        }
        Kind::Texts { count_max } => format!("list of texts, at most {count_max}"),
        Kind::Section(section) | Kind::Named(section) | Kind::List(section) => {
            format!("see {}", section.title)
        }
        Kind::Shapes(shapes) => shapes.to_owned(),
        Kind::Later(_) => "not in this version".to_owned(),
    }
}

fn show_default(key: &Key) -> String {
    let bare = matches!(
        key.kind,
        Kind::Boolean | Kind::Integer { .. } | Kind::Number { .. } | Kind::Shapes(_)
    );
    match key.default {
        Fallback::Value(text) if bare && key.name != "path" => format!("`{text}`"),
        Fallback::Value(text) => format!("`\"{text}\"`"),
        Fallback::Absent(meaning) => meaning.to_owned(),
        Fallback::Required => "must be there".to_owned(),
    }
}
