//! `run = "…"`: a command line split into words without a shell.
//!
//! The rules are those of POSIX (Shell Command Language §2.2 Quoting, §2.6.2 Parameter Expansion)
//! as far as they need no shell: single and double quotes, backslash, `$NAME` and `${NAME}`. What
//! only a shell can do (pipes, redirection, lists, command substitution) is refused with a word on
//! how to ask for a shell, rather than handed to the program as odd arguments. Unlike a shell, an
//! expanded variable is never split again and an unset one is an error.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest command line. Linux allows more; a config line does not need it.
pub const COMMAND_BYTES_MAX: usize = 32 * 1024;

/// A command line, split, with its variables still in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct CommandLine {
    text: String,
    in_shell: bool,
    words: Vec<Vec<Part>>,
}

/// Why a text is not a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandProblem {
    /// Where in the text, in bytes.
    pub at: usize,
    /// What is wrong there and what to write instead.
    pub message: String,
}

/// A variable of the command line that is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpandProblem {
    /// Its name.
    pub variable: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

/// What is written to disk: the text alone, split again when read.
#[derive(Serialize, Deserialize)]
struct Stored {
    text: String,
    in_shell: bool,
}

impl CommandLine {
    /// Splits `text` into words.
    ///
    /// # Errors
    /// When it is empty, too long, has an open quote, or asks for something only a shell can do.
    pub fn split(text: &str) -> Result<Self, CommandProblem> {
        if text.len() > COMMAND_BYTES_MAX {
            let message = format!("longer than {COMMAND_BYTES_MAX} bytes: put it into a script");
            return Err(CommandProblem { at: COMMAND_BYTES_MAX, message });
        }
        let words = Splitter::new(text).run()?;
        Ok(Self { text: text.to_owned(), in_shell: false, words })
    }

