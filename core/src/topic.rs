//! A topic's full name, the service URL, and the paths of the WebSocket API. They are built and parsed only here.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Whether the broker stores the messages of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Persistence {
    /// Stored until every subscription has acknowledged them.
    Persistent,
    /// Delivered to connected consumers, and not stored.
    NonPersistent,
}

impl Persistence {
    /// Returns the word in topic names and paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Persistence::Persistent => "persistent",
            Persistence::NonPersistent => "non-persistent",
        }
    }
}

/// The full name of a topic, `persistent://tenant/namespace/topic`.
///
/// ```
/// let topic: stargate_core::TopicName = "orders".parse()?;
/// assert_eq!(topic.to_string(), "persistent://public/default/orders");
/// # Ok::<(), stargate_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName {
    persistence: Persistence,
    tenant: String,
    namespace: String,
    topic: String,
}

impl TopicName {
    /// Creates the name of a topic from its parts.
    ///
    /// Fails if the tenant or the namespace has characters other than letters, digits and `_ - = : .`. Also fails if
    /// the topic is empty or contains a `/`, because Pulsar's admin API can neither list nor delete such a topic.
    pub fn new(persistence: Persistence, tenant: &str, namespace: &str, topic: &str) -> Result<TopicName> {
        for (part, name) in [("tenant", tenant), ("namespace", namespace)] {
            let legal = |c: char| c.is_ascii_alphanumeric() || "_-=:.".contains(c);
            if name.is_empty() || !name.chars().all(legal) {
                return Err(Error::invalid(format!(
                    "{part} {name:?}: expected one or more letters, digits or any of _ - = : ."
                )));
            }
        }
        if topic.is_empty() || topic.contains('/') {
            return Err(Error::invalid(format!("topic {topic:?}: expected a name that is not empty and has no /")));
        }
        Ok(TopicName {
            persistence,
            tenant: tenant.to_owned(),
            namespace: namespace.to_owned(),
            topic: topic.to_owned(),
        })
    }

    /// Returns whether the broker stores its messages.
    pub fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// Returns the tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Returns the namespace, without its tenant.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the last part of the name.
    pub fn local_name(&self) -> &str {
        &self.topic
    }

    /// Returns the topic of one partition, `{topic}-partition-{index}`.
    pub fn partition(&self, index: u32) -> TopicName {
        TopicName { topic: format!("{}-partition-{index}", self.topic), ..self.clone() }
    }

    /// Returns the topics of this many partitions; for 0, the topic itself.
    pub(crate) fn parts(&self, partitions: u32) -> Vec<TopicName> {
        match partitions {
            0 => vec![self.clone()],
            count => (0..count).map(|index| self.partition(index)).collect(),
        }
    }

    /// Returns the index of the partition that it names; `None` for any other topic.
    pub(crate) fn partition_index(&self) -> Option<u32> {
        let (_, index) = self.topic.rsplit_once("-partition-")?;
        index.parse().ok()
    }

    /// Returns the name as segments of a path, each percent-encoded: `persistent/tenant/namespace/topic`, for
    /// [`Admin::request`](crate::admin::Admin::request).
    pub fn path(&self) -> String {
        format!(
            "{}/{}/{}/{}",
            self.persistence.as_str(),
            percent_encode(&self.tenant),
            percent_encode(&self.namespace),
            percent_encode(&self.topic)
        )
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}/{}", self.persistence.as_str(), self.tenant, self.namespace, self.topic)
    }
}

/// Accepts `topic`, `tenant/namespace/topic` and `persistent://tenant/namespace/topic` (or `non-persistent://`).
impl FromStr for TopicName {
    type Err = Error;

    fn from_str(text: &str) -> Result<TopicName> {
        TopicName::parse(text).map_err(|error| error.on_topic(text))
    }
}

