//! A topic's full name, the service URL, and the paths of the WebSocket API: the only place where they are built or parsed.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Whether the broker stores the messages of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Persistence {
    /// Stored until every subscription has acknowledged them.
    Persistent,
    /// Handed to whoever is connected, and forgotten.
    NonPersistent,
}

impl Persistence {
    /// The word in topic names and paths.
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
    /// A topic from its parts.
    ///
    /// Fails when the tenant or the namespace has characters other than letters, digits and `_ - = : .`, or when the
    /// topic is empty or holds a `/` (Pulsar's admin API can neither list nor delete such a topic).
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

    /// Whether the broker stores its messages.
    pub fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The namespace, without its tenant.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The last part of the name.
    pub fn local_name(&self) -> &str {
        &self.topic
    }

    /// The topic of one partition, `{topic}-partition-{index}`.
    pub fn partition(&self, index: u32) -> TopicName {
        TopicName { topic: format!("{}-partition-{index}", self.topic), ..self.clone() }
    }

    /// The topics of so many partitions; of none, the topic itself.
    pub(crate) fn parts(&self, partitions: u32) -> Vec<TopicName> {
        match partitions {
            0 => vec![self.clone()],
            count => (0..count).map(|index| self.partition(index)).collect(),
        }
    }

    /// Which partition it is, by its name; `None` for a topic that is none.
    pub(crate) fn partition_index(&self) -> Option<u32> {
        let (_, index) = self.topic.rsplit_once("-partition-")?;
        index.parse().ok()
    }

    /// The name as path segments, each percent-encoded.
    pub(crate) fn path(&self) -> String {
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

/// Where the HTTP port of brokers or WebSocket proxies is: `ws://host:port`, several hosts separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUrl {
    tls: bool,
    hosts: Vec<Host>,
}

/// One host of a service URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// A name or an address, IPv6 without its brackets.
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
    /// The name as others than this machine know it: an IPv6 address without its zone.
    pub(crate) fn name_without_zone(&self) -> &str {
        match self.name.split_once('%') {
            Some((address, _)) if address.contains(':') => address,
            _ => &self.name,
        }
    }

    /// The value of the `Host` header, in which the scheme's own port is left out.
    pub(crate) fn authority(&self, tls: bool) -> String {
        let name = self.name_without_zone();
        let name = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
        match (tls, self.port) {
            (true, 443) | (false, 80) => name,
            (_, port) => format!("{name}:{port}"),
        }
    }
}

impl ServiceUrl {
    /// Whether connections are encrypted (`wss`).
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }
}

impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "wss://" } else { "ws://" })?;
        for (index, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// Accepts `ws`, `wss`, `http` and `https`; the port defaults to Pulsar's 8080, with TLS 8443.
impl FromStr for ServiceUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<ServiceUrl> {
        let expected = "expected ws://host:port or wss://host:port, further hosts after commas";
        if text.contains('@') {
            return Err(Error::invalid("service URL: credentials do not belong in a URL; use auth_token"));
        }
        // A path or query may hold a token, so no more is repeated than the hosts.
        let shown = match text.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", rest.split(['/', '?', '#']).next().unwrap_or_default()),
            None => text.split(['/', '?', '#']).next().unwrap_or_default().to_owned(),
        };
        let bad = |why: String| Error::invalid(format!("service URL {shown:?}: {why}; {expected}"));
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("it has no scheme with ://".into()))?;
        let tls = match scheme {
            "ws" | "http" => false,
            "wss" | "https" => true,
            "pulsar" | "pulsar+ssl" => {
                return Err(bad(format!(
                    "{scheme}:// is the binary protocol, and this library speaks the WebSocket API of the HTTP port"
                )));
            }
            other => return Err(bad(format!("{other}:// is not known"))),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(bad("it has a path or a query".into()));
        }
        let default_port = if tls { 8443 } else { 8080 };
        let hosts: Result<Vec<Host>> = authority
            .split(',')
            .map(|host| parse_host(host.trim(), default_port).ok_or_else(|| bad(format!("{host:?} is not a host"))))
            .collect();
        Ok(ServiceUrl { tls, hosts: hosts? })
    }
}

