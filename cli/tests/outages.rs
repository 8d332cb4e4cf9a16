//! The broker goes down while `stargate` sends.

mod common;

use std::time::Duration;

use common::{Shell, finish, said};

fn lines(count: u32) -> Vec<u8> {
    (0..count).map(|number| format!("{{\"payload\":\"{number}\"}}\n")).collect::<String>().into_bytes()
}

/// Which numbers a topic holds, each once.
fn numbers(shell: &Shell, topic: &str) -> Vec<u32> {
    let payloads = shell.stored(topic);
    let mut numbers: Vec<u32> =
        payloads.iter().map(|payload| String::from_utf8_lossy(payload).parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[test]
fn produce_survives_a_broker_that_comes_back() {
    let shell = Shell::new();
    let child = shell.command(&["-q", "produce", "t", "-J", "--rate", "2000"]).spawn().unwrap();
    let output = std::thread::scope(|scope| {
        let finished = scope.spawn(move || finish(child, &lines(4000)));
        assert!(shell.0.wait("send", None, 500, Duration::from_secs(60)).unwrap());
        shell.0.set_up(false).unwrap();
        shell.0.set_up(true).unwrap();
        finished.join().unwrap()
    });
    assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
    assert_eq!(numbers(&shell, "t"), (0..4000).collect::<Vec<_>>());
}

#[test]
fn produce_names_every_line_that_a_dead_broker_did_not_confirm() {
    let shell = Shell::new();
    let child =
        shell.command(&["-q", "produce", "t", "-J", "--rate", "500", "-X", "send_timeout=1500"]).spawn().unwrap();
    let output = std::thread::scope(|scope| {
        let finished = scope.spawn(move || finish(child, &lines(600)));
        assert!(shell.0.wait("send", None, 200, Duration::from_secs(60)).unwrap());
        shell.0.set_up(false).unwrap();
        finished.join().unwrap()
    });
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let missing: u32 = said(&output)
        .lines()
        .filter_map(|line| line.strip_prefix("stargate: standard input, line"))
        .map(|named| {
            let places = named.trim_start_matches('s').split(':').next().unwrap().trim().to_owned();
            let (first, last) = places.split_once(" to ").unwrap_or((&places, &places));
            last.parse::<u32>().unwrap() - first.parse::<u32>().unwrap() + 1
        })
        .sum();
    let stored: u32 = said(&output)
        .lines()
        .find_map(|line| line.strip_prefix("stargate: ")?.strip_suffix(" messages stored")?.parse().ok())
        .unwrap();
    assert_eq!(stored + missing, 600, "{}", said(&output));
    assert!(missing > 0 && numbers(&shell, "t").len() >= stored as usize, "{}", said(&output));
}

#[test]
fn restore_goes_on_after_the_broker_died() {
    let shell = Shell::new();
    let folder = std::env::temp_dir().join(format!("stargate-restore-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("dump.jsonl");
    std::fs::write(&file, lines(3000)).unwrap();
    let restore = ["restore", "t", file.to_str().unwrap()];
    let slowly = ["--rate", "1500", "-X", "send_timeout=1500"];
    let child = shell.command(&[&restore[..], &slowly].concat()).spawn().unwrap();
    assert!(shell.0.wait("send", None, 500, Duration::from_secs(60)).unwrap());
    shell.0.set_up(false).unwrap();
    let died = finish(child, b"");
    assert_eq!(died.status.code(), Some(1), "{}", said(&died));
    assert!(said(&died).ends_with("stargate: to go on, run the same command again\n"), "{}", said(&died));
    shell.0.set_up(true).unwrap();
    let written = std::fs::metadata(&file).unwrap().modified().unwrap();
    let changed = |to| std::fs::File::options().write(true).open(&file).unwrap().set_modified(to).unwrap();
    changed(written + Duration::from_secs(1));
    let other = shell.run(&restore, b"");
    assert!(said(&other).contains("lines of another file, of"), "{}", said(&other));
    changed(written);
    let went_on = shell.run(&restore, b"");
    assert_eq!(went_on.status.code(), Some(0), "{}", said(&went_on));
    assert!(said(&went_on).starts_with("stargate: goes on at line "), "{}", said(&went_on));
    assert_eq!(numbers(&shell, "t"), (0..3000).collect::<Vec<_>>());
    assert!(!folder.join("dump.jsonl.restored").exists());
    std::fs::remove_dir_all(folder).unwrap();
}
