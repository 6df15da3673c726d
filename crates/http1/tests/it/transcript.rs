//! Reads and rewrites the files in `testdata/`; their form is described in `testdata/README.md`.

use std::fmt::Write as _;
use std::path::PathBuf;

/// One case of a corpus.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    source: String,
    pub(crate) outcome: Vec<String>,
}

/// Runs `read` on every case of the file and compares, or with `UPDATE=1` writes down what came.
pub(crate) fn check(file: &str, mut read: impl FnMut(&Case) -> Vec<String>) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let (title, cases) = parse(&text);
    assert!(cases.len() > 10, "{file} holds {} cases only", cases.len());
    let mut rewritten = format!("{title}\n");
    let mut differing = Vec::new();
    for case in &cases {
        let outcome = read(case);
        if outcome != case.outcome {
            differing.push(format!(
                "{}\n  expected {:#?}\n  found {outcome:#?}",
                case.name, case.outcome
            ));
        }
        write!(rewritten, "\n## {}\n{}", case.name, case.source).unwrap();
        outcome.iter().for_each(|line| writeln!(rewritten, "=> {line}").unwrap());
    }
    if std::env::var_os("UPDATE").is_some() {
        #[expect(clippy::disallowed_methods, reason = "tests rewrite their transcripts")]
        std::fs::write(&path, rewritten).unwrap();
        return;
    }
    assert!(differing.is_empty(), "{file}: {}", differing.join("\n"));
}

fn parse(text: &str) -> (String, Vec<Case>) {
    let mut blocks = text.split("\n## ");
    let title = blocks.next().unwrap().trim_end().to_owned();
    (title, blocks.map(parse_case).collect())
}

fn parse_case(block: &str) -> Case {
    let (name, rest) = block.split_once('\n').unwrap();
    let mut case = Case {
        name: name.to_owned(),
        bytes: Vec::new(),
        source: String::new(),
        outcome: Vec::new(),
    };
    for line in rest.lines().filter(|line| !line.is_empty()) {
        if let Some(outcome) = line.strip_prefix("=>") {
            case.outcome.push(outcome.trim_start().to_owned());
            continue;
        }
        let (quoted, times) = match line.rsplit_once("\"*") {
            Some((quoted, times)) => (quoted, times.parse().unwrap()),
            None => (line.strip_suffix('"').unwrap(), 1),
        };
        let bytes = unescape(quoted.strip_prefix('"').unwrap());
        case.bytes.extend(bytes.repeat(times));
        writeln!(case.source, "{line}").unwrap();
    }
    case
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            assert!(character.is_ascii(), "{text}");
            bytes.push(character as u8);
            continue;
        }
        bytes.push(match characters.next().unwrap() {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '0' => 0,
            'x' => {
                let digits: String = characters.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).unwrap()
            }
            same => same as u8,
        });
    }
    bytes
}
