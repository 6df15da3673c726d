//! Percent-encoding and queries, strictly: what nobody asked for is refused, so a misspelt
//! parameter is noticed instead of ignored.

use crate::operation::{Operation, ParameterKind};

/// The parameters of one request, checked against its operation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Checks and decodes `text`, the part after `?`.
    pub(crate) fn parse(operation: &Operation, text: Option<&str>) -> Result<Self, String> {
        let mut given: Vec<(&'static str, String)> = Vec::new();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name, true).ok_or_else(|| format!("{name:?} is no UTF-8"))?;
            let known = operation.query.iter().find(|parameter| parameter.name == name);
            let Some(parameter) = known else {
                let names = operation.query.iter().map(|parameter| parameter.name);
                let names = names.collect::<Vec<_>>().join(", ");
                return Err(match names.as_str() {
                    "" => format!("the parameter {name:?} is not known here; there is none"),
                    _ => format!("the parameter {name:?} is not known here; there are: {names}"),
                });
            };
            if given.iter().any(|(other, _)| *other == parameter.name) {
                return Err(format!("the parameter {name:?} is given twice"));
            }
            let value = decode(value, true).ok_or_else(|| format!("{name} is no UTF-8"))?;
            match parameter.kind {
                ParameterKind::Text if value.is_empty() => {
                    return Err(format!("the parameter {name:?} is empty"));
                }
                ParameterKind::Text => {}
                ParameterKind::Number { min, max } => {
                    let fits = value.bytes().all(|byte| byte.is_ascii_digit())
                        && value.parse().is_ok_and(|number: u64| number >= min && number <= max);
                    if !fits {
                        return Err(format!("{name} must be a number from {min} to {max}"));
                    }
                }
            }
            given.push((parameter.name, value));
        }
        Ok(Self(given))
    }

    /// The text of a parameter, if given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// The number of a parameter, if given; it was checked when parsing.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

/// Undoes percent-encoding (RFC 3986 §2.1); `plus` is a space in queries. `None`: a broken escape,
/// or no UTF-8.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let (high, low) = (hex(rest.next()?)?, hex(rest.next()?)?);
                high << 4 | low
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Found, find};

    fn parse(path: &str, query: &str) -> Result<Query, String> {
        let Found::Operation(operation, _) = find("GET", path) else { panic!("{path}") };
        Query::parse(operation, Some(query))
    }

    #[test]
    fn known_parameters_are_decoded_and_others_refused() {
        let query = parse("/logs", "service=a%20b&tail=10000&contains=x+%2B").unwrap();
        assert_eq!(query.text("service"), Some("a b"));
        assert_eq!(query.number("tail"), Some(10_000));
        assert_eq!(query.text("contains"), Some("x +"));
        assert_eq!(query.text("replica"), None);
        for (query, want) in [
            ("tail=10001", "from 0 to 10000"),
            ("tail=-1", "from 0"),
            ("tail=%2B1", "from 0"),
            ("tail=", "from 0"),
            ("tali=1", "there are: service, replica, tail, contains"),
            ("tail=1&tail=2", "given twice"),
            ("service=", "is empty"),
            ("service=%ff", "no UTF-8"),
            ("service=%2", "no UTF-8"),
        ] {
            let error = parse("/logs", query).unwrap_err();
            assert!(error.contains(want), "{query}: {error}");
        }
        assert!(parse("/status", "x=1").unwrap_err().contains("there is none"));
        assert_eq!(parse("/status", ""), Ok(Query::default()));
    }
}
