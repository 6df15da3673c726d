//! What a decision may look at: a request without its body.

use std::net::IpAddr;

use crate::canonical::Canonical;

/// A request as routing sees it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// As sent; methods are case-sensitive (RFC 9110 §9.1).
    pub method: &'a str,
    /// The target, parsed once.
    pub canonical: &'a Canonical<'a>,
    /// The header fields.
    pub fields: &'a dyn Fields,
    /// Who asks, trusted proxies already looked through.
    pub client: IpAddr,
    /// Whether the client's side is encrypted.
    pub secure: bool,
}

/// Header fields, wherever they are kept.
pub trait Fields {
    /// Calls `visit` with the value of every field called `name` (given in lower case), in order.
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8]));

    /// Whether a field called `name` has a value for which `test` holds.
    fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let mut found = false;
        self.each(name, &mut |value| found = found || test(value));
        found
    }
}

/// Fields as a list of names and values: for tests and `explain`.
#[derive(Clone, Debug, Default)]
pub struct FieldList(pub Vec<(String, String)>);

impl Fields for FieldList {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        for (key, value) in &self.0 {
            if key.eq_ignore_ascii_case(name) {
                visit(value.as_bytes());
            }
        }
    }
}
