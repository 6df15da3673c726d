//! The configuration that worked last, kept beside the data for a start with `--last-good`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::{Config, Diagnostics, load_text, read_text};

/// Name within the data folder.
const FILE_NAME: &str = "last-good.toml";

/// First line of the kept file: where relative folders start from.
const PATH_PREFIX: &str = "# last good configuration, from ";

/// The kept copy in one data folder.
#[derive(Clone, Debug)]
pub struct LastGood {
    folder: PathBuf,
}

impl LastGood {
    /// The copy in `data`, which need not exist yet.
    pub fn in_folder(data: &Path) -> Self {
        Self { folder: data.to_owned() }
    }

    /// Where it is kept.
    pub fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// Keeps `text`, which was read from `path` and is in force now.
    ///
    /// Written beside and renamed, so that a crash leaves the old copy or the new one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        let absolute = std::path::absolute(path)?;
        let beside = self.folder.join(format!("{FILE_NAME}.new"));
        let mut file = File::create(&beside)?;
        writeln!(file, "{PATH_PREFIX}{}", absolute.display())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, self.path())?;
        File::open(&self.folder)?.sync_all()
    }

    /// Reads the copy: where it came from, its text, and what it says.
    ///
    /// # Errors
    /// When there is none, or a newer version of Mainspring finds something wrong with it.
    pub fn read(&self) -> Result<(PathBuf, String, Config), Diagnostics> {
        if !self.path().exists() {
            let shown = self.path().display().to_string();
            let help = "start without --last-good: a configuration is kept when it has worked";
            let title = format!("no configuration was kept: there is no {shown}");
            return Err(Diagnostics::unreadable(&shown, title, help));
        }
        let kept = read_text(&self.path())?;
        let first = kept.split_once('\n');
        let origin = first.and_then(|(line, text)| Some((line.strip_prefix(PATH_PREFIX)?, text)));
        let Some((origin, text)) = origin else {
            let shown = self.path().display().to_string();
            let title = format!("{shown} does not begin with the line that says where it is from");
            return Err(Diagnostics::unreadable(&shown, title, "start without --last-good"));
        };
        let origin = PathBuf::from(origin);
        let config = load_text(&origin, text)?;
        Ok((origin, text.to_owned(), config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_back_with_its_folder() {
        let data =
            std::env::temp_dir().join(format!("mainspring-last-good-{}", std::process::id()));
        fs::create_dir_all(&data).unwrap();
        let kept = LastGood::in_folder(&data);
        assert!(kept.read().is_err());
        let text = "[service.a]\nrun = \"a\"\ndir = \"sub\"\n";
        kept.write(Path::new("/srv/app/mainspring.toml"), text).unwrap();
        let (origin, read, config) = kept.read().unwrap();
        assert_eq!(
            (origin.as_path(), read.as_str()),
            (Path::new("/srv/app/mainspring.toml"), text)
        );
        let program = config.services["a"].as_program().unwrap();
        assert_eq!(program.dir.as_deref(), Some(Path::new("/srv/app/sub")));
        fs::write(kept.path(), "half a li").unwrap();
        assert!(kept.read().is_err());
        fs::remove_dir_all(&data).unwrap();
    }
}
