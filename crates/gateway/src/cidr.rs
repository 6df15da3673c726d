//! Address ranges, and the proxies that are trusted by them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses: `10.0.0.0/8`, `::1`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    bits: u8,
}

/// Why a text is not a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidCidr(String);

/// Proxies before us whose word about the client is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Cidr>);

impl Cidr {
    /// Reads an address or `address/bits`.
    ///
    /// # Errors
    /// When it is neither, or has bits beyond the prefix, which is always a slip.
    pub fn parse(text: &str) -> Result<Self, InvalidCidr> {
        let problem = |why: String| InvalidCidr(format!("{text:?} is not an address range: {why}"));
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = address
            .parse()
            .map_err(|_| problem("write an address, or address/bits as in 10.0.0.0/8".into()))?;
        let widest = if network.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => widest,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|&bits| bits <= widest)
                .ok_or_else(|| problem(format!("the bits go from 0 to {widest}")))?,
        };
        let range = Self { network, bits };
        let masked = range.masked(network);
        if masked != network {
            return Err(problem(format!("it has bits beyond the prefix; write {masked}/{bits}")));
        }
        Ok(range)
    }

    /// Whether `address` is in the range; an IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && self.masked(address) == self.network
    }

    fn masked(&self, address: IpAddr) -> IpAddr {
        let kept = u32::from(self.bits);
        match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - kept.min(32)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - kept.min(128)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        }
    }
}

impl TrustedProxies {
    /// Trusts these ranges.
    pub fn new(ranges: Vec<Cidr>) -> Self {
        Self(ranges)
    }

    /// Whether `address` is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.contains(address))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

impl fmt::Display for InvalidCidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidCidr {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_contain_what_their_prefix_says() {
        let holds = |range: &str, address: &str| {
            Cidr::parse(range).unwrap().contains(address.parse().unwrap())
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("127.0.0.1", "127.0.0.1"));
        assert!(holds("0.0.0.0/0", "8.8.8.8"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "fd00::1"));
        assert!(holds("fd00::/8", "fdff::1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"), "mapped addresses are IPv4");
    }

    #[test]
    fn slips_are_refused_with_the_correction() {
        for bad in ["", "ten", "10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0.0/-1"] {
            assert!(Cidr::parse(bad).is_err(), "{bad}");
        }
        let message = Cidr::parse("10.1.2.3/8").unwrap_err().to_string();
        assert!(message.contains("write 10.0.0.0/8"), "{message}");
    }
}
