//! A mock Pulsar broker for the command line: prints its URL, and serves until it is ended.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use stargate_core::mock::{Mock, MockOAuth2, MockOptions, MockTls};

const USAGE: &str = "\
A mock Pulsar broker: WebSocket and REST API at 127.0.0.1, everything in memory. Prints its URL and serves.

usage: stargate-mock [options]
  --port N                       listen at this port; without it, or with 0, at any free one
  --token T                      accept this token, and refuse who has none; may be repeated
  --forbidden-token T            know this token, and answer it with 403; may be repeated
  --user NAME:PASSWORD           accept this user of HTTP Basic authentication; may be repeated
  --oauth2-client ID:SECRET      be an OAuth2 issuer with this client, at http://127.0.0.1:PORT/oauth2, and accept its tokens
  --oauth2-audience A            accept tokens for this audience only
  --oauth2-token-life MS         how long its tokens are valid (default 3600000)
  --tls-cert FILE --tls-key FILE serve TLS with this certificate and key, in PEM
  --tls-client-ca FILE           accept client certificates of this CA in place of a token
  --max-text-size BYTES          close with 1009 above this size (default 1048576)
  --pulsar-version VERSION       the Pulsar it plays (default 4.0.8); before 4 with what its proxies lack
  --no-websocket-compression     decline permessage-deflate, which clients may offer
  --idle-timeout MS              close with 1001 after this long without traffic (default 300000)
  --partitioned TOPIC=N          create a partitioned topic; may be repeated
  --deduplication NAMESPACE      drop duplicates in this namespace, such as public/default; may be repeated
  --fault OP[@TOPIC]=FAULT[*COUNT]
                                 script a fault, first in first out; may be repeated. COUNT may be \"forever\"
                                 OP: connect send ack nack permit receive ping close unsubscribe end_of_topic http
                                 FAULT: http:STATUS[:reason] send-error:N[:text] close[:CODE[:reason]] delay:MS drop
                                 drop-after reset half-frame garbage binary no-context wrong-context no-receipt
                                 duplicate resent lost-ack no-pong stall
  --until-eof                    end when standard input ends
  --help

  stargate-mock --port 8080 --fault send@orders=no-receipt*3 --fault connect=http:503*2";

#[derive(Default)]
struct Arguments {
    options: MockOptions,
    partitioned: Vec<(String, u32)>,
    deduplication: Vec<String>,
    faults: Vec<Scripted>,
    until_eof: bool,
    help: bool,
}

