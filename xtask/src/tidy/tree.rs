//! The files of the repository, as the rules see them: a path and a text each.
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Paths relative to the root, with `/`, and what is in them.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, File>,
}

#[derive(Clone, Debug)]
struct File {
    /// `None` if it is not UTF-8, as images are not.
    text: Option<String>,
    bytes: u64,
}

impl Tree {
    /// Reads what git knows and what it would add: everything but ignored files.
    ///
    /// # Errors
    /// When git is missing, this is no checkout, or a file cannot be read.
    pub fn read(root: &Path) -> Result<Tree, String> {
        let words = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listing = Command::new("git").current_dir(root).args(words).output();
        let listing = listing.map_err(|error| format!("git ls-files: {error}"))?;
        if !listing.status.success() {
            let why = String::from_utf8_lossy(&listing.stderr).into_owned();
            return Err(format!("tidy needs a git checkout: {}", why.trim()));
        }
        let mut tree = Tree::default();
        for path in String::from_utf8_lossy(&listing.stdout).split_terminator('\0') {
            let full = root.join(path);
            // Deleted but not yet committed, or a link to a folder.
            if !full.is_file() {
                continue;
            }
            let bytes = std::fs::read(&full).map_err(|error| format!("{path}: {error}"))?;
            let size = bytes.len() as u64;
            let file = File { text: String::from_utf8(bytes).ok(), bytes: size };
            tree.files.insert(path.to_owned(), file);
        }
        Ok(tree)
    }

    /// A tree out of nothing, for tests of rules.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Tree {
        let file = |text: &str| File { text: Some(text.to_owned()), bytes: text.len() as u64 };
        Tree { files: files.iter().map(|(path, text)| ((*path).to_owned(), file(text))).collect() }
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.text.as_deref()
    }

    /// Every text file with its path.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, file)| Some((path.as_str(), file.text.as_deref()?)))
    }

    /// Every file with its size in bytes.
    pub fn sizes(&self) -> impl Iterator<Item = (&str, u64)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file.bytes))
    }

    /// Whether there is such a file, or a folder with something in it. (`""` is the root.)
    pub fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        path.is_empty()
            || self.files.contains_key(path)
            || self
                .files
                .range(folder.clone()..)
                .next()
                .is_some_and(|(p, _)| p.starts_with(&folder))
    }
}
