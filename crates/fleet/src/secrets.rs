//! Secrets, encrypted at rest.
//!
//! Each value is sealed by XChaCha20-Poly1305 under a key of its own file (mode 0600), with a
//! random nonce and its name as associated data, so that values cannot be exchanged on disk. This
//! keeps secrets out of backups and config folders that lack the key file; it does not keep them
//! from somebody who reads the whole data folder as our user.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};

use crate::api::FleetError;
use crate::store;

/// Longest name.
pub const SECRET_NAME_BYTES_MAX: usize = 128;

/// Longest value; the kernel gives one environment variable 128 KiB.
pub const SECRET_VALUE_BYTES_MAX: usize = 64 * 1024;

/// Most secrets of one node.
pub const SECRETS_MAX: usize = 1_000;

/// Of the file's layout.
const FORMAT: u32 = 1;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// The secrets of one data folder.
pub struct Secrets {
    path: PathBuf,
    cipher: XChaCha20Poly1305,
    sealed: BTreeMap<String, Sealed>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    secrets: BTreeMap<String, Sealed>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Sealed {
    nonce: String,
    ciphertext: String,
    set_unix_ms: u64,
}

impl Secrets {
    /// Opens the secrets of the data folder `data`; makes the key if there is none.
    ///
    /// # Errors
    /// When the disk refuses, or there are secrets but no key for them.
    pub fn open(data: &Path) -> Result<Self, FleetError> {
        let folder = data.join("secrets");
        let io = |doing: &str| {
            let doing = format!("{doing} in {}", folder.display());
            move |error| FleetError::Io { doing, error }
        };
        store::make_private_folder(&folder).map_err(io("making the folder for secrets"))?;
        let path = folder.join("secrets.json");
        let sealed = match fs::read(&path) {
            Ok(bytes) => parse(&bytes).ok_or_else(|| FleetError::Damaged {
                path: path.clone(),
                message: "is not a file of secrets: restore it from a backup, or remove it and \
                          set the secrets again"
                    .to_owned(),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(io("reading secrets")(error)),
        };
        let key = read_key(&folder.join("key"), sealed.is_empty())?;
        let cipher = XChaCha20Poly1305::new(&Key::from(key));
        let secrets = Self { path, cipher, sealed };
        for name in secrets.sealed.keys() {
            secrets.get(name)?; // A wrong key should be known now, not at the next start.
        }
        Ok(secrets)
    }

    /// Stores `value` as `name`; on disk when this returns.
    ///
    /// # Errors
    /// When name or value are not acceptable, or the disk refuses; then nothing changed.
    pub fn set(&mut self, name: &str, value: &str, unix_ms: u64) -> Result<(), FleetError> {
        check_name(name)?;
        if value.is_empty() || value.len() > SECRET_VALUE_BYTES_MAX || value.contains('\0') {
            return Err(FleetError::Secret(format!(
                "the value of {name} must have 1 to {SECRET_VALUE_BYTES_MAX} bytes and no NUL"
            )));
        }
        if self.sealed.len() >= SECRETS_MAX && !self.sealed.contains_key(name) {
            return Err(FleetError::Secret(format!(
                "there are {SECRETS_MAX} secrets already: remove one first"
            )));
        }
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce)?;
        let payload = Payload { msg: value.as_bytes(), aad: name.as_bytes() };
        let ciphertext = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| FleetError::Secret(format!("{name} could not be encrypted")))?;
        let sealed =
            Sealed { nonce: to_hex(&nonce), ciphertext: to_hex(&ciphertext), set_unix_ms: unix_ms };
        let before = self.sealed.insert(name.to_owned(), sealed);
        self.store().inspect_err(|_| self.put_back(name, before))
    }

    /// Forgets `name`.
    ///
    /// # Errors
    /// When there is none, or the disk refuses; then nothing changed.
    pub fn remove(&mut self, name: &str) -> Result<(), FleetError> {
        let before = self.sealed.remove(name);
        if before.is_none() {
            return Err(FleetError::Secret(format!("there is no secret {name:?}")));
        }
        self.store().inspect_err(|_| self.put_back(name, before))
    }

    /// The value of `name`; `None` when there is none.
    ///
    /// # Errors
    /// When it does not open under our key.
    pub fn get(&self, name: &str) -> Result<Option<String>, FleetError> {
        let Some(sealed) = self.sealed.get(name) else { return Ok(None) };
        let open = || {
            let nonce: [u8; NONCE_BYTES] = from_hex(&sealed.nonce)?.try_into().ok()?;
            let ciphertext = from_hex(&sealed.ciphertext)?;
            let payload = Payload { msg: ciphertext.as_slice(), aad: name.as_bytes() };
            let plain = self.cipher.decrypt(&XNonce::from(nonce), payload).ok()?;
            String::from_utf8(plain).ok()
        };
        let value = open().ok_or_else(|| FleetError::Damaged {
            path: self.path.clone(),
            message: format!(
                "the secret {name} does not open under our key: restore the key, or remove the \
                 file and set the secrets again"
            ),
        })?;
        Ok(Some(value))
    }

