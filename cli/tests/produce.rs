//! `stargate produce`.

mod common;

use std::io::{Read, Write};
use std::time::Duration;

use common::{Shell, finish, interrupt, said};
use stargate_core::mock::MockOptions;

#[test]
fn lines_are_messages_as_they_are() {
    let shell = Shell::new();
    shell.ok(&["produce", "t"], b"one\n\nna\0ul\n\xff\xfe\r\nno newline");
    let expected: [&[u8]; 5] = [b"one", b"", b"na\0ul", b"\xff\xfe\r", b"no newline"];
    assert_eq!(shell.stored("t"), expected);
}

#[test]
fn the_delimiter_is_any_bytes() {
    let shell = Shell::new();
    shell.ok(&["produce", "t", "-D", r"\0;"], b"a\nb\0;c;\0;");
    assert_eq!(shell.stored("t"), [b"a\nb".to_vec(), b"c;".to_vec()]);
}

#[test]
fn keys_properties_and_numbers_come_from_the_arguments() {
    let shell = Shell::new();
    shell.ok(&["produce", "t", "-m", "order {{n}}", "-k", "k{{n}}", "-p", "origin=shop=1", "-n", "3"], b"");
    let messages = shell.0.messages("t").unwrap();
    let shown: Vec<_> =
        messages.iter().map(|message| (message.key.as_deref(), message.payload.as_deref().unwrap())).collect();
    assert_eq!(shown, [(Some("k1"), &b"order 1"[..]), (Some("k2"), b"order 2"), (Some("k3"), b"order 3")]);
    assert!(messages.iter().all(|message| message.properties["origin"] == "shop=1"));
    shell.ok(&["produce", "keyed", "-K", "::"], b"a::1::2\nplain\n");
    let messages = shell.0.messages("keyed").unwrap();
    let shown: Vec<_> =
        messages.iter().map(|message| (message.key.as_deref(), message.payload.as_deref().unwrap())).collect();
    assert_eq!(shown, [(Some("a"), &b"1::2"[..]), (None, b"plain")]);
}

#[test]
fn json_lines_have_all_of_a_message_and_wrong_ones_are_named() {
    let shell = Shell::new();
    let lines = br#"{"key":"k","payload":"text","properties":{"a":"b"},"event_time":5}
{"payload_base64":"/wA="}
{"payload":"x","propertys":{}}
{"key":"neither"}
"#;
    let output = shell.run(&["produce", "t", "-J"], lines);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("standard input, line 3: no receipt: not the JSON of a message: unknown field"));
    assert!(said(&output).contains("line 4: no receipt: expected either"), "{}", said(&output));
    let messages = shell.0.messages("t").unwrap();
    assert_eq!((messages[0].key.as_deref(), &messages[0].properties["a"][..]), (Some("k"), "b"));
    assert_eq!(shell.stored("t")[1], [0xff, 0]);
}

