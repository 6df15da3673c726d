//! `[limits]` and `[proxy]`: what clients may do, and what proxies tell each other.

use std::time::Duration;

use gateway::{Cidr, EdgeLimits, EdgePolicy, Forwarding, RoutePolicy, TrustedProxies};

use super::LogConfig;
use super::diagnostic::Found;
use super::document::with_section;
use super::keys;
use super::reader::Reader;

/// Longest name in `Via`.
const VIA_BYTES_MAX: usize = 64;

/// `[limits]`.
pub(super) struct Limits {
    edge: EdgeLimits,
    pub(super) body_bytes_max: u64,
    retry_after: Duration,
}

/// Reads `[limits]`.
pub(super) fn read_limits(file: &Reader<'_>, found: &mut Found) -> Option<Limits> {
    with_section(file, "limits", &keys::LIMITS, found, |reader, found| {
        let head_bytes_max = reader.size("header-bytes", found);
        let field_count_max = reader.integer("header-count", found);
        let target_bytes_max = reader.size("uri-bytes", found);
        let trailer_bytes_max = reader.size("trailer-bytes", found);
        let body_bytes_max = reader.size("body-bytes", found);
        let connections_max = reader.integer("connections", found);
        let connections_per_client_max = reader.integer("connections-per-ip", found);
        let head_timeout = reader.duration("header-timeout", found);
        let keep_alive_timeout = reader.duration("idle-timeout", found);
        let body_rate_min = reader.size("body-rate-min", found);
        let body_rate_grace = reader.duration("body-rate-grace", found);
        let retry_after = reader.duration("retry-after", found);
        if let (Some(target), Some(head)) = (target_bytes_max, head_bytes_max)
            && target > head
        {
            let help = "a URI cannot be longer than the head that holds it";
            reader.wrong("uri-bytes", reader.place_of("uri-bytes"), help, found);
        }
        let edge = EdgeLimits {
            head_bytes_max: narrow(head_bytes_max)?,
            field_count_max: u16::try_from(field_count_max?).ok()?,
            target_bytes_max: narrow(target_bytes_max)?,
            trailer_bytes_max: narrow(trailer_bytes_max)?,
            connections_max: narrow(connections_max)?,
            connections_per_client_max: narrow(connections_per_client_max)?,
            head_timeout: head_timeout?,
            keep_alive_timeout: keep_alive_timeout?,
            body_rate_min: narrow(body_rate_min)?,
            body_rate_grace: body_rate_grace?,
        };
        Some(Limits { edge, body_bytes_max: body_bytes_max?, retry_after: retry_after? })
    })
}

/// Reads `[proxy]`.
pub(super) fn read_forwarding(file: &Reader<'_>, found: &mut Found) -> Option<Forwarding> {
    with_section(file, "proxy", &keys::PROXY, found, |reader, found| {
        let mut ranges = Vec::new();
        for (text, place) in reader.texts("trusted", found) {
            match Cidr::parse(&text) {
                Ok(range) => ranges.push(range),
                Err(problem) => reader.wrong("trusted", place, &problem.to_string(), found),
            }
        }
        let via = reader.text("via", found);
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if let Some(name) = &via
            && (name.is_empty() || name.len() > VIA_BYTES_MAX || !name.bytes().all(token))
        {
            let help = format!("write 1 to {VIA_BYTES_MAX} letters, digits, `-`, `.` and `_`");
            reader.wrong("via", reader.place_of("via"), &help, found);
        }
        Some(Forwarding {
            trusted: TrustedProxies::new(ranges),
            x_forwarded: reader.boolean("x-forwarded", found)?,
            forwarded: reader.boolean("forwarded", found)?,
            via,
        })
    })
}

/// Everything that concerns every route.
pub(super) fn policy(limits: Limits, forwarding: Forwarding, log: &LogConfig) -> EdgePolicy {
    let door = RoutePolicy { body_bytes_max: limits.body_bytes_max, ..RoutePolicy::default() };
    let sample = if log.access { log.access_sample } else { 0.0 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share from 0 to 1, so 0 to a million"
    )]
    let access_log_millionths = (sample * 1e6).round() as u32;
    EdgePolicy {
        door,
        forwarding,
        limits: limits.edge,
        access_log_millionths,
        retry_after_seconds: u32::try_from(limits.retry_after.as_secs()).unwrap_or(u32::MAX),
    }
}

/// A number that the key table bounds to less than 32 bits.
fn narrow(number: Option<u64>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}
