//! Values with a unit: durations, sizes, shares, addresses, and what to write when one is wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Units of time, with their length in nanoseconds.
const TIME_UNITS: [(&str, u64); 6] = [
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Units of size. The decimal ones are understood too, because disks are sold in them.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// Reads `"10s"`, `"250ms"`, `"1h30m"`.
///
/// # Errors
/// What is wrong with the text and what to write, as one clause.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const RULE: &str =
        "write a number and a unit (us, ms, s, m, h, d), such as \"10s\" or \"1h30m\"";
    let mut nanos: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(RULE.to_owned());
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end).unwrap_or((after, ""));
        let unit = unit.trim();
        if number.is_empty() {
            return Err(RULE.to_owned());
        }
        let Some((_, scale)) = TIME_UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(match unit {
                "" => format!("the unit is missing: write \"{number}s\" for seconds"),
                "sec" | "secs" | "second" | "seconds" => format!("write \"{number}s\""),
                "min" | "mins" | "minute" | "minutes" => format!("write \"{number}m\""),
                "hour" | "hours" => format!("write \"{number}h\""),
                "day" | "days" => format!("write \"{number}d\""),
                _ => RULE.to_owned(),
            });
        };
        let part = scaled(number, *scale).ok_or("that is longer than 500 years")?;
        nanos = nanos.checked_add(part).ok_or("that is longer than 500 years")?;
        rest = after.trim_start();
    }
    Ok(Duration::from_nanos(nanos))
}

/// Reads `"512MiB"`, `"1.5GiB"`, `"4096"`.
///
/// # Errors
/// What is wrong with the text and what to write, as one clause.
pub(super) fn size(text: &str) -> Result<u64, String> {
    const RULE: &str = "write a number and a unit (B, KiB, MiB, GiB, TiB), such as \"512MiB\"";
    let (number, unit) = split_number(text.trim());
    if number.is_empty() {
        return Err(RULE.to_owned());
    }
    let unit = unit.trim();
    let scale = match SIZE_UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, scale)) => *scale,
        None if unit.is_empty() => 1,
        None => {
            let lower = unit.to_ascii_lowercase();
            let meant = match lower.strip_suffix("ib").or(lower.strip_suffix('b')).unwrap_or(&lower)
            {
                "k" => Some("KiB"),
                "m" => Some("MiB"),
                "g" => Some("GiB"),
                "t" => Some("TiB"),
                _ => None,
            };
            return Err(meant.map_or(RULE.to_owned(), |unit| format!("write \"{number}{unit}\"")));
        }
    };
    scaled(number, scale).ok_or_else(|| "that is more bytes than 64 bits can count".to_owned())
}

/// Reads a share such as `"70%"` as 0.7.
///
/// # Errors
/// What is wrong with the text and what to write, as one clause.
pub(super) fn share(text: &str) -> Result<f64, String> {
    const RULE: &str = "write a share from \"0%\" to \"100%\"";
    let number = text.trim().strip_suffix('%').ok_or(RULE)?.trim();
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let percent: f64 = number.parse().map_err(|_| RULE.to_owned())?;
    if plain && (0.0..=100.0).contains(&percent) {
        Ok(percent / 100.0)
    } else {
        Err(RULE.to_owned())
    }
}

/// Reads `"127.0.0.1:8080"`, `"[::1]:8080"` or `"localhost:8080"`.
///
/// Other names are refused: nobody would look up again when they move.
///
/// # Errors
/// What is wrong with the text and what to write, as one clause.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    const RULE: &str = "write an IP address and a port, such as \"127.0.0.1:8080\"";
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if text.parse::<u16>().is_ok() {
        return Err(format!("the IP address is missing: write \"127.0.0.1:{text}\""));
    }
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        // The last group may have been meant as the port, so none is suggested from it.
        return Err(format!("IPv6 needs brackets and a port: write \"[{ip}]:8080\""));
    }
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Err(format!("the port is missing: write \"{}\"", SocketAddr::new(ip, 8080)));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let bare = rest.split('/').next().unwrap_or_default();
        return Err(match address(bare) {
            Ok(_) => format!("leave out \"{scheme}://\": write \"{bare}\""),
            Err(_) => RULE.to_owned(),
        });
    }
    let Some((host, port)) = text.rsplit_once(':') else { return Err(RULE.to_owned()) };
    let Ok(port) = port.parse::<u16>() else {
        return Err(format!("{port:?} is not a port: use a number from 0 to 65535"));
    };
    match host {
        "localhost" => Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
        "" | "*" => Err(format!(
            "say which interface: \"127.0.0.1:{port}\" (this machine only) or \"0.0.0.0:{port}\" (all)"
        )),
        _ if host.contains(':') => match host.parse::<Ipv6Addr>() {
            Ok(ip) => Err(format!("IPv6 needs brackets: write \"[{ip}]:{port}\"")),
            Err(_) => Err(RULE.to_owned()),
        },
        _ => Err(format!("names are not looked up in this version: {RULE}")),
    }
}