#[test]
fn files_are_read_one_after_the_other() {
    let shell = Shell::new();
    let folder = std::env::temp_dir().join(format!("stargate-cli-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (one, two) = (folder.join("one"), folder.join("two"));
    std::fs::write(&one, "1\n2").unwrap();
    std::fs::write(&two, "3\n").unwrap();
    let names = [one.to_str().unwrap(), two.to_str().unwrap()];
    shell.ok(&["produce", "t", "-l", names[0], names[1]], b"not read\n");
    assert_eq!(shell.stored("t"), [b"1", b"2", b"3"]);
    let output = shell.run(&["produce", "t", "-l", names[0], "/missing"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("/missing: No such file"), "{}", said(&output));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn ids_are_printed_in_the_order_of_the_lines() {
    let shell = Shell::new();
    let printed = String::from_utf8(shell.ok(&["produce", "t", "--print-ids"], b"a\nb\nc\n")).unwrap();
    let ids: Vec<String> = shell.0.messages("t").unwrap().into_iter().map(|message| message.message_id).collect();
    assert_eq!(printed.lines().collect::<Vec<_>>(), ids);
}

#[test]
fn a_line_over_the_limit_is_named_and_the_others_are_stored() {
    let shell = Shell::new();
    let long = "x".repeat(2_000_000);
    let input = format!("before\n{long}\n{}\nafter\n", &long[..700_000]);
    let output = shell.run(&["produce", "t"], input.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("standard input, line 2: no receipt: 2000000 bytes"), "{}", said(&output));
    assert!(said(&output).contains("3 messages stored"), "{}", said(&output));
    assert_eq!(shell.stored("t").iter().map(Vec::len).collect::<Vec<_>>(), [6, 700_000, 5]);
}

#[test]
fn lines_without_a_receipt_are_named() {
    let shell = Shell::new();
    shell.0.fault("send", None, "delay:0", 1).unwrap();
    shell.0.fault("send", None, "no-receipt", usize::MAX).unwrap();
    let output = shell.run(&["produce", "t", "-X", "send_timeout=2000"], b"1\n2\n3\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("standard input, lines 2 to 3: no receipt:"), "{}", said(&output));
    assert!(said(&output).contains("1 messages stored"), "{}", said(&output));
}

#[test]
fn a_lost_connection_is_reported_and_loses_nothing() {
    let shell = Shell::new();
    shell.0.fault("send", None, "close:1011:out of order", 1).unwrap();
    let output = shell.run(&["produce", "t", "--print-ids"], b"1\n2\n3\n");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("persistent://public/default/t: "), "{}", said(&output));
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 3);
    let stored = shell.stored("t");
    assert!([b"1", b"2", b"3"].iter().all(|line| stored.contains(&line.to_vec())), "{stored:?}");
}

#[test]
fn ctrl_c_stops_the_intake_and_waits_for_receipts() {
    let shell = Shell::new();
    // Standard input stays open, and the last line is not finished.
    let (child, stdin) = shell.fed(&["produce", "t"], b"a\nb\nunfinish");
    assert!(shell.0.wait("send", None, 2, Duration::from_secs(20)).unwrap());
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert_eq!(said(&output), "stargate: 2 messages stored\n");
    assert_eq!(shell.stored("t"), [b"a", b"b"]);
    drop(stdin);
}

#[test]
fn a_refusal_has_an_exit_code_of_its_own() {
    let shell = Shell::with(MockOptions { tokens: vec!["s3cret".to_owned()], ..MockOptions::default() });
    let output = shell.run(&["produce", "t"], b"x\n");
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let with_token = shell.command(&["produce", "t"]).env("STARGATE_TOKEN", "s3cret").spawn().unwrap();
    assert_eq!(finish(with_token, b"x\n").status.code(), Some(0));
}

#[test]
fn a_refusal_of_a_reconnect_has_the_same_exit_code() {
    let shell = Shell::new();
    let (child, mut stdin) = shell.fed(&["produce", "t"], b"a\n");
    assert!(shell.0.wait("send", None, 1, Duration::from_secs(20)).unwrap());
    shell.0.fault("connect", None, "http:403", usize::MAX).unwrap();
    shell.0.drop_connections(None).unwrap();
    assert!(shell.0.wait("connect", None, 2, Duration::from_secs(20)).unwrap());
    std::thread::sleep(Duration::from_millis(200));
    // The intake itself meets the end of the producer.
    let _ = stdin.write_all(b"b\nc\n");
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
}

#[test]
fn a_line_that_is_no_message_is_named_while_others_are_awaited() {
    let shell = Shell::new();
    let (mut child, stdin) = shell.fed(&["produce", "t", "-J"], b"nonsense\n{\n");
    let mut named = [0; 38];
    child.stderr.as_mut().unwrap().read_exact(&mut named).unwrap();
    assert_eq!(&named, b"stargate: standard input, line 1: no r");
    drop(stdin);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
}

#[test]
fn wrong_arguments_say_what_is_right() {
    let shell = Shell::new();
    for (arguments, says) in [
        (&["produce"][..], "<TOPIC>"),
        (&["produce", "t", "-X", "qeue_size=1"], "queue_size"),
        (&["produce", "t", "-X", "queue_size=1"], "for a consumer and reader, not for this command"),
        (&["produce", "t", "-X", "queue_size"], "expected OPTION=VALUE"),
        (&["produce", "t", "-X", "auth_token=s3cret"], "give -X auth_token=@FILE"),
        (&["produce", "t", "-X", "send_timeout=soon"], "send_timeout"),
        (&["produce", "t", "-D", ""], "at least one byte"),
        (&["produce", "t", "-n", "3"], "-m"),
        (&["read", "t", "--from", "soon!"], "a message id, a time"),
        (&["read", "t", "-X", "starting_message=latest"], "give --from instead"),
        (&["read", "t", "-f", "%q"], "%s %S %k"),
        (&["consume", "t"], "-s <SUB>"),
    ] {
        let output = shell.run(arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(says), "{arguments:?}: {}", said(&output));
        assert!(!said(&output).contains("s3cret"), "{arguments:?}");
    }
}
