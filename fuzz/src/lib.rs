//! What the fuzz targets share: a source of nearly right HTTP, and two readers to compare.
//!
//! The targets are the tests in `tests/`; `README.md` says how to run them longer.

pub mod generate;
pub mod ours;
pub mod theirs;

/// One request or response as a reader understood it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Method, or status in decimal.
    pub start: String,
    /// The target in one spelling; empty for responses.
    pub target: String,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: String,
    /// Names in lower case, sorted; fields of one name in order of arrival.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The content, without framing.
    pub body: Vec<u8>,
    /// The trailers, as `fields`.
    pub trailers: Vec<(String, Vec<u8>)>,
}

/// Brings fields into the order that [`Message`] compares: by name, and stable within one.
pub fn sorted(mut fields: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

/// Whatever `ours` accepted, `theirs` must have read in the same way.
///
/// The other direction is not asked for: we refuse much that they repair.
///
/// # Panics
/// When a message differs or is missing: that is the finding.
pub fn assert_alike(wire: &[u8], ours: &[Message], theirs: &[Message]) {
    for (index, own) in ours.iter().enumerate() {
        let other = theirs.get(index);
        assert_eq!(
            Some(own),
            other,
            "message {index} of {:?} is read differently",
            String::from_utf8_lossy(wire)
        );
    }
}
