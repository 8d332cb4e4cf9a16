//! `stargate read`, `tail` and `consume`.

mod common;

use std::time::Duration;

use common::{Shell, interrupt, read_exactly, said};

fn numbers(range: std::ops::RangeInclusive<u32>) -> Vec<u8> {
    range.map(|number| format!("{number}\n")).collect::<String>().into_bytes()
}

fn with_numbers(count: u32) -> Shell {
    let shell = Shell::new();
    shell.ok(&["produce", "t"], &numbers(1..=count));
    shell
}

#[test]
fn a_hundred_thousand_lines_are_read_back_as_they_were() {
    let shell = Shell::new();
    let lines: Vec<u8> = (0..100_000_u32).flat_map(|number| format!("line {number} \u{fc}\n").into_bytes()).collect();
    shell.ok(&["produce", "t"], &lines);
    assert!(shell.ok(&["read", "t", "-e"], b"") == lines, "what was read differs");
}

#[test]
fn binary_comes_out_as_it_went_in() {
    let shell = Shell::new();
    let bytes: Vec<u8> = (0..=255).collect();
    shell.ok(&["produce", "t", "-D", "no such bytes"], &bytes);
    assert_eq!(shell.ok(&["read", "t", "-e", "-o", "raw"], b""), bytes);
    let hex = String::from_utf8(shell.ok(&["read", "t", "-e", "-o", "hex"], b"")).unwrap();
    assert!(hex.starts_with("000102") && hex.ends_with("feff\n"), "{hex}");
}

#[test]
fn json_lines_copy_a_topic() {
    let shell = Shell::new();
    shell.ok(
        &["produce", "t", "-J"],
        b"{\"key\":\"k\",\"payload\":\"a\",\"properties\":{\"p\":\"v\"},\"event_time\":7}\n",
    );
    shell.ok(&["produce", "t", "-D", "none"], b"\xff");
    let lines = shell.ok(&["read", "t", "-e", "-o", "jsonl"], b"");
    shell.ok(&["produce", "copy", "-J"], &lines);
    assert_eq!(shell.stored("copy"), [b"a".to_vec(), b"\xff".to_vec()]);
    let shown = shell.ok(&["read", "copy", "-n", "1", "-f", r"%n %k %h %s %S %E %t\n"], b"");
    assert_eq!(String::from_utf8(shown).unwrap(), "1 k p=v a 1 7 persistent://public/default/copy\n");
}

#[test]
fn reading_begins_and_ends_where_it_is_wanted() {
    let shell = with_numbers(10);
    let ids: Vec<String> = shell.0.messages("t").unwrap().into_iter().map(|message| message.message_id).collect();
    assert_eq!(shell.ok(&["read", "t", "-n", "3"], b""), numbers(1..=3));
    assert_eq!(shell.ok(&["read", "t", "--from", &ids[4], "-e"], b""), numbers(5..=10));
    assert_eq!(shell.ok(&["read", "t", "--from", &ids[4], "--to", &ids[6]], b""), numbers(5..=7));
    assert_eq!(shell.ok(&["read", "t", "--from", "-1h", "-e"], b""), numbers(1..=10));
    assert_eq!(shell.ok(&["read", "t", "--from", "-4", "-n", "2"], b""), numbers(7..=8));
    assert_eq!(shell.ok(&["read", "t", "--to", "2020-01-01"], b""), b"");
    assert_eq!(shell.ok(&["read", "t", "--from", "latest", "-e"], b""), b"");
}

#[test]
fn what_is_sent_after_the_start_is_not_read() {
    let shell = with_numbers(3);
    // The first delivery is late, and arrives together with what was sent meanwhile.
    shell.0.fault("receive", None, "delay:1000", 1).unwrap();
    let child = shell.command(&["read", "t", "-e"]).spawn().unwrap();
    assert!(shell.0.wait("receive", None, 1, Duration::from_secs(10)).unwrap());
    std::thread::sleep(Duration::from_millis(300));
    shell.ok(&["produce", "t"], b"new\n");
    assert_eq!(child.wait_with_output().unwrap().stdout, numbers(1..=3));
}

#[test]
fn tail_prints_the_last_messages() {
    let shell = with_numbers(20);
    assert_eq!(shell.ok(&["tail", "t"], b""), numbers(11..=20));
    assert_eq!(shell.ok(&["tail", "t", "-n", "2"], b""), numbers(19..=20));
    assert_eq!(shell.ok(&["tail", "t", "-n", "100"], b""), numbers(1..=20));
    assert_eq!(shell.ok(&["tail", "t", "-n", "0"], b""), b"");
    assert_eq!(shell.ok(&["tail", "empty"], b""), b"");
}

#[test]
fn tail_knows_partitions() {
    let shell = Shell::new();
    shell.0.create_partitioned("parts", 3).unwrap();
    shell.ok(&["produce", "parts", "-m", "{{n}}", "-k", "{{n}}", "-n", "30"], b"");
    let read = |arguments: &[&str]| shell.ok(arguments, b"").split(|byte| *byte == b'\n').count() - 1;
    assert_eq!(read(&["tail", "parts", "-n", "4"]), 4);
    assert_eq!(read(&["read", "parts", "-e"]), 30);
}

