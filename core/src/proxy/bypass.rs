//! NO_PROXY: the hosts that bypass the proxy.

use std::net::IpAddr;

use crate::error::{Error, Result};
use crate::topic::Host;

/// The hosts that bypass the proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bypass {
    rules: Vec<Rule>,
    /// Entries that were left out because they are not valid here.
    pub(super) ignored: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    target: Target,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Everything,
    /// A name and its subdomains, in lower case.
    Domain(String),
    /// The addresses that match this one in this many leading bits.
    Network(IpAddr, u8),
}

impl Bypass {
    /// Parses a list. The error names the first invalid entry.
    pub(super) fn parse(text: &str) -> Result<Bypass> {
        let bypass = Bypass::lenient(text);
        match bypass.ignored.first() {
            None => Ok(bypass),
            Some(entry) => Err(Error::invalid(format!(
                "option no_proxy: {entry:?} is no entry of such a list; expected *, a domain such as example.org, an address, \
                 or a network such as 10.0.0.0/8, each with :port if it is for that port only"
            ))
            .see_option("no_proxy")),
        }
    }

    /// Parses a list and skips invalid entries, because programs differ in the entries they support.
    pub(super) fn lenient(text: &str) -> Bypass {
        let mut bypass = Bypass::default();
        for entry in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty()) {
            match Rule::parse(entry) {
                Some(rule) => bypass.rules.push(rule),
                None => bypass.ignored.push(entry.to_owned()),
            }
        }
        bypass
    }

    pub(super) fn matches(&self, host: &Host) -> bool {
        let name = host.name.trim_end_matches('.').to_lowercase();
        let address = name.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let hit = |rule: &Rule| {
            let there = match &rule.target {
                Target::Everything => true,
                Target::Domain(domain) => is_within(&name, domain),
                Target::Network(network, bits) => address.is_some_and(|address| agree(address, *network, *bits)),
            };
            there && rule.port.is_none_or(|port| port == host.port)
        };
        self.rules.iter().any(hit)
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Rule> {
        if entry == "*" {
            return Some(Rule { target: Target::Everything, port: None });
        }
        // An IPv6 address without brackets is full of colons, so this comes before the port.
        if let Some(target) = network(entry) {
            return Some(Rule { target, port: None });
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok().filter(|port| *port > 0)?)),
            None => (entry, None),
        };
        let target = network(name).or_else(|| domain(name))?;
        Some(Rule { target, port })
    }
}

/// Parses an address or a network, IPv6 with or without brackets.
fn network(text: &str) -> Option<Target> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address: IpAddr = bare.unwrap_or(address).parse().ok()?;
    if bare.is_some() && address.is_ipv4() {
        return None;
    }
    let length = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(length);
    if bits > length {
        return None;
    }
    // Hosts are compared in canonical form, so `::ffff:10.0.0.0/104` is 10.0.0.0/8.
    Some(match address.to_canonical() {
        IpAddr::V4(address) if length == 128 && bits >= 96 => Target::Network(address.into(), bits - 96),
        IpAddr::V4(_) if length == 128 => Target::Network(address, bits),
        canonical => Target::Network(canonical, bits),
    })
}

fn domain(text: &str) -> Option<Target> {
    let name = text.strip_prefix('*').map_or(Some(text), |rest| rest.starts_with('.').then_some(rest))?;
    let name = name.strip_prefix('.').unwrap_or(name).trim_end_matches('.').to_lowercase();
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c) || !c.is_ascii();
    // A numeric last part belongs to an address, and this is not a valid one: `10.0.0`, `999.1.1.1`.
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    (!name.is_empty() && !numeric && name.chars().all(legal)).then_some(Target::Domain(name))
}

fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

