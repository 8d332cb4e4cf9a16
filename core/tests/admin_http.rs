//! How requests to the REST API travel: over hosts, redirects and connections. The servers here answer from a script.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use stargate_core::blocking::{Admin, Client};
use stargate_core::{Error, ErrorKind, Options};

const TOKEN: &str = "s3cret";

/// In the head of a response after which the server closes.
const LAST: &str = "Connection: close";

/// A request as a server saw it.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    connection: usize,
    method: String,
    path: String,
    authorization: Option<String>,
    body: String,
}

/// What a server answers to the request with this number; nothing is an end of the connection.
type Script = Arc<dyn Fn(usize, &Seen) -> Option<String> + Send + Sync>;

struct Server {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    fn start(script: impl Fn(usize, &Seen) -> Option<String> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (script, record): (Script, _) = (Arc::new(script), seen.clone());
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().flatten().enumerate() {
                let (script, record) = (script.clone(), record.clone());
                thread::spawn(move || serve(stream, connection, &script, &record));
            }
        });
        Server { address, seen }
    }

    fn answering(response: impl Into<String>) -> Server {
        let response = response.into();
        Server::start(move |_, _| Some(response.clone()))
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, connection: usize, script: &Script, record: &Mutex<Vec<Seen>>) {
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = buffer.split_off(end + 4);
                break String::from_utf8(std::mem::replace(&mut buffer, rest)).unwrap();
            }
            let mut some = [0; 1024];
            match stream.read(&mut some) {
                Ok(read) if read > 0 => buffer.extend_from_slice(&some[..read]),
                _ => return,
            }
        };
        let header = |name: &str| {
            let line = |line: &&str| line.to_ascii_lowercase().starts_with(&format!("{name}:"));
            head.lines().find(line).and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
        };
        let length = header("content-length").map_or(0, |length| length.parse().unwrap());
        while buffer.len() < length {
            let mut some = [0; 1024];
            let read = stream.read(&mut some).unwrap();
            buffer.extend_from_slice(&some[..read]);
        }
        let rest = buffer.split_off(length);
        let body = String::from_utf8(std::mem::replace(&mut buffer, rest)).unwrap();
        let mut line = head.split(' ').map(str::to_owned);
        let (method, path) = (line.next().unwrap(), line.next().unwrap());
        let seen = Seen { connection, method, path, authorization: header("authorization"), body };
        let number = {
            let mut record = record.lock().unwrap();
            record.push(seen.clone());
            record.len() - 1
        };
        match script(number, &seen) {
            Some(response) if stream.write_all(response.as_bytes()).is_ok() && !response.contains(LAST) => {}
            _ => return,
        }
    }
}