fn parse_host(text: &str, default_port: u16) -> Option<Host> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (name, port) = rest.split_once(']')?;
            name.parse::<std::net::Ipv6Addr>().ok()?;
            (name, port.strip_prefix(':').or(port.is_empty().then_some(""))?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c) || !c.is_ascii();
    if name.is_empty() || !name.chars().all(legal) {
        return None;
    }
    let port = if port.is_empty() { default_port } else { port.parse().ok().filter(|port| *port > 0)? };
    Some(Host { name: name.to_owned(), port })
}

/// Encodes everything but unreserved characters: the server takes an unencoded `+` for a space.
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

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
                // from_str_radix would take a sign, "%+1"
                let digits = hex.bytes().all(|digit| digit.is_ascii_hexdigit());
                bytes.push(u8::from_str_radix(hex, 16).ok().filter(|_| digits)?);
                rest = &rest[2..];
            }
            b'+' => bytes.push(b' '),
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
    /// `/ws/v3/consumer`: the topics, or the pattern, are query parameters.
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

/// The query string of `parameters`, `?` included; empty when there are none.
pub(crate) fn query_string<'a>(parameters: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut query = String::new();
    for (name, value) in parameters {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(name);
        query.push('=');
        query.push_str(&percent_encode(&value));
    }
    query
}

/// A producer's URL, `ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic[?parameter=value...]`, in its parts.
pub(crate) struct ProducerUrl {
    pub(crate) service: ServiceUrl,
    pub(crate) topic: TopicName,
    pub(crate) parameters: Vec<(String, String)>,
}

impl FromStr for ProducerUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<ProducerUrl> {
        let shape = "ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic";
        // The URL itself may hold a token, so the error does not repeat it.
        let bad = |why: &str| Error::invalid(format!("producer URL: {why}; expected {shape}"));
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let (scheme, rest) = address.split_once("://").ok_or_else(|| bad("it has no scheme"))?;
        let (authority, path) = rest.split_once('/').ok_or_else(|| bad("it has no path"))?;
        let service = format!("{scheme}://{authority}").parse()?;
        let segments: Option<Vec<String>> = path.split('/').map(percent_decode).collect();
        let segments = segments.ok_or_else(|| bad("its path has a bad percent escape"))?;
        let [ws, v2, producer, persistence, tenant, namespace, topic] = &segments[..] else {
            return Err(bad("its path has not seven parts"));
        };
        if (ws.as_str(), v2.as_str(), producer.as_str()) != ("ws", "v2", "producer") {
            return Err(bad("its path does not begin with /ws/v2/producer/"));
        }
        let topic = format!("{persistence}://{tenant}/{namespace}/{topic}").parse()?;
        let parameters: Option<Vec<(String, String)>> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((percent_decode(name)?, percent_decode(value)?))
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
    fn bad_service_urls_are_errors() {
        for url in
            ["", "h:1", "ftp://h", "ws://", "ws://h:0", "ws://h:x", "ws://h/p", "ws://h,,g", "ws://[::1", "ws://a b"]
        {
            assert!(url.parse::<ServiceUrl>().is_err(), "{url}");
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
    fn bad_producer_urls_are_errors_that_do_not_repeat_a_token() {
        for url in [
            "ws://h:1?token=secret",
            "ws://h:1/ws/v2/consumer/persistent/a/b/t?token=secret",
            "ws://h:1/ws/v2/producer/persistent/a/b/t/more?token=secret",
            "ws://h:1/ws/v2/producer/persistent/a/b/t%zz?token=secret",
            "ws://h:1/ws/v2/producer/durable/a/b/t?token=secret",
        ] {
            let error = url.parse::<ProducerUrl>().err().expect(url);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