impl TopicName {
    fn parse(text: &str) -> Result<TopicName> {
        let (persistence, rest) = match text.split_once("://") {
            None => (Persistence::Persistent, text),
            Some(("persistent", rest)) => (Persistence::Persistent, rest),
            Some(("non-persistent", rest)) => (Persistence::NonPersistent, rest),
            Some((other, _)) => {
                return Err(Error::invalid(format!(
                    "topic {text:?}: expected persistent:// or non-persistent:// instead of {other}://"
                )));
            }
        };
        let parts: Vec<&str> = rest.split('/').collect();
        match parts[..] {
            [topic] if !text.contains("://") => TopicName::new(persistence, "public", "default", topic),
            [tenant, namespace, topic] => TopicName::new(persistence, tenant, namespace, topic),
            _ => Err(Error::invalid(format!(
                "topic {text:?}: expected topic, tenant/namespace/topic or persistent://tenant/namespace/topic"
            ))),
        }
    }
}

impl TryFrom<&str> for TopicName {
    type Error = Error;

    fn try_from(text: &str) -> Result<TopicName> {
        text.parse()
    }
}

/// The HTTP addresses of brokers or WebSocket proxies: `ws://host:port`, with several hosts separated by commas. A
/// gateway's URL may have a path before that of the API: `wss://gateway/pulsar`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUrl {
    tls: bool,
    hosts: Vec<Host>,
    /// Empty, or a path that begins but does not end with `/`.
    prefix: String,
}

/// One host of a service URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// A name or an address, for IPv6 without brackets.
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

impl Host {
    /// Returns the name that is valid outside this machine: an IPv6 address without its zone.
    pub(crate) fn name_without_zone(&self) -> &str {
        match self.name.split_once('%') {
            Some((address, _)) if address.contains(':') => address,
            _ => &self.name,
        }
    }

    /// Returns the value of the `Host` header, without the scheme's default port.
    pub(crate) fn authority(&self, tls: bool) -> String {
        match (tls, self.port) {
            (true, 443) | (false, 80) => self.bracketed(),
            _ => self.with_port(),
        }
    }

    /// Returns name and port, in the form of a CONNECT target.
    pub(crate) fn with_port(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    fn bracketed(&self) -> String {
        let name = self.name_without_zone();
        if name.contains(':') { format!("[{name}]") } else { name.to_owned() }
    }
}

impl ServiceUrl {
    /// Returns whether connections are encrypted (`wss`).
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Returns the path prefix of Pulsar's APIs.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "wss://" } else { "ws://" })?;
        for (index, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if index > 0 { "," } else { "" })?;
        }
        f.write_str(&self.prefix)
    }
}

/// Accepts `ws`, `wss`, `http` and `https`. The port defaults to Pulsar's 8080, with TLS 8443. Each host may repeat the
/// scheme and the path.
impl FromStr for ServiceUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<ServiceUrl> {
        let expected = "expected ws://host:port or wss://host:port, further hosts after commas";
        if text.contains('@') {
            return Err(Error::invalid("service URL: credentials do not belong in a URL; use auth_token"));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        // A path or query may contain a token, so the error quotes only the first hosts.
        let hosts = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let shown = format!("{scheme}{}{hosts}", if scheme.is_empty() { "" } else { "://" });
        let bad = |why: String| Error::invalid(format!("service URL {shown:?}: {why}; {expected}"));
        if scheme.is_empty() {
            return Err(bad("it has no scheme with ://".into()));
        }
        let tls = is_tls(scheme).map_err(&bad)?;
        let default_port = if tls { 8443 } else { 8080 };
        let (mut hosts, mut prefix) = (Vec::new(), None);
        for part in rest.split(',').map(str::trim) {
            let part = match part.split_once("://") {
                Some((other, part)) if is_tls(other).map_err(&bad)? == tls => part,
                Some(_) => return Err(bad("its hosts have different schemes".into())),
                None => part,
            };
            let (host, path) = part.find('/').map_or((part, ""), |begin| part.split_at(begin));
            hosts.push(parse_host(host, default_port).map_err(|why| bad(format!("{:?} {why}", shown_host(host))))?);
            let path = path.trim_end_matches('/');
            check_prefix(path).map_err(&bad)?;
            if !path.is_empty() && *prefix.get_or_insert(path) != path {
                return Err(bad("its hosts have different paths".into()));
            }
        }
        Ok(ServiceUrl { tls, hosts, prefix: prefix.unwrap_or_default().to_owned() })
    }
}

