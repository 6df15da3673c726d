//! Bytes that a program wrote, cut into lines that are safe to store and to show.

/// Longest line. A longer one is cut into pieces of this size, none of which is lost.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub struct LineCutter {
    /// The line begun and not ended; at most [`LINE_BYTES_MAX`] bytes.
    begun: Vec<u8>,
}

impl LineCutter {
    /// Takes more of the stream and gives each line that is complete, without its end.
    pub fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(String)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let room = LINE_BYTES_MAX - self.begun.len();
            match end {
                Some(end) if end <= room => {
                    let (head, tail) = rest.split_at(end);
                    self.begun.extend_from_slice(head);
                    rest = tail.get(1..).unwrap_or_default();
                    self.finish_line(&mut line);
                }
                Some(_) | None if rest.len() > room => {
                    let (head, tail) = rest.split_at(room);
                    self.begun.extend_from_slice(head);
                    rest = tail;
                    self.finish_line(&mut line);
                }
                Some(_) | None => {
                    self.begun.extend_from_slice(rest);
                    rest = &[];
                }
            }
        }
    }

    /// Gives the line that was never ended, if there is one.
    pub fn end(&mut self, mut line: impl FnMut(String)) {
        if !self.begun.is_empty() {
            self.finish_line(&mut line);
        }
    }

    /// Bytes taken that are not in any line given yet.
    pub fn begun_bytes(&self) -> usize {
        self.begun.len()
    }

    fn finish_line(&mut self, line: &mut impl FnMut(String)) {
        line(harmless(&self.begun));
        self.begun.clear();
    }
}

/// `raw` as text that cannot move a terminal's cursor or change its colours: colour sequences
/// are dropped, other control characters spelled out, bytes that are no UTF-8 replaced.
pub fn harmless(raw: &[u8]) -> String {
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    let text = String::from_utf8_lossy(raw);
    let mut safe = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(character) = rest.chars().next() {
        if let Some(after) = after_colour(rest) {
            rest = after;
            continue;
        }
        match character {
            '\t' => safe.push('\t'),
            control if control.is_control() => {
                safe.push_str(&format!("\\u{{{:x}}}", u32::from(control)));
            }
            // These reorder or hide text around them (Unicode TR36 §3).
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                safe.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
            }
            plain => safe.push(plain),
        }
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
    safe
}

/// What follows the colour sequence (ECMA-48 §8.3.117, SGR) at the start of `text`.
fn after_colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
    parameters.get(end..)?.strip_prefix('m')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<String> {
        let (mut cutter, mut lines) = (LineCutter::default(), Vec::new());
        for chunk in chunks {
            cutter.feed(chunk, |line| lines.push(line));
        }
        cutter.end(|line| lines.push(line));
        lines
    }

    #[test]
    fn lines_come_out_the_same_however_the_stream_is_cut() {
        let text = b"one\r\ntwo\n\nthree";
        for size in 1..=text.len() {
            let chunks: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(cut(&chunks), ["one", "two", "", "three"], "chunks of {size}");
        }
    }

    #[test]
    fn a_line_at_the_limit_is_whole_and_one_byte_more_is_cut() {
        let line = vec![b'a'; LINE_BYTES_MAX];
        let whole = [line.as_slice(), b"\n"].concat();
        assert_eq!(cut(&[&whole]).len(), 1);
        let longer = [line.as_slice(), b"b\nc\n"].concat();
        let lines = cut(&[&longer]);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LINE_BYTES_MAX, 1, 1]);
        assert_eq!(lines[1..], ["b", "c"]);
    }

    #[test]
    fn nothing_in_a_line_can_drive_a_terminal() {
        assert_eq!(harmless(b"\x1b[1;31mred\x1b[0m"), "red");
        assert_eq!(harmless(b"a\x1b[2Jb\x07\tc"), "a\\u{1b}[2Jb\\u{7}\tc");
        assert_eq!(harmless(b"\xff\x00"), "\u{fffd}\\u{0}");
        assert_eq!(harmless("a\u{202e}b\u{9b}".as_bytes()), "a\\u{202e}b\\u{9b}");
        assert_eq!(harmless(b"\x1b["), "\\u{1b}[");
    }
}
