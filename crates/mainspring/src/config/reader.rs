//! Takes values out of a table by the key table, and collects what is wrong on the way.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Found;
use super::keys::{Fallback, Key, Kind, SECTIONS, Section};
use super::value;

/// A value with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// One table of the file, opened by the section that says what may stand in it.
pub(super) struct Reader<'t> {
    section: &'static Section,
    table: &'t DeTable<'t>,
    /// The table as messages name it, such as `[service.orders]`.
    pub(super) label: String,
    /// Where a missing key is reported: the table's header or the key that holds it.
    pub(super) place: Range<usize>,
}

/// A key that stands in the file.
pub(super) struct Entry<'t> {
    pub(super) key: Range<usize>,
    pub(super) value: &'t Value<'t>,
}

impl<'t> Reader<'t> {
    /// Opens `table` and reports every key that does not belong into it.
    pub(super) fn open(
        section: &'static Section,
        table: &'t DeTable<'t>,
        label: String,
        place: Range<usize>,
        found: &mut Found,
    ) -> Self {
        for (name, _) in table.iter() {
            let text = name.get_ref().as_ref();
            match section.key(text) {
                None => unknown_key(section, &label, text, name.span(), found),
                Some(Key { kind: Kind::Later(what), .. }) => found.local_error(
                    name.span(),
                    format!("`{text}` of {label} is not in this version yet"),
                    format!("this is for {what}"),
                    "remove it: nothing would act on it. The status table in README.md says what is planned",
                ),
                Some(_) => {}
            }
        }
        Self { section, table, label, place }
    }

