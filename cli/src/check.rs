//! `check`: the way to the broker, hop by hop.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use serde_json::{Value, json};
use stargate_core::blocking::Client;
use stargate_core::options::Roles;
use stargate_core::{Error, ErrorKind, Options};

use crate::connection::{CLOSE, Connection};
use crate::exit::{self, Ended, Failure};
use crate::stdout;

const TCP: Duration = Duration::from_secs(5);
const ROUND_TRIP: Duration = Duration::from_secs(20);

/// Find out which step on the way to the broker fails, and what helps.
///
/// Each line is a step: its name, its time, what was found and, if it failed, a remedy. Steps that need one that failed
/// are left out.
#[derive(Args)]
pub(crate) struct Check {
    /// Also send a message to this topic and read it back; the message stays there
    #[arg(long)]
    topic: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A step that was tried.
struct Step {
    name: &'static str,
    time: Duration,
    found: Result<String, String>,
    remedy: String,
}

/// The steps so far.
#[derive(Default)]
struct Report {
    steps: Vec<Step>,
    json: bool,
    refused: bool,
}

/// Why a step failed.
struct Fault {
    text: String,
    remedy: String,
    refused: bool,
}

/// The message that is sent and read back.
struct Trip<'a> {
    topic: &'a str,
    of_reader: Options,
    of_producer: Options,
}

impl Trip<'_> {
    fn new<'a>(connection: &Connection, topic: &'a str) -> Result<Trip<'a>, Failure> {
        connection.refuse("starting_message", "check reads only what it sends")?;
        let mut of_reader = connection.options(Roles::READER)?;
        of_reader.set("starting_message", "latest")?;
        Ok(Trip { topic, of_reader, of_producer: connection.options(Roles::PRODUCER)? })
    }
}

/// `check`
pub(crate) fn run(connection: &Connection, wanted: &Check) -> Ended {
    let mut report = Report { json: wanted.json, ..Report::default() };
    // A client is made of the arguments alone; wrong ones are no step.
    let trip = wanted.topic.as_deref().map(|topic| Trip::new(connection, topic)).transpose()?;
    let client = connection.client(if trip.is_some() { &[Roles::READER, Roles::PRODUCER] } else { &[] })?;
    let walked = walk(connection, trip, &client, &mut report);
    report.print()?;
    // What is wrong was reported.
    let _ = client.close(CLOSE);
    Ok(match walked {
        Some(()) => exit::DONE,
        None if report.refused => exit::REFUSED,
        None => exit::FAILED,
    })
}

/// Takes the steps until one fails on which all others depend.
fn walk(connection: &Connection, trip: Option<Trip<'_>>, client: &Client, report: &mut Report) -> Option<()> {
    let url = client.as_async().url();
    let proxy = client.as_async().proxy();
    let through = proxy.as_deref();
    report.step("proxy", || Ok(through.map_or("none: direct".to_owned(), str::to_owned)))?;
    let targets = through.map_or_else(|| hosts(&url.to_string()), hosts);
    let mut reached = 0;
    for target in &targets {
        let Some(addresses) = report.step_with("name", || resolve(target)) else { continue };
        reached += usize::from(report.step("TCP", || connect(target, &addresses)).is_some());
    }
    if reached == 0 {
        return None;
    }
    let admin = client.admin();
    let hop = if url.is_tls() { "TLS, HTTP" } else { "HTTP" };
    let mut blocked = false;
    let answered = report.step(hop, || match admin.broker_version() {
        Ok(version) => Ok(format!("the broker is Pulsar {version}")),
        // It was the broker that answered; whether that is good is another step.
        Err(error) if is_answer(&error) => Ok(error.to_string()),
        Err(error) => {
            // Without the proxy, or TLS, no other step can succeed.
            blocked = error.is_of_proxy() || error.kind() == ErrorKind::Authentication;
            Err(Fault::of(&error, url.is_tls()))
        }
    });
    // A gateway may serve only WebSockets.
    if answered.is_none() && (blocked || trip.is_none()) {
        return None;
    }
    let mut healthy = answered;
    if let Some(token) = connection.token() {
        healthy = report.step("token", || claims(&token)).and(healthy);
    }
    let rights = report.step("REST", || match admin.clusters() {
        Ok(clusters) => Ok(format!("clusters: {}", clusters.join(", "))),
        Err(error) => Err(Fault::of(&error, url.is_tls())),
    });
    healthy = rights.and(healthy);
    match trip {
        Some(trip) => round_trip(trip, client, report).and(healthy),
        None => healthy,
    }
}