    /// `sh -c script`, for those who want a shell.
    ///
    /// # Errors
    /// When it is blank, too long, or has a NUL byte.
    pub fn shell(script: &str) -> Result<Self, CommandProblem> {
        let problem = |at, message: &str| Err(CommandProblem { at, message: message.to_owned() });
        if script.trim().is_empty() {
            return problem(0, "nothing to run");
        }
        if script.len() > COMMAND_BYTES_MAX {
            return problem(COMMAND_BYTES_MAX, "too long: put it into a script file");
        }
        if let Some(at) = script.find('\0') {
            return problem(at, "a NUL byte cannot be part of a command");
        }
        let word = |text: &str| vec![Part::Text(text.to_owned())];
        let words = vec![word("sh"), word("-c"), word(script)];
        Ok(Self { text: script.to_owned(), in_shell: true, words })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a shell runs it.
    pub fn in_shell(&self) -> bool {
        self.in_shell
    }

    /// The program and its arguments, with variables looked up. Never empty.
    ///
    /// # Errors
    /// When a variable is not set.
    pub fn expand(
        &self,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<String>, ExpandProblem> {
        let expand_word = |word: &Vec<Part>| {
            let mut expanded = String::new();
            for part in word {
                match part {
                    Part::Text(text) => expanded.push_str(text),
                    Part::Variable(name) => match lookup(name) {
                        Some(value) => expanded.push_str(&value),
                        None => return Err(ExpandProblem { variable: name.clone() }),
                    },
                }
            }
            Ok(expanded)
        };
        self.words.iter().map(expand_word).collect()
    }
}

struct Splitter<'a> {
    text: &'a str,
    characters: std::iter::Peekable<std::str::CharIndices<'a>>,
    words: Vec<Vec<Part>>,
    /// The word being read; `None` between words. An empty one (`""`) is a word.
    word: Option<Vec<Part>>,
}

impl<'a> Splitter<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, characters: text.char_indices().peekable(), words: Vec::new(), word: None }
    }

    fn run(mut self) -> Result<Vec<Vec<Part>>, CommandProblem> {
        while let Some((at, character)) = self.characters.next() {
            match character {
                ' ' | '\t' | '\n' | '\r' => self.end_word(),
                '\'' => self.single_quoted(at)?,
                '"' => self.double_quoted(at)?,
                '\\' => match self.characters.next() {
                    Some((_, '\n')) => {}
                    Some((_, escaped)) => self.push(escaped),
                    None => return problem(at, "a backslash at the end escapes nothing"),
                },
                '$' => self.variable(at)?,
                '|' | '&' | ';' | '<' | '>' | '(' | ')' | '`' => {
                    return problem(at, &needs_shell(character));
                }
                '#' if self.word.is_none() => return problem(at, &needs_shell('#')),
                '\0' => return problem(at, "a NUL byte cannot be part of a command"),
                plain => self.push(plain),
            }
        }
        self.end_word();
        let Some(first) = self.words.first() else { return problem(0, "nothing to run") };
        if let [Part::Text(text), ..] = first.as_slice()
            && let Some((name, _)) = text.split_once('=')
            && is_variable_name(name)
        {
            let message = format!("put {name} into `env = {{ {name} = … }}` instead");
            return problem(0, &message);
        }
        Ok(self.words)
    }

    fn single_quoted(&mut self, open: usize) -> Result<(), CommandProblem> {
        self.begin_word();
        loop {
            match self.characters.next() {
                Some((_, '\'')) => return Ok(()),
                Some((at, '\0')) => return problem(at, "a NUL byte cannot be part of a command"),
                Some((_, character)) => self.push(character),
                None => return problem(open, "this quote is never closed: add a `'`"),
            }
        }
    }

    fn double_quoted(&mut self, open: usize) -> Result<(), CommandProblem> {
        self.begin_word();
        loop {
            match self.characters.next() {
                Some((_, '"')) => return Ok(()),
                Some((at, '$')) => self.variable(at)?,
                Some((at, '`')) => return problem(at, &needs_shell('`')),
                Some((at, '\0')) => return problem(at, "a NUL byte cannot be part of a command"),
                // POSIX §2.2.3: inside double quotes a backslash escapes only these.
                Some((_, '\\')) => match self.characters.peek().copied() {
                    Some((_, escaped @ ('$' | '`' | '"' | '\\'))) => {
                        self.characters.next();
                        self.push(escaped);
                    }
                    Some((_, '\n')) => {
                        self.characters.next();
                    }
                    Some(_) | None => self.push('\\'),
                },
                Some((_, character)) => self.push(character),
                None => return problem(open, "this quote is never closed: add a `\"`"),
            }
        }
    }

    /// After a `$`.
    fn variable(&mut self, dollar: usize) -> Result<(), CommandProblem> {
        let braced = match self.characters.peek() {
            Some((_, '{')) => true,
            Some((_, '(')) => return problem(dollar, &needs_shell('$')),
            Some(_) | None => false,
        };
        if braced {
            self.characters.next();
        }
        let start = self.characters.peek().map_or(self.text.len(), |(at, _)| *at);
        while self.characters.next_if(|(_, c)| c.is_ascii_alphanumeric() || *c == '_').is_some() {}
        let end = self.characters.peek().map_or(self.text.len(), |(at, _)| *at);
        let name = self.text.get(start..end).unwrap_or_default().to_owned();
        if braced && self.characters.next_if(|(_, c)| *c == '}').is_none() {
            return problem(dollar, "write `${NAME}`; anything more inside braces needs a shell");
        }
        if name.is_empty() && !braced {
            self.push('$'); // As a shell does with a lone dollar.
            return Ok(());
        }
        if !is_variable_name(&name) {
            return problem(dollar, "a variable's name is letters, digits and `_`, no digit first");
        }
        self.begin_word().push(Part::Variable(name));
        Ok(())
    }

    fn begin_word(&mut self) -> &mut Vec<Part> {
        self.word.get_or_insert_with(Vec::new)
    }

    fn push(&mut self, character: char) {
        let word = self.begin_word();
        if let Some(Part::Text(text)) = word.last_mut() {
            text.push(character);
        } else {
            word.push(Part::Text(character.to_string()));
        }
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn needs_shell(character: char) -> String {
    format!("`{character}` here needs a shell: quote it, or write `{{ shell = \"…\" }}`")
}

fn problem<T>(at: usize, message: &str) -> Result<T, CommandProblem> {
    Err(CommandProblem { at, message: message.to_owned() })
}

impl fmt::Display for CommandProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at, self.message)
    }
}