fn is_tls(scheme: &str) -> std::result::Result<bool, String> {
    match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => Ok(false),
        "wss" | "https" => Ok(true),
        "pulsar" | "pulsar+ssl" => Err(format!(
            "{scheme}:// is the binary protocol, and this library speaks the WebSocket API of the HTTP port"
        )),
        other => Err(format!("{other}:// is not known")),
    }
}

fn check_prefix(path: &str) -> std::result::Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+;=:/".contains(c);
    if path.contains(['?', '#']) {
        return Err("it has a query or a fragment".into());
    }
    if !path.chars().all(legal) || path.split('/').any(|segment| segment == ".." || segment == ".") {
        return Err("its path has a character that belongs percent-encoded, or the segment . or ..".into());
    }
    for api in ["/ws", "/admin"] {
        let found = path.split_once(api).map(|(_, rest)| rest);
        if found.is_some_and(|rest| rest.is_empty() || rest.starts_with("/v2") || rest.starts_with("/v3")) {
            return Err(format!("its path holds that of Pulsar's API: give the address before {api}"));
        }
    }
    Ok(())
}

/// Returns the host without a query, which may contain a token.
fn shown_host(host: &str) -> &str {
    host.split(['?', '#']).next().unwrap_or_default()
}

/// Parses a host of a URL, `name[:port]`, with IPv6 addresses in brackets. An error says what is wrong with it.
pub(crate) fn parse_host(text: &str, default_port: u16) -> std::result::Result<Host, String> {
    let not_a_host = || "is not a host".to_owned();
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']').ok_or_else(not_a_host)?;
            let port = port.strip_prefix(':').or(port.is_empty().then_some("")).ok_or_else(not_a_host)?;
            (ipv6(name).ok_or_else(not_a_host)?, port)
        }
        None => {
            let (name, port) = text.split_once(':').unwrap_or((text, ""));
            (name.to_owned(), port)
        }
    };
    if !name.is_ascii() {
        return Err("is not in ASCII: give an international name in its form xn--...".to_owned());
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    if name.is_empty() || !name.chars().all(legal) || (name.contains('%') && !text.starts_with('[')) {
        return Err(not_a_host());
    }
    let port = match port {
        "" => default_port,
        port => port.parse().ok().filter(|port| *port > 0).ok_or_else(not_a_host)?,
    };
    Ok(Host { name, port })
}

/// Returns the address, with its zone after `%` (in a URL also `%25`) if it has one.
fn ipv6(text: &str) -> Option<String> {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    address.parse::<std::net::Ipv6Addr>().ok()?;
    let Some(zone) = zone else { return Some(address.to_owned()) };
    let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (!zone.is_empty() && zone.chars().all(legal)).then(|| format!("{address}%{zone}"))
}

/// Percent-encodes everything except unreserved characters: the server decodes a plain `+` as a space.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Decodes a part of a query, in which `+` is a space.
fn form_decode(text: &str) -> Option<String> {
    percent_decode(&text.replace('+', " "))
}

/// Decodes percent escapes. Returns `None` for an invalid escape, and for invalid UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
                // from_str_radix would accept a sign, "%+1"
                let digits = hex.bytes().all(|digit| digit.is_ascii_hexdigit());
                bytes.push(u8::from_str_radix(hex, 16).ok().filter(|_| digits)?);
                rest = &rest[2..];
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// An endpoint of the WebSocket API, as a path without query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Producer(TopicName),
    Consumer {
        topic: TopicName,
        subscription: String,
    },
    /// `/ws/v3/consumer`, with the topics or the pattern as query parameters.
    MultiTopicConsumer {
        subscription: String,
    },
    Reader(TopicName),
}

impl Endpoint {
    pub(crate) fn path(&self) -> String {
        match self {
            Endpoint::Producer(topic) => format!("/ws/v2/producer/{}", topic.path()),
            Endpoint::Consumer { topic, subscription } => {
                format!("/ws/v2/consumer/{}/{}", topic.path(), percent_encode(subscription))
            }
            Endpoint::MultiTopicConsumer { subscription } => {
                format!("/ws/v3/consumer/{}", percent_encode(subscription))
            }
            Endpoint::Reader(topic) => format!("/ws/v2/reader/{}", topic.path()),
        }
    }
}

