//! The `stargate-mock` program: prints its URL, serves, and ends with its input.
#![cfg(feature = "mock")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

#[test]
fn it_prints_its_url_serves_and_ends_with_its_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stargate-mock"))
        .args(["--until-eof", "--partitioned", "p=2", "--fault", "http=http:503*1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("ws://").unwrap().to_owned();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(get("/admin/v2/clusters").starts_with("HTTP/1.1 503 "));
    assert!(get("/admin/v2/persistent/public/default/p/partitions").contains(r#""partitions":2"#));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_wrong_argument_is_an_error_that_names_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_stargate-mock")).args(["--fault", "send=explode"]).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("unknown fault \"explode\""), "{text}");
}
