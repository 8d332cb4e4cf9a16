//! `examples/shell/with_mock.sh`, which tests a program of any language from outside. The program is one test of this file.
#![cfg(feature = "mock")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use stargate_core::Options;
use stargate_core::blocking::Client;

#[test]
#[ignore = "it is the program that the others run"]
#[allow(clippy::print_stdout)] // the others read it
fn the_program() {
    let url = std::env::var("PULSAR_URL").unwrap();
    let client = Client::new(&url, Options::new()).unwrap();
    let producer = client.producer("orders", Options::new()).unwrap();
    for number in 0..10 {
        producer.send(number.to_string(), Some(Duration::from_secs(20))).unwrap();
    }
    println!("{} reconnects", producer.stats().reconnects);
}

fn with_mock(options: &[&str]) -> Output {
    let programs = Path::new(env!("CARGO_BIN_EXE_stargate-mock")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shell/with_mock.sh"))
        .env("PATH", path)
        .args(options)
        .arg("--")
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "the_program", "--nocapture"])
        .output()
        .unwrap()
}

#[test]
fn a_program_that_copes_with_its_faults_passes() {
    let done = with_mock(&["--fault", "send@orders=drop-after*2", "--fault", "send=delay:50"]);
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{text}{}", String::from_utf8_lossy(&done.stderr));
    assert!(text.contains("2 reconnects"), "{text}");
}

#[test]
fn the_status_of_the_program_is_that_of_the_script() {
    let done = with_mock(&["--fault", "connect=http:403:it's closed"]);
    assert!(!done.status.success());
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(text.contains("it's closed"), "{text}");
}

#[test]
fn a_broker_that_cannot_start_is_an_error() {
    let done = with_mock(&["--fault", "send=explode"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("unknown fault \"explode\""));
}