#[test]
fn tail_follows_until_ctrl_c() {
    let shell = with_numbers(3);
    let mut child = shell.command(&["tail", "t", "-n", "1", "-f"]).spawn().unwrap();
    assert_eq!(read_exactly(&mut child, 2), b"3\n");
    shell.ok(&["produce", "t"], b"new\n");
    assert_eq!(read_exactly(&mut child, 4), b"new\n");
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), said(&output)), (Some(130), String::new()));
}

#[test]
fn nothing_in_time_has_an_exit_code_of_its_own() {
    let shell = Shell::new();
    for arguments in [&["read", "t", "--timeout", "0.3"][..], &["consume", "t", "-s", "s", "--timeout", "0.3"]] {
        let output = shell.run(arguments, b"");
        assert_eq!((output.status.code(), said(&output)), (Some(3), String::new()), "{arguments:?}");
    }
}

#[test]
fn a_closed_pipe_is_silent() {
    let shell = with_numbers(50_000);
    let mut child = shell.command(&["read", "t"]).spawn().unwrap();
    assert_eq!(read_exactly(&mut child, 4), b"1\n2\n");
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
}

#[test]
fn a_closed_pipe_is_an_end_after_which_a_subscription_is_deleted() {
    let shell = with_numbers(50_000);
    let consume = ["consume", "t", "-s", "s", "--from", "earliest", "--unsubscribe"];
    let mut child = shell.command(&consume).spawn().unwrap();
    assert_eq!(read_exactly(&mut child, 4), b"1\n2\n");
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
    assert_eq!(shell.ok(&["subscriptions", "ls", "t"], b""), b"");
}

#[test]
fn a_dump_that_is_stopped_leaves_no_file() {
    let shell = with_numbers(100_000);
    let file = std::env::temp_dir().join(format!("stargate-dump-{}.jsonl", std::process::id()));
    let unfinished = file.with_added_extension("unfinished");
    let child = shell.command(&["dump", "t", file.to_str().unwrap()]).spawn().unwrap();
    while std::fs::metadata(&unfinished).map_or(0, |file| file.len()) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(said(&output).contains("is not written"), "{}", said(&output));
    assert!(!file.exists() && !unfinished.exists());
}

#[test]
fn what_was_printed_is_acknowledged() {
    let shell = with_numbers(10);
    let consume = ["consume", "t", "-s", "s", "--from", "earliest"];
    assert_eq!(shell.ok(&[&consume[..], &["-n", "4"]].concat(), b""), numbers(1..=4));
    assert_eq!(shell.0.backlog("t", "s").unwrap(), 6);
    assert_eq!(shell.ok(&[&consume[..], &["-e", "--ack", "none"]].concat(), b""), numbers(5..=10));
    assert_eq!(shell.0.backlog("t", "s").unwrap(), 6);
    assert_eq!(shell.ok(&[&consume[..], &["-e", "-t", "shared"]].concat(), b""), numbers(5..=10));
    assert_eq!(shell.0.backlog("t", "s").unwrap(), 0);
}

#[test]
fn a_subscription_is_moved_to_a_time_or_an_id() {
    let shell = with_numbers(5);
    let ids: Vec<String> = shell.0.messages("t").unwrap().into_iter().map(|message| message.message_id).collect();
    shell.0.create_subscription("t", "s", false).unwrap();
    assert_eq!(shell.ok(&["consume", "t", "-s", "s", "--from", &ids[3], "-e"], b""), numbers(4..=5));
    assert_eq!(shell.ok(&["consume", "t", "-s", "s", "--from", "-1h", "-e"], b""), numbers(1..=5));
}

#[test]
fn a_program_decides_what_is_acknowledged() {
    let shell = Shell::new();
    shell.ok(&["produce", "t", "-m", "order {{n}}", "-n", "2", "-k", "k", "-p", "my-name=v"], b"");
    let program = r#"echo "$(cat) $STARGATE_KEY $STARGATE_PROPERTY_MY_NAME""#;
    let consume = ["consume", "t", "-s", "s", "-t", "shared", "--from", "earliest"];
    let failed = shell.run(&[&consume[..], &["-n", "1", "--exec", "exit 3"]].concat(), b"");
    assert_eq!(failed.status.code(), Some(0));
    assert!(said(&failed).contains("exit status: 3; message"), "{}", said(&failed));
    assert_eq!(shell.0.backlog("t", "s").unwrap(), 2);
    let printed = shell.ok(&[&consume[..], &["-e", "--exec", program]].concat(), b"");
    assert_eq!(String::from_utf8(printed).unwrap(), "order 1 k v\norder 2 k v\n");
    assert_eq!(shell.0.backlog("t", "s").unwrap(), 0);
}

#[test]
fn ctrl_c_leaves_the_rest_to_others() {
    let shell = with_numbers(3);
    let mut child = shell.command(&["consume", "t", "-s", "s", "--from", "earliest"]).spawn().unwrap();
    assert_eq!(read_exactly(&mut child, 6), numbers(1..=3));
    assert!(shell.0.wait("ack", None, 1, Duration::from_secs(20)).unwrap());
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(said(&output), "stargate: 3 messages received\n");
    assert_eq!(shell.0.backlog("t", "s").unwrap(), 0);
}
