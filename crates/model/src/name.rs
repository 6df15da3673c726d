//! Names that users give to services.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest name; a DNS label (RFC 1035 §2.3.4), because discovery answers by name.
pub const NAME_BYTES_MAX: usize = 63;

/// A service's name: lower-case letters, digits and inner hyphens, starting with a letter.
///
/// Cheap to clone: names travel with every event.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(Arc<str>);

/// Why a text is not a name; the message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName(String);

impl ServiceName {
    /// Checks `text` against the rule above.
    ///
    /// # Errors
    /// When it is empty, longer than [`NAME_BYTES_MAX`], or has another character.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits = text.len() <= NAME_BYTES_MAX
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.bytes().all(inner);
        if fits { Ok(Self(text.into())) } else { Err(InvalidName(text.to_owned())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a name: use 1 to {NAME_BYTES_MAX} lower-case letters, digits and hyphens, \
             beginning with a letter and not ending with a hyphen",
            self.0
        )
    }
}

impl std::error::Error for InvalidName {}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServiceName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::new(&text)
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.as_str().to_owned()
    }
}

/// One running process of a service, for as long as Mainspring's data folder lives.
///
/// Numbers are never used twice, so a late message about a dead replica reaches nobody else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReplicaId {
    /// The service that it belongs to.
    pub service: ServiceName,
    /// Counts up from 1 within the service.
    pub number: u32,
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.service, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels_that_begin_with_a_letter() {
        for good in ["a", "orders", "orders-v2", &"a".repeat(NAME_BYTES_MAX)] {
            assert!(ServiceName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "A", "2fast", "a_b", "a-", "-a", "a.b", &"a".repeat(NAME_BYTES_MAX + 1)] {
            assert!(ServiceName::new(bad).is_err(), "{bad}");
        }
    }
}
