//! The access log: one JSON object a line, whatever bytes the client sent.

use std::net::IpAddr;
use std::time::Duration;

/// What is known about a request when it is over.
#[derive(Clone, Copy, Debug)]
pub struct AccessRecord<'a> {
    /// When it began, in milliseconds since 1970 (UTC).
    pub unix_millis: u64,
    /// Its id.
    pub request_id: &'a str,
    /// Its trace, as 32 digits; empty for none.
    pub trace_id: &'a str,
    /// The client, trusted proxies looked through.
    pub client: IpAddr,
    /// As sent.
    pub method: &'a str,
    /// Canonical.
    pub host: &'a str,
    /// Canonical, without the query, which may hold secrets.
    pub path: &'a str,
    /// The answer's status; 0 when the client left before there was one.
    pub status: u16,
    /// The route's name; empty for none.
    pub route: &'a str,
    /// The service's name; empty for none.
    pub service: &'a str,
    /// The endpoint's label; empty for none.
    pub endpoint: &'a str,
    /// Attempts after the first.
    pub retries: u32,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// From the first byte of the request to the last of the answer.
    pub duration: Duration,
    /// What went wrong, if anything did.
    pub error: Option<&'a str>,
    /// The `User-Agent` field, verbatim.
    pub user_agent: &'a [u8],
}

impl AccessRecord<'_> {
    /// Appends the record and a line feed.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":");
        write_time(self.unix_millis, out);
        let texts = [
            (&b",\"request_id\":"[..], self.request_id),
            (b",\"trace_id\":", self.trace_id),
            (b",\"method\":", self.method),
            (b",\"host\":", self.host),
            (b",\"path\":", self.path),
            (b",\"route\":", self.route),
            (b",\"service\":", self.service),
            (b",\"endpoint\":", self.endpoint),
        ];
        for (key, text) in texts {
            if !text.is_empty() {
                out.extend_from_slice(key);
                write_json_text(text.as_bytes(), out);
            }
        }
        let micros = u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX);
        let numbers = [
            (&b",\"status\":"[..], u64::from(self.status)),
            (b",\"retries\":", u64::from(self.retries)),
            (b",\"bytes_in\":", self.bytes_in),
            (b",\"bytes_out\":", self.bytes_out),
            (b",\"duration_us\":", micros),
        ];
        for (key, number) in numbers {
            out.extend_from_slice(key);
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        out.extend_from_slice(b",\"client\":");
        write_json_text(self.client.to_string().as_bytes(), out);
        if let Some(error) = self.error {
            out.extend_from_slice(b",\"error\":");
            write_json_text(error.as_bytes(), out);
        }
        if !self.user_agent.is_empty() {
            out.extend_from_slice(b",\"user_agent\":");
            write_json_text(self.user_agent, out);
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Appends `text` as a JSON string (RFC 8259 §7).
///
/// Everything that is not visible ASCII is escaped, so no byte can end the line, move a terminal's
/// cursor, or be invalid UTF-8; bytes beyond ASCII that are no UTF-8 become U+FFFD.
pub(crate) fn write_json_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            write_json_character(character, out);
        }
        if !chunk.invalid().is_empty() {
            write_json_character(char::REPLACEMENT_CHARACTER, out);
        }
    }
    out.push(b'"');
}

fn write_json_character(character: char, out: &mut Vec<u8>) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        ' '..='~' => out.push(character as u8),
        _ => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
        }
    }
}

/// RFC 3339, UTC, milliseconds. The calendar is Howard Hinnant's `civil_from_days`: eras of 400
/// years that begin on 1 March, so that the leap day is the last of its year.
fn write_time(unix_millis: u64, out: &mut Vec<u8>) {
    let (days, millis) = (unix_millis / 86_400_000, unix_millis % 86_400_000);
    let from_march = days + 719_468;
    let (era, day_of_era) = (from_march / 146_097, from_march % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let text =
        format!("\"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z\"");
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(unix_millis: u64) -> String {
        let mut out = Vec::new();
        write_time(unix_millis, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_calendar_times() {
        assert_eq!(time(0), "\"1970-01-01T00:00:00.000Z\"");
        assert_eq!(time(951_782_399_999), "\"2000-02-28T23:59:59.999Z\"");
        assert_eq!(time(951_782_400_000), "\"2000-02-29T00:00:00.000Z\"");
        assert_eq!(time(1_709_251_200_000), "\"2024-03-01T00:00:00.000Z\"");
        assert_eq!(time(4_102_444_799_001), "\"2099-12-31T23:59:59.001Z\"");
    }

    #[test]
    fn no_byte_can_leave_its_string() {
        let every: Vec<u8> = (0..=255).collect();
        let mut out = Vec::new();
        write_json_text(&every, &mut out);
        let inner = &out[1..out.len() - 1];
        assert!(inner.iter().all(|byte| (b' '..=b'~').contains(byte)));
        let unescaped = String::from_utf8(inner.to_vec()).unwrap().replace("\\\\", "");
        assert_eq!(unescaped.replace("\\\"", "").find('"'), None);
        let mut out = Vec::new();
        write_json_text("a\r\né😀\u{7f}".as_bytes(), &mut out);
        assert_eq!(out, b"\"a\\u000d\\n\\u00e9\\ud83d\\ude00\\u007f\"");
    }

    #[test]
    fn a_record_is_one_line() {
        let record = AccessRecord {
            unix_millis: 0,
            request_id: "r1",
            trace_id: "",
            client: IpAddr::from([127, 0, 0, 1]),
            method: "GET",
            host: "shop.example",
            path: "/a",
            status: 200,
            route: "shop",
            service: "shop",
            endpoint: "shop.1",
            retries: 0,
            bytes_in: 0,
            bytes_out: 12,
            duration: Duration::from_micros(345),
            error: None,
            user_agent: b"x\"\n\xff",
        };
        let mut out = Vec::new();
        record.write_line(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"request_id\":\"r1\",\"method\":\"GET\",\
             \"host\":\"shop.example\",\"path\":\"/a\",\"route\":\"shop\",\"service\":\"shop\",\
             \"endpoint\":\"shop.1\",\"status\":200,\"retries\":0,\"bytes_in\":0,\"bytes_out\":12,\
             \"duration_us\":345,\"client\":\"127.0.0.1\",\"user_agent\":\"x\\\"\\n\\ufffd\"}\n"
        );
    }
}