    /// Names and when each was set, milliseconds since the Unix epoch.
    pub fn names(&self) -> impl Iterator<Item = (&str, u64)> {
        self.sealed.iter().map(|(name, sealed)| (name.as_str(), sealed.set_unix_ms))
    }

    fn put_back(&mut self, name: &str, before: Option<Sealed>) {
        match before {
            Some(sealed) => self.sealed.insert(name.to_owned(), sealed),
            None => self.sealed.remove(name),
        };
    }

    fn store(&self) -> Result<(), FleetError> {
        let stored = Stored { format: FORMAT, secrets: self.sealed.clone() };
        store::write_json(&self.path, &stored)
    }
}

/// Whether `name` can name a secret.
///
/// # Errors
/// With the rule.
pub fn check_name(name: &str) -> Result<(), FleetError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > SECRET_NAME_BYTES_MAX || !name.bytes().all(allowed) {
        return Err(FleetError::Secret(format!(
            "{name:?} cannot name a secret: use 1 to {SECRET_NAME_BYTES_MAX} letters, digits, \
             `-`, `_` and `.`"
        )));
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> Option<BTreeMap<String, Sealed>> {
    let stored: Stored = serde_json::from_slice(bytes).ok()?;
    (stored.format == FORMAT).then_some(stored.secrets)
}

fn read_key(path: &Path, may_make: bool) -> Result<[u8; KEY_BYTES], FleetError> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| FleetError::Damaged {
            path: path.to_owned(),
            message: format!("is not a key of {KEY_BYTES} bytes: restore it from a backup"),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && may_make => {
            let mut key = [0; KEY_BYTES];
            random(&mut key)?;
            store::write_private(path, &key)?;
            Ok(key)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FleetError::Damaged {
            path: path.to_owned(),
            message: "the key of the stored secrets is missing: restore it from a backup, or \
                      remove secrets.json beside it and set the secrets again"
                .to_owned(),
        }),
        Err(error) => Err(FleetError::Io { doing: format!("reading {}", path.display()), error }),
    }
}

fn random(bytes: &mut [u8]) -> Result<(), FleetError> {
    getrandom::fill(bytes).map_err(|error| FleetError::Io {
        doing: "asking the system for random bytes".to_owned(),
        error: io::Error::other(error.to_string()),
    })
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let digits = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(digits).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("mainspring-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_secret_comes_back_and_is_nowhere_on_disk_in_plain() {
        let folder = folder("secret");
        let mut secrets = Secrets::open(&folder).unwrap();
        secrets.set("db-password", "correct horse", 7).unwrap();
        drop(secrets);
        let secrets = Secrets::open(&folder).unwrap();
        assert_eq!(secrets.get("db-password").unwrap().as_deref(), Some("correct horse"));
        assert_eq!(secrets.get("other").unwrap(), None);
        assert_eq!(secrets.names().collect::<Vec<_>>(), [("db-password", 7)]);
        for file in ["key", "secrets.json"] {
            let path = folder.join("secrets").join(file);
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(7).any(|window| window == b"correct"));
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn values_cannot_be_exchanged_on_disk() {
        let folder = folder("swap");
        let mut secrets = Secrets::open(&folder).unwrap();
        secrets.set("a", "value of a", 1).unwrap();
        secrets.set("b", "value of b", 1).unwrap();
        let path = folder.join("secrets/secrets.json");
        let text = fs::read_to_string(&path).unwrap();
        let swapped = text.replace("\"a\":", "\"x\":").replace("\"b\":", "\"a\":");
        fs::write(&path, swapped.replace("\"x\":", "\"b\":")).unwrap();
        assert!(matches!(Secrets::open(&folder), Err(FleetError::Damaged { .. })));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_lost_key_is_said_and_not_replaced() {
        let folder = folder("lost");
        Secrets::open(&folder).unwrap().set("a", "value", 1).unwrap();
        fs::remove_file(folder.join("secrets/key")).unwrap();
        assert!(matches!(Secrets::open(&folder), Err(FleetError::Damaged { .. })));
        assert!(!folder.join("secrets/key").exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn names_and_values_have_limits() {
        let folder = folder("limits");
        let mut secrets = Secrets::open(&folder).unwrap();
        assert!(secrets.set(&"n".repeat(SECRET_NAME_BYTES_MAX), "v", 1).is_ok());
        assert!(secrets.set(&"n".repeat(SECRET_NAME_BYTES_MAX + 1), "v", 1).is_err());
        assert!(secrets.set("a", &"v".repeat(SECRET_VALUE_BYTES_MAX), 1).is_ok());
        assert!(secrets.set("a", &"v".repeat(SECRET_VALUE_BYTES_MAX + 1), 1).is_err());
        assert!(secrets.set("a/b", "v", 1).is_err());
        assert!(secrets.set("a", "v\0", 1).is_err());
        assert!(secrets.remove("nope").is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
