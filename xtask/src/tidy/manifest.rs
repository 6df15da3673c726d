//! The little of `Cargo.toml` that the rules need: its name, and what it depends on.
//!
//! Not a TOML parser: this tool compiles in seconds, and Cargo has refused a broken file before.

/// A package's manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    pub name: String,
    pub dependencies: Vec<Dependency>,
    /// Whether `[lints]` says `workspace = true`.
    pub shares_lints: bool,
}

/// One line of a dependency table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    /// The package, also when it is renamed.
    pub package: String,
    /// Of `[dev-dependencies]`.
    pub for_tests: bool,
    pub line: usize,
}

impl Manifest {
    pub(super) fn parse(text: &str) -> Manifest {
        let mut manifest = Manifest::default();
        let mut section = "";
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(header) = line.strip_prefix('[') {
                section = header.split(']').next().unwrap_or_default();
                // `[dependencies.tokio]` names a dependency by itself.
                if let Some((kind, name)) = section.rsplit_once('.') {
                    manifest.depend(kind, name, number);
                }
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let (key, value) = (key.trim(), value.trim());
            match section {
                "package" if key == "name" => manifest.name = value.trim_matches('"').to_owned(),
                "lints" if key == "workspace" => manifest.shares_lints = value == "true",
                _ => {
                    let name = key.split('.').next().unwrap_or(key);
                    manifest.depend(section, renamed(value).unwrap_or(name), number);
                }
            }
        }
        manifest
    }

    fn depend(&mut self, section: &str, name: &str, line: usize) {
        let kind = section.rsplit_once('.').map_or(section, |(_, kind)| kind);
        if matches!(kind, "dependencies" | "dev-dependencies" | "build-dependencies") {
            let package = name.trim_matches('"').to_owned();
            let for_tests = kind == "dev-dependencies";
            self.dependencies.push(Dependency { package, for_tests, line });
        }
    }
}

/// `{ package = "tokio", … }` → `tokio`.
fn renamed(value: &str) -> Option<&str> {
    let (_, after) = value.split_once("package")?;
    after.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_dependency_is_read() {
        let manifest = Manifest::parse(
            "[package]\nname = \"edge\"\n\n[dependencies]\nmodel.workspace = true\n\
             h = { package = \"hyper\", version = \"1\" } # hidden\nbytes = \"1\"\n\n\
             [dependencies.rustix]\nversion = \"1\"\n\n[target.'cfg(unix)'.dependencies]\nnix = \"1\"\n\
             [dev-dependencies]\nproptest.workspace = true\n\n[lints]\nworkspace = true\n",
        );
        let names: Vec<_> = manifest.dependencies.iter().map(|d| d.package.as_str()).collect();
        assert_eq!(manifest.name, "edge");
        assert_eq!(names, ["model", "hyper", "bytes", "rustix", "nix", "proptest"]);
        assert!(manifest.shares_lints);
        assert_eq!(manifest.dependencies.iter().filter(|d| d.for_tests).count(), 1);
        assert_eq!(manifest.dependencies[1].line, 6);
    }
}