/// Returns whether the broker itself refused; other statuses are those of a gateway.
fn is_answer(error: &Error) -> bool {
    !error.is_of_proxy() && error.http_status().is_some_and(|status| status != 404 && status < 500)
}

/// Sends a message and reads it back.
fn round_trip(Trip { topic, of_reader, of_producer }: Trip<'_>, client: &Client, report: &mut Report) -> Option<()> {
    let tls = client.as_async().url().is_tls();
    let fault = |error: Error| Fault::of(&error, tls);
    let reader = report.step_with("reader", || {
        let reader = client.reader(topic, of_reader).map_err(fault)?;
        Ok((format!("upgraded; may read {}", reader.topic()), reader))
    });
    let producer = report.step_with("producer", || {
        let producer = client.producer(topic, of_producer).map_err(fault)?;
        Ok((format!("upgraded; may produce to {}", producer.topic()), producer))
    });
    let (reader, producer) = (reader?, producer?);
    let id = report.step_with("send", || {
        let receipt = producer.send("stargate check", Some(ROUND_TRIP)).map_err(fault)?;
        Ok((format!("stored as {}", receipt.message_id()), receipt.message_id().clone()))
    })?;
    report.step("receive", || {
        loop {
            // Other messages may come first.
            if *reader.receive(Some(ROUND_TRIP)).map_err(fault)?.id() == id {
                return Ok("the message came back".to_owned());
            }
        }
    })
}

impl Report {
    fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<String, Fault>) -> Option<()> {
        self.step_with(name, || work().map(|found| (found, ())))
    }

    /// Takes a step, and returns what it made.
    fn step_with<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<(String, T), Fault>) -> Option<T> {
        let begun = Instant::now();
        let outcome = work();
        let time = begun.elapsed();
        let (found, made, remedy) = match outcome {
            Ok((found, made)) => (Ok(found), Some(made), String::new()),
            Err(fault) => {
                self.refused |= fault.refused;
                (Err(fault.text), None, fault.remedy)
            }
        };
        self.steps.push(Step { name, time, found, remedy });
        made
    }

    fn print(&self) -> Ended {
        let text: String = match self.json {
            true => format!("{}\n", self.steps.iter().map(Step::json).collect::<Value>()),
            false => self.steps.iter().map(Step::text).collect(),
        };
        stdout::print(text.as_bytes())
    }
}

impl Step {
    fn text(&self) -> String {
        let (mark, found) = match &self.found {
            Ok(found) => ("ok", found),
            Err(why) => ("FAILED", why),
        };
        let line = format!("{mark:<6}  {:<9}  {:>9.1} ms  {found}\n", self.name, self.time.as_secs_f64() * 1000.0);
        match self.remedy.is_empty() {
            true => line,
            false => format!("{line}        {:<9}  {}\n", "remedy:", self.remedy),
        }
    }

    fn json(&self) -> Value {
        let (key, found) = match &self.found {
            Ok(found) => ("found", found),
            Err(why) => ("error", why),
        };
        let mut step = json!({"step": self.name, "ok": self.found.is_ok(), "ms": self.time.as_secs_f64() * 1000.0});
        step[key] = found.as_str().into();
        if !self.remedy.is_empty() {
            step["remedy"] = self.remedy.as_str().into();
        }
        step
    }
}

impl Fault {
    fn new(text: impl Into<String>, remedy: &str) -> Fault {
        Fault { text: text.into(), remedy: remedy.to_owned(), refused: false }
    }