    /// The entry of a key, when the file has it.
    pub(super) fn entry(&self, name: &str) -> Option<Entry<'t>> {
        debug_assert!(self.section.key(name).is_some(), "{name} is not a key of {}", self.label);
        let entry = self.table.iter().find(|(key, _)| key.get_ref() == name);
        entry.map(|(key, value)| Entry { key: key.span(), value })
    }

    /// Where to point for `name`: its value, or the table when the key is absent.
    pub(super) fn place_of(&self, name: &str) -> Range<usize> {
        self.entry(name).map_or_else(|| self.place.clone(), |entry| entry.value.span())
    }

    pub(super) fn text(&self, name: &str, found: &mut Found) -> Option<String> {
        self.take(name, found, |value| as_text(value).map(Cow::into_owned))
    }

    pub(super) fn boolean(&self, name: &str, found: &mut Found) -> Option<bool> {
        self.take(name, found, |value| match value {
            DeValue::Boolean(boolean) => Ok(*boolean),
            _ => Err("write true or false".to_owned()),
        })
    }

    pub(super) fn integer(&self, name: &str, found: &mut Found) -> Option<u64> {
        let Some(Key { kind: Kind::Integer { min, max }, .. }) = self.section.key(name) else {
            return None;
        };
        self.take(name, found, |value| as_integer(value, *min, *max))
    }

    pub(super) fn number(&self, name: &str, found: &mut Found) -> Option<f64> {
        let Some(Key { kind: Kind::Number { min, max }, .. }) = self.section.key(name) else {
            return None;
        };
        self.take(name, found, |value| as_number(value, *min, *max))
    }

    pub(super) fn duration(&self, name: &str, found: &mut Found) -> Option<Duration> {
        let Some(Key { kind: Kind::Duration { min, max }, .. }) = self.section.key(name) else {
            return None;
        };
        self.take(name, found, |value| as_duration(value, *min, *max))
    }

    pub(super) fn size(&self, name: &str, found: &mut Found) -> Option<u64> {
        let Some(Key { kind: Kind::Size { min, max }, .. }) = self.section.key(name) else {
            return None;
        };
        self.take(name, found, |value| as_size(value, *min, *max))
    }

    pub(super) fn share(&self, name: &str, found: &mut Found) -> Option<f64> {
        self.take(name, found, |value| match value {
            DeValue::String(text) => value::share(text),
            _ => Err("write a share from \"0%\" to \"100%\"".to_owned()),
        })
    }

    /// The position of the chosen word in the key's list of words.
    pub(super) fn choice(&self, name: &str, found: &mut Found) -> Option<&'static str> {
        let Some(Key { kind: Kind::Choice(words), .. }) = self.section.key(name) else {
            return None;
        };
        self.take(name, found, |value| {
            let text = as_text(value)?;
            let word = words.iter().find(|word| **word == text);
            word.copied().ok_or_else(|| match nearest(&text, words.iter().copied()) {
                Some(near) => format!("write \"{near}\""),
                None => format!("write one of \"{}\"", words.join("\", \"")),
            })
        })
    }

    pub(super) fn address(&self, name: &str, found: &mut Found) -> Option<SocketAddr> {
        self.take(name, found, |value| value::address(&as_text(value)?))
    }

    /// One address or a list; each with its place.
    pub(super) fn addresses(
        &self,
        name: &str,
        found: &mut Found,
    ) -> Option<Vec<(SocketAddr, Range<usize>)>> {
        let Some(Key { kind: Kind::Addresses { count_max }, default, .. }) = self.section.key(name)
        else {
            return None;
        };
        let Some(entry) = self.entry(name) else {
            let Fallback::Value(text) = default else { return None };
            return value::address(text).ok().map(|address| vec![(address, self.place.clone())]);
        };
        let single = std::slice::from_ref(entry.value);
        let items = match entry.value.get_ref() {
            DeValue::Array(list) => list.iter().as_slice(),
            _ => single,
        };
        if items.is_empty() || items.len() > *count_max {
            let help = format!("write 1 to {count_max} addresses");
            self.wrong(name, entry.value.span(), &help, found);
        }
        let mut addresses = Vec::new();
        for item in items.iter().take(*count_max) {
            match as_text(item.get_ref()).and_then(|text| value::address(&text)) {
                Ok(address) => addresses.push((address, item.span())),
                Err(help) => self.wrong(name, item.span(), &help, found),
            }
        }
        Some(addresses)
    }

    /// A list of texts, each with its place; a single text counts as a list of one.
    pub(super) fn texts(&self, name: &str, found: &mut Found) -> Vec<(String, Range<usize>)> {
        let Some(Key { kind: Kind::Texts { count_max }, .. }) = self.section.key(name) else {
            return Vec::new();
        };
        let Some(entry) = self.entry(name) else { return Vec::new() };
        let single = std::slice::from_ref(entry.value);
        let items = match entry.value.get_ref() {
            DeValue::Array(list) => list.iter().as_slice(),
            _ => single,
        };
        if items.len() > *count_max {
            self.wrong(name, entry.value.span(), &format!("write at most {count_max}"), found);
        }
        let mut texts = Vec::new();
        for item in items.iter().take(*count_max) {
            match as_text(item.get_ref()) {
                Ok(text) => texts.push((text.into_owned(), item.span())),
                Err(help) => self.wrong(name, item.span(), &help, found),
            }
        }
        texts
    }

    /// A table under `name`, opened.
    pub(super) fn section(
        &self,
        name: &str,
        label: String,
        found: &mut Found,
    ) -> Option<Reader<'t>> {
        let Some(Key { kind: Kind::Section(section), .. }) = self.section.key(name) else {
            return None;
        };
        let entry = self.entry(name)?;
        match entry.value.get_ref() {
            DeValue::Table(table) => Some(Reader::open(section, table, label, entry.key, found)),
            _ => {
                let help = format!("write a table: `{name} = {{ … }}` or `[{name}]`");
                self.wrong(name, entry.value.span(), &help, found);
                None
            }
        }
    }

    /// Reports that the value of `name` at `place` is not what it should be.
    pub(super) fn wrong(&self, name: &str, place: Range<usize>, help: &str, found: &mut Found) {
        found.local_error(place, format!("wrong value for `{name}` of {}", self.label), help, "");
    }

    /// The value of `name`, or its default, or nothing when it is wrong (which is reported).
    fn take<T>(
        &self,
        name: &str,
        found: &mut Found,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        if let Some(entry) = self.entry(name) {
            return match read(entry.value.get_ref()) {
                Ok(value) => Some(value),
                Err(help) => {
                    self.wrong(name, entry.value.span(), &help, found);
                    None
                }
            };
        }
        match self.section.key(name)?.default {
            Fallback::Value(text) => read(&default_value(self.section.key(name)?, text)?).ok(),
            Fallback::Absent(_) => None,
            Fallback::Required => {
                found.error(
                    self.place.clone(),
                    format!("{} needs `{name}`", self.label),
                    format!("add `{name} = …`"),
                    "",
                );
                None
            }
        }
    }
}

