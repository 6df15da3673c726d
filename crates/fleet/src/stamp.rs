//! Wall-clock times in log files: RFC 3339, UTC, milliseconds.

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// `2026-11-22T08:09:10.123Z`.
pub(crate) fn format(unix_ms: u64) -> String {
    let (days, in_day) = (unix_ms / DAY_MS, unix_ms % DAY_MS);
    let (year, month, day) = civil(days);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1_000 % 60, in_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The inverse of [`format`]; `None` for anything else.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let shape = b"dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = text.len() == shape.len()
        && text.bytes().zip(shape).all(|(byte, want)| match want {
            b'd' => byte.is_ascii_digit(),
            exact => byte == *exact,
        });
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if !fits || !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_day = hour * 3_600_000 + minute * 60_000 + second * 1_000 + number(20, 23)?;
    Some(days(year, month, day) * DAY_MS + in_day)
}

/// Year, month and day of a day counted from 1970-01-01. The year begins in March, so that the
/// leap day is its last (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_123, "2000-02-29T00:00:00.123Z"),
            (1_795_334_399_999, "2026-11-22T07:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(format(unix_ms), text);
            assert_eq!(parse(text), Some(unix_ms));
        }
    }

    #[test]
    fn anything_else_is_no_stamp() {
        for text in ["", "2026-11-22", "2026-13-22T08:09:10.123Z", "2026-11-22T08:09:10.123X"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("1969-11-22T08:09:10.123Z"), None);
        assert_eq!(parse("２０２６-11-22T08:09:10"), None);
    }
}