    fn of(error: &Error, tls: bool) -> Fault {
        let text = error.to_string();
        let about_tls = ["TLS", "certificate", "tls_"].iter().any(|word| text.contains(word));
        let remedy = match error.kind() {
            ErrorKind::Authentication if error.is_of_proxy() && about_tls => {
                "name the CA that signed the proxy's certificate: -X proxy_ca_file=ca.pem"
            }
            ErrorKind::Authentication if error.is_of_proxy() => {
                "put http://USER:PASSWORD@HOST:PORT of the proxy into a file, and give -X proxy=@FILE"
            }
            ErrorKind::Authorization if error.is_of_proxy() => {
                "ask the administrator of the proxy to allow CONNECT to the broker's host and port"
            }
            _ if error.is_of_proxy() => {
                "are scheme (http, https, socks5h), host and port those of the proxy, and does it reach the broker?"
            }
            _ if about_tls && tls => {
                "name the CA that signed the certificate: -X tls_ca_file=ca.pem; is the port one for TLS?"
            }
            ErrorKind::Authentication => {
                "give the credentials: the variable STARGATE_TOKEN, -X auth_token=@FILE or -X basic_user"
            }
            ErrorKind::Authorization => "ask an administrator to grant your role produce and consume on the namespace",
            ErrorKind::NotFound => "create it, or check its name; for a gateway with a path, put the path into the URL",
            ErrorKind::Protocol => "is this the HTTP port (8080, or 8443 with TLS) and the right scheme (ws or wss)?",
            ErrorKind::Timeout => {
                "is webSocketServiceEnabled=true on the broker, and does every gateway pass WebSocket upgrades?"
            }
            ErrorKind::Connect => "if only a proxy reaches it, name one: -X proxy=http://HOST:PORT",
            _ => "see the log of the broker or the proxy at this time",
        };
        let refused = matches!(error.kind(), ErrorKind::Authentication | ErrorKind::Authorization);
        Fault { text, remedy: remedy.to_owned(), refused }
    }
}

/// Returns the hosts of a URL, with their ports.
fn hosts(url: &str) -> Vec<String> {
    let hosts = url.split_once("://").map_or(url, |(_, rest)| rest);
    let hosts = hosts.split('/').next().unwrap_or_default();
    // A proxy may have a user before its host.
    let hosts = hosts.rsplit('@').next().unwrap_or_default();
    hosts.split(',').map(str::to_owned).collect()
}

fn resolve(host: &str) -> Result<(String, Vec<SocketAddr>), Fault> {
    let remedy = "is the name spelled right, and does this machine's resolver know it (VPN, /etc/resolv.conf)?";
    let addresses: Vec<SocketAddr> =
        host.to_socket_addrs().map_err(|error| Fault::new(format!("{host}: {error}"), remedy))?.collect();
    let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    Ok((format!("{host} is {}", shown.join(", ")), addresses))
}

fn connect(host: &str, addresses: &[SocketAddr]) -> Result<String, Fault> {
    let mut why = "no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(address, TCP) {
            Ok(_) => return Ok(format!("connected to {address}")),
            Err(error) => why = format!("{address}: {error}"),
        }
    }
    let remedy =
        "is the broker running, is the port right (8080, or 8443 with TLS), and does a firewall let you through?";
    Err(Fault::new(format!("{host}: {why}"), remedy))
}

/// Reads what a JSON Web Token says about itself; other tokens are opaque.
fn claims(token: &str) -> Result<String, Fault> {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let Some(claims) = claims.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()) else {
        return Ok("not a JSON Web Token; only the broker can read it".to_owned());
    };
    let subject = claims["sub"].as_str().unwrap_or("nobody");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    match claims["exp"].as_f64() {
        None => Ok(format!("for {subject}, without an end")),
        Some(end) if end > now => Ok(format!("for {subject}, valid for {:.0} more minutes", (end - now) / 60.0)),
        Some(end) => Err(Fault {
            text: format!("for {subject}, expired {:.0} minutes ago", (now - end) / 60.0),
            remedy: "get a new token".to_owned(),
            refused: true,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_from_urls() {
        assert_eq!(hosts("wss://a:8443,b:9/prefix"), ["a:8443", "b:9"]);
        assert_eq!(hosts("http://user@proxy:3128"), ["proxy:3128"]);
        assert_eq!(hosts("ws://[::1]:8080"), ["[::1]:8080"]);
    }

    #[test]
    fn tokens_tell_whom_and_until_when() {
        let token = |claims: &str| format!("x.{}.y", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(claims(&token(r#"{"sub":"me"}"#)).ok().unwrap(), "for me, without an end");
        assert!(claims(&token(r#"{"sub":"me","exp":99999999999}"#)).ok().unwrap().contains("valid"));
        assert!(claims(&token(r#"{"sub":"me","exp":1000}"#)).err().unwrap().text.contains("expired"));
        assert!(claims("opaque").ok().unwrap().contains("not a JSON Web Token"));
    }
}