/// The text of a value.
pub(super) fn as_text<'v>(value: &'v DeValue<'_>) -> Result<Cow<'v, str>, String> {
    match value {
        DeValue::String(text) => Ok(Cow::Borrowed(text.as_ref())),
        DeValue::Integer(number) => Err(format!("write a text in quotes: \"{number}\"")),
        DeValue::Float(number) => Err(format!("write a text in quotes: \"{number}\"")),
        DeValue::Boolean(boolean) => Err(format!("write a text in quotes: \"{boolean}\"")),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err("write a text in quotes".to_owned())
        }
    }
}

pub(super) fn as_integer(value: &DeValue<'_>, min: u64, max: u64) -> Result<u64, String> {
    let rule = || format!("write a whole number from {min} to {max}");
    let number = match value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    };
    number.filter(|number| (min..=max).contains(number)).ok_or_else(rule)
}

fn as_number(value: &DeValue<'_>, min: f64, max: f64) -> Result<f64, String> {
    let number: Option<f64> = match value {
        DeValue::Integer(number) => number.as_str().parse().ok(),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    };
    let fits = number.filter(|number| (min..=max).contains(number));
    fits.ok_or_else(|| format!("write a number from {min} to {max}"))
}

fn as_duration(value: &DeValue<'_>, min: Duration, max: Duration) -> Result<Duration, String> {
    let duration = match value {
        DeValue::String(text) => value::duration(text)?,
        DeValue::Integer(number) => {
            return Err(format!("the unit is missing: write \"{number}s\" for seconds"));
        }
        _ => return Err("write a duration such as \"10s\"".to_owned()),
    };
    if (min..=max).contains(&duration) {
        Ok(duration)
    } else {
        let (min, max) = (value::show_duration(min), value::show_duration(max));
        Err(format!("write a duration from {min} to {max}"))
    }
}

fn as_size(value: &DeValue<'_>, min: u64, max: u64) -> Result<u64, String> {
    let size = match value {
        DeValue::String(text) => value::size(text)?,
        DeValue::Integer(_) => as_integer(value, 0, u64::MAX)?,
        _ => return Err("write a size such as \"512MiB\"".to_owned()),
    };
    if (min..=max).contains(&size) {
        Ok(size)
    } else {
        let (min, max) = (value::show_size(min), value::show_size(max));
        Err(format!("write a size from {min} to {max}"))
    }
}

/// The candidate that was probably meant, if any is close.
pub(super) fn nearest<'c>(
    text: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<&'c str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let meant = plain(text);
    // One slip for each three letters: more would suggest words that only look alike.
    let slips_max = 1 + meant.chars().count() / 4;
    candidates
        .map(|candidate| (strsim::osa_distance(&meant, &plain(candidate)), candidate))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

fn unknown_key(
    section: &'static Section,
    label: &str,
    text: &str,
    place: Range<usize>,
    found: &mut Found,
) {
    let title = format!("unknown key `{}` in {label}", text.escape_debug());
    let usable = |key: &&Key| !matches!(key.kind, Kind::Later(_));
    let names = || section.keys.iter().filter(usable).map(|key| key.name);
    if let Some(near) = nearest(text, names()) {
        return found.local_error(place, title, format!("did you mean `{near}`?"), "");
    }
    let homes: Vec<&str> = SECTIONS
        .iter()
        .filter(|other| other.key(text).as_ref().is_some_and(usable))
        .map(|other| if other.title == "The file" { "the top of the file" } else { other.title })
        .collect();
    let help = format!("keys of {label}: {}", names().collect::<Vec<_>>().join(", "));
    match homes.as_slice() {
        [] => found.local_error(place, title, "no such key", help),
        homes => {
            found.local_error(place, title, format!("it belongs to {}", homes.join(" or ")), help)
        }
    }
}

/// A default of the key table as the value that it would be in the file.
fn default_value(key: &Key, text: &'static str) -> Option<DeValue<'static>> {
    match key.kind {
        Kind::Boolean | Kind::Integer { .. } | Kind::Number { .. } => {
            DeValue::parse(text).ok().map(Spanned::into_inner)
        }
        _ => Some(DeValue::String(Cow::Borrowed(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_found_across_slips_case_and_underscores() {
        let names = || super::super::keys::SERVICE.keys.iter().map(|key| key.name);
        for (typed, meant) in [
            ("replica", "replicas"),
            ("stop_grace", "stop-grace"),
            ("Run", "run"),
            ("ned", "needs"),
        ] {
            assert_eq!(nearest(typed, names()), Some(meant).filter(|_| typed != "ned"), "{typed}");
        }
        assert_eq!(nearest("colour", names()), None);
    }
}