impl std::error::Error for CommandProblem {}

impl fmt::Display for ExpandProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "${} is not set: set it in `env`, or write `\\${}` for a plain dollar sign",
            self.variable, self.variable
        )
    }
}

impl std::error::Error for ExpandProblem {}

impl From<CommandLine> for Stored {
    fn from(line: CommandLine) -> Self {
        Self { text: line.text, in_shell: line.in_shell }
    }
}

impl TryFrom<Stored> for CommandLine {
    type Error = CommandProblem;

    fn try_from(stored: Stored) -> Result<Self, CommandProblem> {
        if stored.in_shell { Self::shell(&stored.text) } else { Self::split(&stored.text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &[&str]) {
        let words = CommandLine::split(text).unwrap().expand(|name| match name {
            "PORT" => Some("8000".to_owned()),
            "TWO" => Some("a b".to_owned()),
            _ => None,
        });
        assert_eq!(words.unwrap(), want, "{text}");
    }

    fn check_refused(text: &str, at: usize, want: &str) {
        let problem = CommandLine::split(text).unwrap_err();
        assert_eq!(problem.at, at, "{text}: {problem}");
        assert!(problem.message.contains(want), "{text}: {problem}");
    }

    #[test]
    fn words_quotes_and_variables_as_a_shell_splits_them() {
        check("a  b\tc", &["a", "b", "c"]);
        check("serve --port $PORT", &["serve", "--port", "8000"]);
        check("serve :${PORT}x", &["serve", ":8000x"]);
        check("echo 'a $PORT \"b' \"c $PORT\"", &["echo", "a $PORT \"b", "c 8000"]);
        check(r#"echo a\ b "\"\n" '' """#, &["echo", "a b", "\"\\n", "", ""]);
        check("echo $TWO", &["echo", "a b"]);
        check("echo 5$ a#b x=y", &["echo", "5$", "a#b", "x=y"]);
        check("echo 'a|b' \\| \"&\"", &["echo", "a|b", "|", "&"]);
    }

    #[test]
    fn what_needs_a_shell_is_refused_with_a_way_out() {
        check_refused("a | b", 2, "shell");
        check_refused("a > b", 2, "shell");
        check_refused("a && b", 2, "shell");
        check_refused("a $(b)", 2, "shell");
        check_refused("a \"`b`\"", 3, "shell");
        check_refused("LOG=debug web", 0, "env = { LOG");
        check_refused("  ", 0, "nothing");
        check_refused("a 'b", 2, "never closed");
        check_refused("a \"b", 2, "never closed");
        check_refused("a ${B:-c}", 2, "shell");
        check_refused("a \\", 2, "backslash");
        check_refused("a $1", 2, "variable's name");
    }

    #[test]
    fn an_unset_variable_is_named() {
        let line = CommandLine::split("a $NOPE").unwrap();
        assert_eq!(line.expand(|_| None).unwrap_err().variable, "NOPE");
    }

    #[test]
    fn the_length_limit_is_exact() {
        assert!(CommandLine::split(&"a".repeat(COMMAND_BYTES_MAX)).is_ok());
        assert!(CommandLine::split(&"a".repeat(COMMAND_BYTES_MAX + 1)).is_err());
        assert!(CommandLine::shell(&"a".repeat(COMMAND_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn a_shell_gets_its_script_untouched() {
        let line = CommandLine::shell("a | b $PORT").unwrap();
        assert_eq!(line.expand(|_| None).unwrap(), ["sh", "-c", "a | b $PORT"]);
    }
}