fn response(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn redirect(location: &str) -> String {
    format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

fn ok() -> String {
    response("200 OK", "[]")
}

fn admin(hosts: &[&Server], options: Options) -> Admin {
    let hosts: Vec<&str> = hosts.iter().map(|server| server.address.as_str()).collect();
    let url = format!("ws://{}", hosts.join(","));
    Client::new(&url, options.auth_token(TOKEN)).unwrap().admin()
}

fn get(admin: &Admin) -> Result<String, Error> {
    admin.request("GET", "clusters", None).map(|answer| String::from_utf8(answer.body.to_vec()).unwrap())
}

/// An address that nobody listens at.
fn nobody() -> Server {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    Server { address, seen: Arc::default() }
}

#[test]
fn a_redirect_is_followed_with_method_body_and_authorization() {
    let owner = Server::answering(ok());
    let to = format!("http://{}/admin/v2/x?authoritative=true", owner.address);
    let first = Server::answering(redirect(&to));
    for options in
        [Options::new().admin_trusted_hosts(&owner.address), Options::new().admin_trusted_hosts("localhost, 127.0.0.1")]
    {
        let before = owner.seen().len();
        admin(&[&first], options).request("POST", "x", Some("{\"a\":1}")).unwrap();
        let seen = &owner.seen()[before];
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/admin/v2/x?authoritative=true"));
        assert_eq!((seen.body.as_str(), seen.authorization.as_deref()), ("{\"a\":1}", Some("Bearer s3cret")));
    }
    // A host of the service URL needs no further trust.
    admin(&[&first, &owner], Options::new()).request("DELETE", "x", None).unwrap();
    assert_eq!(owner.seen().last().unwrap().method, "DELETE");
}

#[test]
fn a_redirect_to_a_host_that_is_not_trusted_is_an_error_that_names_it() {
    let elsewhere = Server::answering(ok());
    for options in [Options::new(), Options::new().admin_trusted_hosts("127.0.0.1:1,*.127.0.0.1")] {
        let first = Server::answering(redirect(&format!("http://{}/x", elsewhere.address)));
        let error = get(&admin(&[&first], options)).unwrap_err();
        assert_eq!((error.kind(), error.http_status()), (ErrorKind::InvalidArgument, Some(307)));
        assert!(error.to_string().contains(&elsewhere.address), "{error}");
        assert!(error.to_string().contains("admin_trusted_hosts"), "{error}");
        assert!(!error.is_retriable());
    }
    assert_eq!(elsewhere.seen(), []);
}

#[test]
fn a_redirect_never_changes_the_scheme() {
    let first = Server::answering(redirect("https://127.0.0.1:1/x"));
    let error = get(&admin(&[&first], Options::new().admin_trusted_hosts("127.0.0.1"))).unwrap_err();
    assert!(error.to_string().contains("from http to https"), "{error}");
}

#[test]
fn a_redirect_without_end_ends() {
    let round = Server::answering(redirect("/admin/v2/clusters"));
    let error = get(&admin(&[&round], Options::new())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(round.seen().len(), 6);
}

#[test]
fn redirects_that_are_not_pulsars_are_errors() {
    for answer in [
        response("302 Found", "").replace("\r\n\r\n", "\r\nLocation: /login\r\n\r\n"),
        response("307 Temporary Redirect", ""),
        redirect("ftp://127.0.0.1/x"),
    ] {
        let server = Server::answering(answer);
        assert_eq!(get(&admin(&[&server], Options::new())).unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(server.seen().len(), 1);
    }
}

#[test]
fn the_next_host_is_asked_when_one_does_not_answer_and_then_it_is_the_first() {
    let there = Server::answering(ok());
    let admin = admin(&[&nobody(), &there], Options::new());
    admin.request("PUT", "x", None).unwrap();
    get(&admin).unwrap();
    assert_eq!(there.seen().len(), 2);
}

#[test]
fn a_question_goes_to_the_next_host_when_a_gateway_has_no_broker() {
    let (gateway, there) = (Server::answering(response("503 Service Unavailable", "")), Server::answering(ok()));
    get(&admin(&[&gateway, &there], Options::new())).unwrap();
    assert_eq!(there.seen().len(), 1);
    let error = admin(&[&gateway, &there], Options::new()).request("POST", "x", None).unwrap_err();
    assert_eq!((error.http_status(), error.is_retriable()), (Some(503), true));
    assert_eq!(there.seen().len(), 1, "a change that may have been made was asked for again");
}

/// A server that accepts connections and says nothing. It lasts as long as the listener.
fn silent() -> (TcpListener, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, Server { address, seen: Arc::default() })
}

#[test]
fn a_host_that_is_silent_takes_its_part_of_the_time_and_then_another_is_asked() {
    let ((_listener, hung), there) = (silent(), Server::answering(ok()));
    let admin = admin(&[&hung, &there], Options::new().admin_timeout(Duration::from_secs(2)));
    let begun = Instant::now();
    get(&admin).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let begun = Instant::now();
    get(&admin).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "the silent host was asked again");
}

#[test]
fn after_a_change_that_failed_the_next_one_begins_at_another_host() {
    let (gateway, there) = (Server::answering(response("503 Service Unavailable", "")), Server::answering(ok()));
    let change = |admin: &Admin| admin.request("POST", "x", None);
    let one = admin(&[&gateway, &there], Options::new());
    assert_eq!(change(&one).unwrap_err().http_status(), Some(503));
    change(&one).unwrap();
    let (_listener, hung) = silent();
    let other = admin(&[&hung, &there], Options::new().admin_timeout(Duration::from_millis(100)));
    assert_eq!(change(&other).unwrap_err().kind(), ErrorKind::Timeout);
    change(&other).unwrap();
}

#[test]
fn a_change_whose_answer_is_lost_is_not_asked_for_again() {
    let broken = Server::start(|_, _| None);
    let there = Server::answering(ok());
    let error = admin(&[&broken, &there], Options::new()).request("POST", "x", None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    assert_eq!((broken.seen().len(), there.seen().len()), (1, 0));
    get(&admin(&[&broken, &there], Options::new())).unwrap();
}

#[test]
fn a_connection_is_used_again_and_one_that_was_closed_meanwhile_harms_nothing() {
    let server = Server::start(|number, _| match number {
        2 => Some(ok().replace("\r\n\r\n", &format!("\r\n{LAST}\r\n\r\n"))),
        _ => Some(ok()),
    });
    let admin = admin(&[&server], Options::new());
    for _ in 0..5 {
        admin.request("POST", "x", None).unwrap();
    }
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 0, 1, 1]);
}

#[test]
fn a_chunked_answer_is_read_and_one_that_is_cut_off_is_an_error() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[\"\r\n3\r\na\"]\r\n0\r\n\r\n";
    let server = Server::answering(chunked);
    assert_eq!(get(&admin(&[&server], Options::new())).unwrap(), "[\"a\"]");
    let cut = Server::answering(format!("HTTP/1.1 200 OK\r\n{LAST}\r\nContent-Length: 9\r\n\r\n[]"));
    assert_eq!(get(&admin(&[&cut], Options::new())).unwrap_err().kind(), ErrorKind::Connect);
}

#[test]
fn an_answer_that_does_not_come_is_waited_for_as_long_as_the_option_says() {
    let (_listener, server) = silent();
    let admin = admin(&[&server], Options::new().admin_timeout(Duration::from_millis(100)));
    let begun = Instant::now();
    let error = admin.request("POST", "x", None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("admin_timeout"), "{error}");
    assert!(error.to_string().contains("may have been carried out"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn an_answer_over_the_limit_is_an_error() {
    let server = Server::answering(response("200 OK", &"x".repeat(2000)));
    let error = get(&admin(&[&server], Options::new().max_frame_bytes(1024))).unwrap_err();
    assert!(error.to_string().contains("max_frame_bytes"), "{error}");
}

#[test]
fn what_is_not_http_is_named() {
    let server = Server::answering("SSH-2.0-OpenSSH\r\n\r\n");
    let error = get(&admin(&[&server], Options::new())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("is it the HTTP port?"), "{error}");
}

#[test]
fn the_rest_api_may_be_elsewhere() {
    let (proxy, broker) = (nobody(), Server::answering(ok()));
    let elsewhere = Options::new().admin_url(&format!("http://{}", broker.address));
    get(&admin(&[&proxy], elsewhere)).unwrap();
    let bad = Client::new("ws://h:1", Options::new().admin_url("pulsar://h:6650")).unwrap_err();
    assert!(bad.to_string().contains("admin_url"), "{bad}");
    let bad = Client::new("ws://h:1", Options::new().admin_trusted_hosts("a,,b")).unwrap_err();
    assert!(bad.to_string().contains("admin_trusted_hosts"), "{bad}");
}

#[test]
fn a_refusal_has_the_brokers_reason_in_whatever_form_it_comes() {
    let stack = "{\"reason\":\"\\n --- An unexpected error occurred in the server ---\\n\\nMessage: boom\\n\\nStacktrace:\\n\\nat x\"}";
    for (status, body, kind, sentence, retriable) in [
        ("404 Not Found", "{\"reason\":\"Topic x not found\"}", ErrorKind::NotFound, "Topic x not found", false),
        ("409 Conflict", "{\"reason\":\"This topic already exists\"}", ErrorKind::Busy, "already exists", false),
        ("409 Conflict", "{\"reason\":\"Concurrent modification\"}", ErrorKind::Busy, "Concurrent", true),
        (
            "412 Precondition Failed",
            "{\"reason\":\"Topic has 2 connected producers/consumers\"}",
            ErrorKind::Busy,
            "2 connected",
            true,
        ),
        (
            "412 Precondition Failed",
            "{\"reason\":\"Tenant name is not valid\"}",
            ErrorKind::InvalidArgument,
            "not valid",
            false,
        ),
        (
            "401 Unauthorized",
            "<html><title>Error 401 Authentication required</title></html>",
            ErrorKind::Authentication,
            "Authentication required",
            false,
        ),
        ("500 Server Error", stack, ErrorKind::Broker, "(500): boom", true),
        ("502 Bad Gateway", "", ErrorKind::Broker, "no reason given", true),
    ] {
        let server = Server::answering(response(status, body));
        let error = get(&admin(&[&server], Options::new())).unwrap_err();
        assert_eq!((error.kind(), error.is_retriable()), (kind, retriable), "{error}");
        assert!(error.to_string().contains(sentence), "{error}");
        assert!(!error.to_string().contains(TOKEN), "{error}");
        assert_eq!(error.http_status().map(|status| status.to_string()).as_deref(), status.split(' ').next());
    }
}

#[test]
fn a_closed_client_asks_no_more() {
    let server = Server::answering(ok());
    let client = Client::new(&format!("ws://{}", server.address), Options::new()).unwrap();
    let admin = client.admin();
    admin.request("GET", "clusters", None).unwrap();
    client.close(Duration::from_secs(1)).unwrap();
    assert_eq!(admin.request("GET", "clusters", None).unwrap_err().kind(), ErrorKind::Closed);
}