/// A duration as a user would write it.
pub fn show_duration(duration: Duration) -> String {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    if nanos == 0 {
        return "0s".to_owned();
    }
    let exact = TIME_UNITS.iter().rev().find(|(_, scale)| nanos.is_multiple_of(*scale));
    match exact {
        Some((unit, scale)) => format!("{}{unit}", nanos / scale),
        None => format!("{}us", nanos / 1_000),
    }
}

/// A size as a user would write it.
pub fn show_size(bytes: u64) -> String {
    let binary = SIZE_UNITS.iter().take(5).rev();
    let exact =
        binary.into_iter().find(|(_, scale)| bytes >= *scale && bytes.is_multiple_of(*scale));
    exact.map_or_else(|| format!("{bytes}B"), |(unit, scale)| format!("{}{unit}", bytes / scale))
}

/// The leading digits with at most one point, and what follows.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let bare_point = number.starts_with('.') || number.ends_with('.');
    if bare_point || number.matches('.').count() > 1 { ("", text) } else { (number, rest) }
}

/// `number × scale` in whole units, rounded down; `None` when it does not fit.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = u128::from(whole.parse::<u64>().ok()?) * u128::from(scale);
    // Twelve digits times the largest unit still fit; nobody writes more.
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 12)?;
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    u64::try_from(whole + part * u128::from(scale) / 10_u128.pow(digits)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [("10s", 10_000), ("250ms", 250), ("1h30m", 5_400_000), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2 m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(604_800)));
        for bad in ["", "s", "-1s", "1.s", "1..2s", "1x", "999999999999d", "1e3s", "ß", "1ß2"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(duration("10").unwrap_err().contains("\"10s\""));
        assert!(duration("5min").unwrap_err().contains("\"5m\""));
    }

    #[test]
    fn sizes() {
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!(size("1.5 KiB"), Ok(1536));
        assert_eq!(size("10MB"), Ok(10_000_000));
        assert_eq!(size("4096"), Ok(4096));
        for bad in ["", "MiB", "-1MiB", "1XB", "99999999999TiB", "1,5MiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert!(size("512M").unwrap_err().contains("\"512MiB\""));
        assert!(size("512mib").unwrap_err().contains("\"512MiB\""));
    }

    #[test]
    fn shares() {
        assert_eq!(share("70%"), Ok(0.7));
        for bad in ["70", "101%", "-1%", "NaN%", "inf%", "%", "1e1%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses() {
        for good in ["127.0.0.1:80", "[::1]:0", "localhost:8080"] {
            assert!(address(good).is_ok(), "{good}");
        }
        let cases = [
            ("8080", "\"127.0.0.1:8080\""),
            (":8080", "\"0.0.0.0:8080\""),
            ("127.0.0.1", "port is missing"),
            ("http://127.0.0.1:80/x", "write \"127.0.0.1:80\""),
            ("::1", "write \"[::1]:8080\""),
            ("1:2:3:4:5:6:7:8:8080", "write \"[1:2:3:4:5:6:7:8]:8080\""),
            ("[::1]", "port is missing"),
            ("127.0.0.1:99999", "0 to 65535"),
            ("example.com:80", "not looked up"),
            ("", "IP address and a port"),
            ("://", "IP address and a port"),
        ];
        for (bad, want) in cases {
            let told = address(bad).unwrap_err();
            assert!(told.contains(want), "{bad}: {told}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for millis in [0, 1, 999, 1_000, 61_000, 3_600_000, 86_400_000] {
            let want = Duration::from_millis(millis);
            assert_eq!(duration(&show_duration(want)), Ok(want));
        }
        for bytes in [0, 1, 1023, 1024, 1 << 20, 3 << 30, u64::MAX] {
            assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }
    }
}