/// The parts of a producer's URL,
/// `ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic[?parameter=value...]`. A gateway's path may precede
/// `/ws`.
pub(crate) struct ProducerUrl {
    pub(crate) service: ServiceUrl,
    pub(crate) topic: TopicName,
    pub(crate) parameters: Vec<(String, String)>,
}

impl FromStr for ProducerUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<ProducerUrl> {
        let shape = "ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic";
        // The URL may contain a token, so the error does not quote it.
        let bad = |why: &str| Error::invalid(format!("producer URL: {why}; expected {shape}"));
        if text.contains('#') {
            return Err(bad("it has a '#', which begins a fragment; in a name or a value it is written %23"));
        }
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let (scheme, rest) = address.split_once("://").ok_or_else(|| bad("it has no scheme"))?;
        let (service, path) =
            rest.split_once("/ws/v2/producer/").ok_or_else(|| bad("its path has no /ws/v2/producer/"))?;
        let service = format!("{scheme}://{service}").parse()?;
        let segments: Option<Vec<String>> = path.split('/').map(percent_decode).collect();
        let segments = segments.ok_or_else(|| bad("its path has a bad percent escape"))?;
        let [persistence, tenant, namespace, topic] = &segments[..] else {
            return Err(bad("its path has not the four parts of a topic after /ws/v2/producer/"));
        };
        let topic = format!("{persistence}://{tenant}/{namespace}/{topic}").parse()?;
        let parameters: Option<Vec<(String, String)>> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((form_decode(name)?, form_decode(value)?))
            })
            .collect();
        let parameters = parameters.ok_or_else(|| bad("its query has a bad percent escape"))?;
        Ok(ProducerUrl { service, topic, parameters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> TopicName {
        text.parse().unwrap()
    }

    #[test]
    fn short_and_full_names_are_one_topic() {
        assert_eq!(topic("t"), topic("persistent://public/default/t"));
        assert_eq!(topic("a/b/t"), topic("persistent://a/b/t"));
        assert_ne!(topic("a/b/t"), topic("non-persistent://a/b/t"));
    }

    #[test]
    fn names_that_the_server_cannot_serve_are_refused_with_the_part_that_is_wrong() {
        for (name, part) in [
            ("", "topic"),
            ("persistent://a/b", "expected"),
            ("persistent://a/b/c/d", "expected"),
            ("persistent://t", "expected"),
            ("http://a/b/c", "http://"),
            ("a b/ns/t", "tenant"),
            ("a/n%s/t", "namespace"),
        ] {
            let error = name.parse::<TopicName>().unwrap_err();
            assert!(error.to_string().contains(part), "{name}: {error}");
        }
    }

    #[test]
    fn segments_are_percent_encoded() {
        let endpoint = Endpoint::Consumer { topic: topic("public/default/a+b ü"), subscription: "s/1?".into() };
        assert_eq!(endpoint.path(), "/ws/v2/consumer/persistent/public/default/a%2Bb%20%C3%BC/s%2F1%3F");
    }

    #[test]
    fn service_urls_with_defaults_lists_and_ipv6() {
        let url: ServiceUrl = "wss://a,b:1,[::1]:2/".parse().unwrap();
        assert_eq!(url.to_string(), "wss://a:8443,b:1,[::1]:2");
        assert_eq!("http://h".parse::<ServiceUrl>().unwrap().to_string(), "ws://h:8080");
    }

    #[test]
    fn service_urls_with_prefixes_repeated_schemes_capitals_and_zones() {
        for (text, meant) in [
            ("wss://gateway/pulsar/", "wss://gateway:8443/pulsar"),
            ("wss://a,b:9443/eu/pulsar", "wss://a:8443,b:9443/eu/pulsar"),
            ("ws://a:1/p,ws://b:2/p", "ws://a:1,b:2/p"),
            ("ws://a:1,ws://b:2", "ws://a:1,b:2"),
            ("WSS://A,https://B", "wss://A:8443,B:8443"),
            ("ws://h/wsx/adminx/%20", "ws://h:8080/wsx/adminx/%20"),
            ("ws://[fe80::1%eth0]:1", "ws://[fe80::1%eth0]:1"),
            ("ws://[fe80::1%25eth0]:1", "ws://[fe80::1%eth0]:1"),
        ] {
            let url: ServiceUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), meant);
            assert_eq!(url.to_string().parse::<ServiceUrl>().unwrap(), url);
        }
    }

    #[test]
    fn the_host_header_has_neither_the_schemes_own_port_nor_a_zone() {
        for (url, authority) in [
            ("ws://h:80", "h"),
            ("wss://h:443", "h"),
            ("ws://h:443", "h:443"),
            ("wss://h", "h:8443"),
            ("wss://[::1]:443", "[::1]"),
            ("ws://[fe80::1%eth0]:1", "[fe80::1]:1"),
        ] {
            let url: ServiceUrl = url.parse().unwrap();
            assert_eq!(url.hosts()[0].authority(url.is_tls()), authority);
        }
    }

    #[test]
    fn bad_service_urls_are_errors() {
        for url in
            ["", "h:1", "ftp://h", "ws://", "ws://h:0", "ws://h:x", "ws://h,,g", "ws://[::1", "ws://a b", "ws://a%eth0"]
        {
            assert!(url.parse::<ServiceUrl>().is_err(), "{url}");
        }
        for (url, why) in [
            ("ws://h/p?x=1", "a query or a fragment"),
            ("ws://h/p#x", "a query or a fragment"),
            ("ws://h?x=1", "is not a host"),
            ("ws://h/a/../b", "the segment"),
            ("ws://h/a b", "percent-encoded"),
            ("wss://h/pulsar/ws/v2/", "give the address before /ws"),
            ("wss://h/pulsar/ws", "give the address before /ws"),
            ("https://h/admin/v2", "give the address before /admin"),
            ("ws://a,wss://b", "different schemes"),
            ("ws://a/x,ws://b/y", "different paths"),
            ("ws://b\u{fc}cher.example", "xn--"),
            ("ws://[::1%]", "is not a host"),
        ] {
            let error = url.parse::<ServiceUrl>().unwrap_err();
            assert!(error.to_string().contains(why), "{url}: {error}");
        }
        let error = "pulsar://h:6650".parse::<ServiceUrl>().unwrap_err();
        assert!(error.to_string().contains("binary protocol"), "{error}");
        for url in
            ["ws://user:secret@h", "pulsar://u:secret@h", "ws://u:secret@h/x", "ws://h/?token=secret", "h?secret"]
        {
            let error = url.parse::<ServiceUrl>().unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn producer_urls_give_their_parts() {
        let url: ProducerUrl =
            "ws://h:1/ws/v2/producer/persistent/a/b/t%2B1?sendTimeoutMillis=5&token=x%20y".parse().unwrap();
        assert_eq!(url.service.to_string(), "ws://h:1");
        assert_eq!(url.topic.to_string(), "persistent://a/b/t+1");
        assert_eq!(
            url.parameters,
            [("sendTimeoutMillis".to_owned(), "5".to_owned()), ("token".to_owned(), "x y".to_owned())]
        );
    }

    #[test]
    fn producer_urls_may_lead_through_a_gateway() {
        let url: ProducerUrl = "wss://g/eu/pulsar/ws/v2/producer/persistent/a/b/t".parse().unwrap();
        assert_eq!(
            (url.service.to_string(), url.topic.to_string()),
            ("wss://g:8443/eu/pulsar".into(), "persistent://a/b/t".into())
        );
    }

    #[test]
    fn bad_producer_urls_are_errors_that_do_not_repeat_a_token() {
        for url in [
            "ws://h:1?token=secret",
            "ws://h:1/ws/v2/consumer/persistent/a/b/t?token=secret",
            "ws://h:1/ws/v2/producer/persistent/a/b/t/more?token=secret",
            "ws://h:1/ws/v2/producer/persistent/a/b/t%zz?token=secret",
            "ws://h:1/ws/v2/producer/durable/a/b/t?token=secret",
            "ws://h:1/ws/v2/producer/persistent/a/b/t#secret",
            "ws://h:1/ws/v2/producer/persistent/a/b/t?token=secret#1",
        ] {
            let error = url.parse::<ProducerUrl>().err().expect(url);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
