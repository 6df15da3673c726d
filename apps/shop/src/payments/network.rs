//! The pretend card network: which card does what, and how the network feels today.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// The test cards, as the checkout page lists them.
const CARDS: &[(&str, Verdict, Duration)] = &[
    ("4242424242424242", Verdict::Paid, Duration::from_millis(15)),
    ("4000000000000002", Verdict::Declined, Duration::from_millis(15)),
    ("4000000000000044", Verdict::Paid, Duration::from_secs(2)),
    // Longer than we wait: the order stays open and is settled later.
    ("4000000000000077", Verdict::Paid, Duration::from_secs(8)),
];
const SLOW: Duration = Duration::from_millis(1500);
const DOWN: Duration = Duration::from_secs(15);
const DIGITS_MIN: usize = 12;
const DIGITS_MAX: usize = 19;

/// What the network says to a charge in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Paid,
    Declined,
    Void,
}

/// How the whole network behaves, whatever the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mood {
    Normal,
    Slow,
    Declining,
    /// Answers come long after everybody stopped waiting.
    Down,
}

/// The digits of a card. They are judged and forgotten; only the last four are stored.
pub(super) struct Card(String);

impl Card {
    pub(super) fn parse(text: &str) -> Result<Card, Problem> {
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let good = digits.bytes().all(|byte| byte.is_ascii_digit());
        if good && (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) {
            return Ok(Card(digits));
        }
        Err(Problem::invalid(format!("`card` has {DIGITS_MIN} to {DIGITS_MAX} digits")))
    }

    pub(super) fn end(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(4)..).unwrap_or_default()
    }
}

impl Verdict {
    pub(super) fn name(self) -> &'static str {
        match self {
            Verdict::Paid => "paid",
            Verdict::Declined => "declined",
            Verdict::Void => "void",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Verdict> {
        [Verdict::Paid, Verdict::Declined, Verdict::Void].into_iter().find(|v| v.name() == name)
    }
}

impl Mood {
    pub(super) fn name(self) -> &'static str {
        match self {
            Mood::Normal => "normal",
            Mood::Slow => "slow",
            Mood::Declining => "declining",
            Mood::Down => "down",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Mood> {
        let all = [Mood::Normal, Mood::Slow, Mood::Declining, Mood::Down];
        all.into_iter().find(|mood| mood.name() == name)
    }
}

/// What the network will say to this card, and how long it takes. Unknown cards are declined.
pub(super) fn judge(card: &Card, mood: Mood) -> (Verdict, Duration) {
    let known = CARDS.iter().find(|(number, _, _)| *number == card.0);
    let (verdict, delay) =
        known.map_or((Verdict::Declined, Duration::ZERO), |(_, verdict, delay)| (*verdict, *delay));
    match mood {
        Mood::Normal => (verdict, delay),
        Mood::Slow => (verdict, delay + SLOW),
        Mood::Declining => (Verdict::Declined, delay),
        Mood::Down => (verdict, delay + DOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards() {
        assert_eq!(Card::parse("4242 4242-4242 4242").unwrap().end(), "4242");
        assert!(Card::parse(&"1".repeat(DIGITS_MIN)).is_ok());
        assert!(Card::parse(&"1".repeat(DIGITS_MIN - 1)).is_err());
        assert!(Card::parse(&"1".repeat(DIGITS_MAX)).is_ok());
        assert!(Card::parse(&"1".repeat(DIGITS_MAX + 1)).is_err());
        assert!(Card::parse("424242424242424x").is_err());
    }

    #[test]
    fn verdicts() {
        let card = |digits: &str| Card::parse(digits).unwrap();
        let normal = judge(&card("4242424242424242"), Mood::Normal);
        assert_eq!(normal.0, Verdict::Paid);
        assert_eq!(judge(&card("4000000000000002"), Mood::Normal).0, Verdict::Declined);
        assert_eq!(judge(&card("5555555555554444"), Mood::Normal).0, Verdict::Declined);
        assert_eq!(judge(&card("4242424242424242"), Mood::Declining).0, Verdict::Declined);
        let slow = judge(&card("4242424242424242"), Mood::Slow);
        assert_eq!(slow, (Verdict::Paid, normal.1 + SLOW));
        let late = judge(&card("4000000000000077"), Mood::Normal);
        assert!(late.1 > super::super::NETWORK_TIMEOUT);
    }
}