fn agree(left: IpAddr, right: IpAddr, bits: u8) -> bool {
    let same = |difference: u128, length: u8| bits == 0 || difference >> (length - bits) == 0;
    match (left, right) {
        (IpAddr::V4(left), IpAddr::V4(right)) => same((left.to_bits() ^ right.to_bits()).into(), 32),
        (IpAddr::V6(left), IpAddr::V6(right)) => same(left.to_bits() ^ right.to_bits(), 128),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn host(name: &str, port: u16) -> Host {
        Host { name: name.to_owned(), port }
    }

    #[test]
    fn a_list_names_domains_addresses_networks_and_ports() {
        for (list, name, expected) in [
            ("", "a", false),
            ("*", "a", true),
            ("example.org", "example.org", true),
            ("example.org", "EXAMPLE.org.", true),
            ("example.org", "a.example.org", true),
            ("example.org", "myexample.org", false),
            ("example.org", "example.org.evil", false),
            (".example.org", "example.org", true),
            (".example.org", "a.b.example.org", true),
            ("*.Example.org.", "example.org", true),
            ("*.example.org", "a.example.org", true),
            ("broker", "broker", true),
            ("broker", "other", false),
            ("a, b\tc\n,,d", "d", true),
            ("a.example b.example", "b.example", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("10.0.0.0/8", "10.255.1.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("0.0.0.0/0", "9.9.9.9", true),
            ("0.0.0.0/0", "::1", false),
            ("0.0.0.0/0", "a", false),
            ("fe80::/10", "fe80::1", true),
            ("[fe80::]/10", "fec0::1", false),
            ("::1", "::1", true),
            ("[::1]", "0:0:0:0:0:0:0:1", true),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("::ffff:10.0.0.0/104", "10.0.0.1", true),
            ("broker:8080", "broker", true),
            ("broker:8081", "broker", false),
            ("[::1]:8080", "::1", true),
            ("[::1]:8081", "::1", false),
            ("10.0.0.0/8:8081", "10.0.0.1", false),
            (".example.org:8080", "a.example.org", true),
        ] {
            assert_eq!(Bypass::parse(list).unwrap().matches(&host(name, 8080)), expected, "{list:?} and {name}");
        }
    }

    #[test]
    fn entries_that_mean_nothing_are_errors_in_the_option_and_left_out_in_the_environment() {
        for entry in [
            "http://a",
            "a/b",
            "a*b",
            "*.",
            ".",
            "10.0.0.0/33",
            "::/129",
            "10.*",
            "a:0",
            "a:x",
            "u@h",
            "[10.0.0.1]",
            "999.1.1.1",
        ] {
            let error = Bypass::parse(&format!("ok,{entry}")).unwrap_err().to_string();
            assert!(error.contains(&format!("{entry:?}")), "{error}");
            let lenient = Bypass::lenient(&format!("{entry} broker"));
            assert!(lenient.matches(&host("broker", 1)) && lenient.ignored == [entry]);
        }
    }

    proptest! {
        #[test]
        fn a_network_holds_the_addresses_that_share_its_first_bits(left: u32, right: u32, bits in 0..=32_u8) {
            let list = format!("{}/{bits}", Ipv4Addr::from_bits(left));
            let inside = (left ^ right).leading_zeros() >= u32::from(bits);
            let target = host(&Ipv4Addr::from_bits(right).to_string(), 1);
            prop_assert_eq!(Bypass::parse(&list).unwrap().matches(&target), inside);
        }

        #[test]
        fn the_same_in_ipv6(left: u128, shared in 0..=128_u32, right: u128, bits in 0..=128_u8) {
            let mask = if shared == 0 { 0 } else { u128::MAX << (128 - shared) };
            let right = (left & mask) | (right & !mask);
            let (left, right) = (left | 1 << 127, right | 1 << 127); // no IPv4 address in disguise
            let list = format!("[{}]/{bits}", Ipv6Addr::from_bits(left));
            let inside = (left ^ right).leading_zeros() >= u32::from(bits);
            prop_assert_eq!(Bypass::parse(&list).unwrap().matches(&host(&Ipv6Addr::from_bits(right).to_string(), 1)), inside);
        }

        #[test]
        fn a_domain_holds_itself_and_what_is_below_in_any_form(name in "[a-z][a-z0-9-]{0,8}(\\.[a-z][a-z0-9]{0,8}){0,3}", below in "[a-z]{1,5}") {
            for form in [name.clone(), format!(".{name}"), format!("*.{name}"), format!("{}.", name.to_uppercase())] {
                let bypass = Bypass::parse(&form).unwrap();
                let lower = format!("{below}.{name}");
                prop_assert!(bypass.matches(&host(&name, 1)) && bypass.matches(&host(&lower, 1)));
                let beside = format!("{below}{name}");
                prop_assert!(!bypass.matches(&host(&beside, 1)));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*", name in "[a-z.:0-9]{1,20}") {
            let lenient = Bypass::lenient(&text);
            lenient.matches(&host(&name, 1));
            prop_assert_eq!(Bypass::parse(&text).is_ok(), lenient.ignored.is_empty());
        }
    }
}