#[derive(Debug, PartialEq)]
struct Scripted {
    op: String,
    topic: Option<String>,
    fault: String,
    count: usize,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // standard error is the place for it; if that is gone there is no other
            let _ = writeln!(std::io::stderr(), "stargate-mock: {error}\nSee stargate-mock --help");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = parse(std::env::args().skip(1))?;
    let mut out = std::io::stdout();
    if arguments.help {
        writeln!(out, "{USAGE}")?;
        return Ok(());
    }
    let mock = Mock::start(arguments.options)?;
    for (topic, partitions) in &arguments.partitioned {
        mock.create_partitioned(topic, *partitions)?;
    }
    for namespace in &arguments.deduplication {
        mock.set_deduplication(namespace, true)?;
    }
    for scripted in &arguments.faults {
        mock.fault(&scripted.op, scripted.topic.as_deref(), &scripted.fault, scripted.count)?;
    }
    // one line, so that a script can read it as soon as the broker listens
    writeln!(out, "{}", mock.url())?;
    out.flush()?;
    if arguments.until_eof {
        let mut sink = [0; 4096];
        while std::io::stdin().read(&mut sink)? > 0 {}
        return Ok(());
    }
    loop {
        std::thread::park();
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments::default();
    let (mut certificates, mut key, mut client_ca) = (None, None, None);
    let (mut audience, mut token_life) = (None, None);
    while let Some(argument) = arguments.next() {
        let (name, attached) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_owned(), Some(value.to_owned())),
            _ => (argument.clone(), None),
        };
        let mut value = || attached.clone().or_else(|| arguments.next()).ok_or(format!("{name} needs a value"));
        let number = |value: String| value.parse::<u64>().map_err(|_| format!("{name} needs a number, not {value:?}"));
        let options = &mut parsed.options;
        match name.as_str() {
            "--port" => {
                let port = number(value()?)?;
                options.port = u16::try_from(port).map_err(|_| format!("there is no port {port}"))?;
            }
            "--token" => options.tokens.push(value()?),
            "--forbidden-token" => options.forbidden_tokens.push(value()?),
            "--user" => options.users.push(pair(&name, &value()?)?),
            "--oauth2-client" => {
                let (id, secret) = pair(&name, &value()?)?;
                options.oauth2 = Some(MockOAuth2::new(id, secret));
            }
            "--oauth2-audience" => audience = Some(value()?),
            "--oauth2-token-life" => token_life = Some(std::time::Duration::from_millis(number(value()?)?)),
            "--tls-cert" => certificates = Some(PathBuf::from(value()?)),
            "--tls-key" => key = Some(PathBuf::from(value()?)),
            "--tls-client-ca" => client_ca = Some(PathBuf::from(value()?)),
            "--max-text-size" => options.max_text_size = number(value()?)? as usize,
            "--pulsar-version" => options.version = value()?,
            "--idle-timeout" => options.idle_timeout = std::time::Duration::from_millis(number(value()?)?),
            "--partitioned" => {
                let text = value()?;
                let pair = text.rsplit_once('=').and_then(|(topic, count)| Some((topic, count.parse().ok()?)));
                let (topic, count) = pair.ok_or(format!("--partitioned needs TOPIC=N, not {text:?}"))?;
                parsed.partitioned.push((topic.to_owned(), count));
            }
            "--deduplication" => parsed.deduplication.push(value()?),
            "--fault" => parsed.faults.push(scripted(&value()?)?),
            "--no-websocket-compression" => options.websocket_compression = false,
            "--until-eof" => parsed.until_eof = true,
            "--help" | "-h" => parsed.help = true,
            _ => return Err(format!("unknown argument {argument:?}")),
        }
    }
    match &mut parsed.options.oauth2 {
        Some(settings) => {
            settings.audience = audience;
            settings.token_life = token_life.unwrap_or(settings.token_life);
        }
        None if audience.is_some() || token_life.is_some() => {
            return Err("--oauth2-audience and --oauth2-token-life need --oauth2-client".to_owned());
        }
        None => {}
    }
    parsed.options.tls = match (certificates, key) {
        (Some(certificates), Some(key)) => Some(MockTls { certificates, key, client_ca }),
        (None, None) if client_ca.is_none() => None,
        _ => return Err("TLS needs both --tls-cert and --tls-key".to_owned()),
    };
    Ok(parsed)
}

/// `name:secret`, which is not repeated in the error.
fn pair(argument: &str, text: &str) -> Result<(String, String), String> {
    let (name, secret) = text.split_once(':').ok_or(format!("{argument} needs two parts with a colon between them"))?;
    Ok((name.to_owned(), secret.to_owned()))
}

/// `op[@topic]=fault[*count]`
fn scripted(text: &str) -> Result<Scripted, String> {
    let (place, fault) = text.split_once('=').ok_or(format!("--fault needs OP[@TOPIC]=FAULT, not {text:?}"))?;
    let (op, topic) = match place.split_once('@') {
        Some((op, topic)) => (op, Some(topic.to_owned())),
        None => (place, None),
    };
    let (fault, count) = match fault.rsplit_once('*') {
        None => (fault, 1),
        Some((fault, "forever")) => (fault, usize::MAX),
        Some((fault, count)) => {
            let count = count.parse().map_err(|_| format!("{text:?}: a count is a number or \"forever\""))?;
            (fault, count)
        }
    };
    Ok(Scripted { op: op.to_owned(), topic, fault: fault.to_owned(), count })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_read_with_and_without_an_equals_sign() {
        let read = parsed("--port=8080 --token a --token=b --partitioned t=3 --fault send@t=close:1011:x*2").unwrap();
        assert_eq!((read.options.port, read.options.tokens), (8080, vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(read.partitioned, [("t".to_owned(), 3)]);
        let scripted = Scripted { op: "send".into(), topic: Some("t".into()), fault: "close:1011:x".into(), count: 2 };
        assert_eq!(read.faults, [scripted]);
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (line, says) in [
            ("--prot 1", "--prot"),
            ("--port x", "a number"),
            ("--port 70000", "70000"),
            ("--token", "needs a value"),
            ("--user me", "a colon"),
            ("--oauth2-audience a", "--oauth2-client"),
            ("--tls-cert a", "--tls-key"),
            ("--fault send", "OP[@TOPIC]"),
            ("--fault send=drop*many", "forever"),
        ] {
            let error = parsed(line).err().unwrap_or_else(|| panic!("{line} was accepted"));
            assert!(error.contains(says), "{line}: {error}");
        }
    }
}
