//! No file panics its reader: the configuration, and the project files that `init` looks at.
//!
//! A fuzz target in all but its tool: bolero pins a version of a library that the TOML parser
//! cannot use, so it cannot stand in `fuzz/`. `PROPTEST_CASES=1000000` runs it longer.

use std::path::Path;

use mainspring::{config, init};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Lines of a file that sets everything, to be mixed with each other and with rubbish.
const EVERYTHING: &str = include_str!("../../testdata/everything.toml");

/// Values that keys are given, right and wrong.
const VALUES: [&str; 16] = [
    "1",
    "-1",
    "0.5",
    "true",
    "\"10s\"",
    "\"512MiB\"",
    "\"\"",
    "[]",
    "{}",
    "[\"a\", 1]",
    "\"127.0.0.1:1\"",
    "{ regex = \"(\" }",
    "\"a 'b\"",
    "1979-05-27",
    "99999999999999999999",
    "\"ä\\u0000\"",
];

/// Pieces of project files, to be strung together.
const PIECES: [&str; 22] = [
    "services:\n",
    "  web:\n",
    "    command: ",
    "    image: redis\n",
    "node a b\n",
    "    build: x\n",
    "    ports:\n",
    "      - \"80:80\"\n",
    "- a\n",
    "    environment:\n",
    "      A: 'b'\n",
    "      MAINSPRING_X: '\"'\n",
    "[1, \"2",
    "]\n",
    "\\\"",
    "# c\n",
    "    depends_on: [web, \"web\"]\n",
    "ä\n",
    "web: ",
    "\t",
    ": | > & *\n",
    "{\"scripts\": {\"start\": \"\\u0007\"}}",
];

/// Reads `text` and shows what is said of it; what is refused is refused with a word.
fn read(text: &str) {
    match config::read_text_as(Path::new("/srv/mainspring.toml"), text) {
        Ok((read, warnings)) => {
            warnings.render(true);
            assert!(
                config::plan::diff(&read, &read, 1).changes.is_empty(),
                "the same is no change"
            );
        }
        Err(problems) => {
            assert!(!problems.is_empty() && !problems.records().is_empty());
            assert!(!problems.render(true).is_empty());
        }
    }
}

fn nearly_right() -> impl Strategy<Value = String> {
    let lines: Vec<&'static str> = EVERYTHING.lines().collect();
    let line =
        (select(lines), prop_oneof![3 => Just(None), 1 => select(&VALUES[..]).prop_map(Some)]);
    let line = line.prop_map(|(line, value)| match (line.split_once(" = "), value) {
        (Some((key, _)), Some(value)) => format!("{key} = {value}\n"),
        (Some(_) | None, _) => format!("{line}\n"),
    });
    vec(line, 0..40).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_text_of_toml_characters(text in "[\\[\\]{}=\"'.,#a-z0-9\\n _ä\\\\-]{0,120}") {
        read(&text);
    }

    #[test]
    fn a_file_that_is_nearly_right(text in nearly_right()) {
        read(&text);
    }

    /// Whatever a project's files hold, what `init` proposes passes the check.
    #[test]
    fn project_files(
        name in select(vec!["docker-compose.yml", "Procfile", "package.json", "Cargo.toml"]),
        pieces in vec(select(&PIECES[..]), 0..40),
    ) {
        let folder = std::env::temp_dir().join(format!("mainspring-hostile-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), pieces.concat()).unwrap();
        let looked = init::look(&folder);
        let _ = std::fs::remove_dir_all(&folder);
        if let Err(error) = looked {
            prop_assert!(!matches!(error, init::InitError::Unusable(_)), "{error}");
        }
    }
}
