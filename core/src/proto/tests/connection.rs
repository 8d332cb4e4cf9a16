//! The life of a connection: hosts in turn, backoff, fatal errors, pings, closing.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::message::OutgoingMessage;
use crate::proto::frame::OpenFrame;
use crate::proto::producer::{Command, Event, ProducerRole, Resend};

type Idle = ProducerRole<u64, ()>;

fn idle() -> Idle {
    ProducerRole::new(Resend::Again, None, Arc::default())
}

fn http(status: u16) -> Error {
    let kind = if status == 409 { ErrorKind::Busy } else { ErrorKind::Broker };
    Error::new(kind, "refused").with_http_status(status)
}

#[test]
fn the_first_failure_ends_a_session_that_is_not_lazy() {
    let mut world = World::new(idle(), Policy { lazy: false, ..policy() });
    world.fail(broken());
    assert_eq!(world.ended(), Some(ErrorKind::Connect));
}

/// The server releases a closed name a moment later. So the session retries after a conflict, for at most two seconds.
#[test]
fn a_first_attempt_waits_for_a_place_that_is_about_to_be_free() {
    let taken = || Error::new(ErrorKind::Busy, "taken").with_http_status(409);
    let mut world = World::new(idle(), Policy { lazy: false, ..policy() });
    world.fail(taken());
    world.pass(Duration::from_millis(1500));
    world.connect();
    assert!(world.session.is_open());

    let mut world = World::new(idle(), Policy { lazy: false, ..policy() });
    let mut attempts = 0;
    while world.ended().is_none() {
        world.fail(taken());
        world.pass(Duration::from_millis(100));
        attempts += 1;
        assert!(attempts <= 21, "it is still tried after {attempts} tenths of a second");
    }
    assert_eq!((world.ended(), world.now >= Moment::ZERO + Duration::from_secs(2)), (Some(ErrorKind::Busy), true));

    let mut world = World::new(idle(), Policy { lazy: false, ..policy() });
    world.fail(taken());
    world.pass(Duration::from_secs(1));
    world.fail(broken());
    assert_eq!(world.ended(), Some(ErrorKind::Connect), "only for a place that is taken");
}

/// A server that has not noticed the end of a connection refuses the next one.
#[test]
fn a_conflict_after_a_loss_names_what_is_held_since_when_and_the_setting() {
    let mut world = World::new(idle().with_name(true), policy());
    world.connect();
    world.pass(Duration::from_secs(41));
    let lost = world.disconnections().pop().unwrap().to_string();
    assert!(lost.contains("until the server notices that, it holds the producer's name"), "{lost}");
    while world.now < Moment::from_secs(53) {
        world.fail(Error::new(ErrorKind::Busy, "taken").with_http_status(409));
        world.pass(Duration::from_millis(500));
    }
    let refused = world.disconnections().pop().unwrap().to_string();
    for part in ["taken; if no other client has the producer's name", "lost 1", "webSocketSessionIdleTimeoutMillis"] {
        assert!(refused.contains(part), "{refused}");
    }

    world.fail(broken());
    world.pass(Duration::from_secs(10));
    world.fail(broken());
    let other = world.disconnections().pop().unwrap().to_string();
    assert!(!other.contains("webSocketSessionIdleTimeoutMillis"), "only a conflict is explained: {other}");
}

#[test]
fn a_first_conflict_names_a_client_that_vanished() {
    let mut world = World::new(idle().with_name(true), Policy { lazy: false, ..policy() });
    while world.ended().is_none() {
        world.fail(Error::new(ErrorKind::Busy, "taken").with_http_status(409));
        world.pass(Duration::from_millis(100));
    }
    let error = world.session.ended().unwrap().to_string();
    assert!(error.contains("the server still holds it for a client that vanished"), "{error}");
}

/// A host that cannot be reached does not hide that another one refuses, nor end the patience with a conflict.
#[test]
fn a_conflict_at_one_host_is_explained_although_another_host_is_down() {
    let two = |lazy| Policy { hosts: 2, lazy, ..policy() };
    let mut world = World::new(idle().with_name(true), two(true));
    world.connect();
    world.pass(Duration::from_secs(41));
    world.fail(Error::new(ErrorKind::Busy, "taken").with_http_status(409));
    world.fail(broken());
    let refused = world.disconnections().pop().unwrap().to_string();
    assert!(refused.contains("webSocketSessionIdleTimeoutMillis"), "{refused}");

    let mut world = World::new(idle(), two(false));
    world.fail(Error::new(ErrorKind::Busy, "taken").with_http_status(409));
    world.fail(broken());
    assert_eq!(world.ended(), None);
}

#[test]
fn what_is_not_held_is_not_named() {
    let mut world = World::new(idle(), policy());
    world.connect();
    world.pass(Duration::from_secs(41));
    let lost = world.disconnections().pop().unwrap().to_string();
    assert!(lost.contains("after a ping") && !lost.contains("holds"), "{lost}");
}

/// Each connection that dies of silence is as quiet as the one before, whatever closed it.
#[test]
fn pings_without_an_answer_are_no_sign_of_an_idle_gateway() {
    let mut world = World::new(idle(), policy());
    for _ in 0..2 {
        world.connect();
        world.pass(Duration::from_secs(41));
        let lost = world.disconnections().pop().unwrap().to_string();
        assert!(!lost.contains("idle"), "{lost}");
        world.pass(Duration::from_secs(1));
    }
}

#[test]
fn each_host_is_tried_before_the_first_wait() {
    let mut world = World::new(idle(), Policy { hosts: 3, ..policy() });
    world.fail(broken());
    world.fail(broken());
    assert_eq!(world.hosts_tried, [0, 1, 2]);
    world.fail(broken());
    assert!(world.attempt.is_none(), "now it waits");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.hosts_tried, [0, 1, 2, 0]);
}

#[test]
fn the_error_of_all_hosts_names_each_cause() {
    let mut world = World::new(idle(), Policy { hosts: 2, lazy: false, ..policy() });
    world.fail(Error::new(ErrorKind::Connect, "first cause"));
    world.fail(Error::new(ErrorKind::Connect, "second cause"));
    let error = world.session.ended().unwrap().to_string();
    assert!(error.contains("first cause") && error.contains("second cause"), "{error}");
}

#[test]
fn what_cannot_heal_ends_the_session_and_a_busy_broker_does_not() {
    for (status, before, after) in [
        (400, true, true),
        (401, true, true),
        (403, true, true),
        (404, true, true),
        (409, false, false),
        (500, false, false),
        (429, false, false),
        (503, false, false),
        (504, false, false),
    ] {
        let mut world = World::new(idle(), policy());
        world.fail(http(status));
        assert_eq!(world.ended().is_some(), before, "{status} at the first attempt");

        let mut world = World::new(idle(), policy());
        world.connect();
        world.disconnect();
        world.pass(Duration::from_secs(1));
        world.fail(http(status));
        assert_eq!(world.ended().is_some(), after, "{status} after a success");

        let mut world = World::new(idle(), Policy { keep_trying: true, ..policy() });
        world.fail(http(status));
        assert_eq!(world.ended(), None, "{status} with keep_trying");
    }
}

/// A gateway without the token, or without the topic, is no reason to give up the other hosts.
#[test]
fn one_host_that_refuses_ends_nothing_while_another_may_grant_it() {
    for status in [401, 404] {
        let mut world = World::new(idle(), Policy { hosts: 2, lazy: false, ..policy() });
        world.fail(http(status));
        assert_eq!((world.ended(), &world.hosts_tried[..]), (None, &[0, 1][..]), "{status}");
        world.connect();
        assert!(world.session.is_open());

        // A host that cannot be reached has not refused.
        world.disconnect();
        world.pass(Duration::from_secs(1));
        world.fail(http(status));
        world.fail(broken());
        assert_eq!(world.ended(), None, "{status}, and one host is down");
        let last = world.changes.last();
        let Some(Change::Disconnected { error, .. }) = last else { panic!("{last:?}") };
        assert_eq!((error.kind(), error.http_status()), (ErrorKind::Connect, None), "{error}");

        world.pass(Duration::from_secs(20));
        world.fail(http(status));
        world.fail(http(status));
        assert_eq!(world.ended(), Some(ErrorKind::Broker), "{status} of both");
        assert_eq!(world.session.ended().and_then(Error::http_status), Some(status));
    }
}

#[test]
fn a_schema_that_does_not_fit_ends_the_session() {
    let mut world = World::new(idle(), policy());
    world.fail(Error::new(ErrorKind::Broker, "incompatible schema").with_http_status(409));
    assert_eq!(world.ended(), Some(ErrorKind::Broker));
}

#[test]
fn attempts_end_where_they_are_limited() {
    let mut world = World::new(idle(), Policy { max_reconnects: 3, ..policy() });
    for _ in 0..3 {
        assert_eq!(world.ended(), None);
        world.fail(broken());
        world.pass(Duration::from_secs(20));
    }
    assert_eq!(world.ended(), Some(ErrorKind::Connect));
}

#[test]
fn attempts_are_counted_anew_after_a_success() {
    let mut world = World::new(idle(), Policy { max_reconnects: 2, ..policy() });
    for _ in 0..5 {
        world.fail(broken());
        world.pass(Duration::from_secs(20));
        world.connect();
        world.disconnect();
        world.pass(Duration::from_secs(20));
    }
    assert_eq!(world.ended(), None);
}

#[test]
fn after_a_lost_connection_the_next_host_is_tried_and_again_each_before_the_first_wait() {
    let mut world = World::new(idle(), Policy { hosts: 2, ..policy() });
    world.fail(broken());
    world.connect();
    world.disconnect();
    world.pass(Duration::from_secs(1));
    assert_eq!(world.hosts_tried, [0, 1, 0]);
    world.fail(broken());
    assert_eq!(world.hosts_tried, [0, 1, 0, 1], "what failed before the connection is forgotten");
}

#[test]
fn a_second_close_does_not_prolong_the_first() {
    let mut world = World::new(idle(), policy());
    world.connect();
    let frame = OpenFrame::encode(OutgoingMessage::new("x"), 4096).unwrap();
    world.command(Command::Send { frame, ticket: 1, hold: (), deadline: None });
    world.written();
    world.session.close(world.now, Duration::from_secs(5));
    world.session.close(world.now, Duration::from_secs(500));
    world.act();
    world.pass(Duration::from_secs(5));
    assert_eq!(world.ended(), Some(ErrorKind::Closed));
}

#[test]
fn a_connection_without_use_does_not_reset_the_backoff() {
    let mut world = World::new(idle(), policy());
    for _ in 0..12 {
        world.connect();
        world.disconnect();
        world.pass(Duration::from_secs(11));
    }
    let waits = |changes: &[Change]| -> Vec<Duration> {
        let wait = |change: &Change| match change {
            Change::Disconnected { retry_in, .. } => Some(*retry_in),
            _ => None,
        };
        changes.iter().filter_map(wait).collect()
    };
    assert!(waits(&world.changes).iter().max().unwrap() > &Duration::from_secs(2), "{:?}", waits(&world.changes));
    // a receipt counts as useful
    world.connect();
    world.receive(r#"{"result":"ok","messageId":"CAUQATAA","context":"999"}"#);
    world.disconnect();
    assert!(waits(&world.changes).last().unwrap() <= &Duration::from_millis(100));
}

#[test]
fn silence_after_a_ping_is_a_disconnect() {
    let mut world = World::new(idle(), policy());
    world.connect();
    world.pass(Duration::from_secs(39));
    assert_eq!((world.pings, world.session.is_open()), (1, true));
    world.pass(Duration::from_secs(1));
    assert!(!world.session.is_open());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.hosts_tried.len(), 2);
}

#[test]
fn anything_heard_after_a_ping_keeps_a_connection() {
    let mut world = World::new(idle(), policy());
    world.connect();
    for pings in 1..5 {
        world.pass(Duration::from_secs(30));
        assert_eq!(world.pings, pings);
        world.session.handle_activity();
    }
    assert!(world.session.is_open());
    assert_eq!(world.hosts_tried.len(), 1);
}

#[test]
fn a_close_waits_for_what_is_in_flight_and_then_for_the_peer() {
    let mut world = World::new(idle(), policy());
    world.connect();
    let frame = OpenFrame::encode(OutgoingMessage::new("x"), 4096).unwrap();
    world.command(Command::Send { frame, ticket: 1, hold: (), deadline: None });
    world.session.close(world.now, Duration::from_secs(5));
    world.act();
    assert_eq!((world.written().len(), world.closes), (1, 0));
    world.receive(r#"{"result":"ok","messageId":"CAUQATAA","context":"0"}"#);
    assert_eq!((world.closes, world.ended()), (1, None));
    world.disconnect();
    assert_eq!(world.ended(), Some(ErrorKind::Closed));
    assert!(matches!(world.changes.last(), Some(Change::Ended { error: None, unfinished: false })));
}

#[test]
fn a_close_ends_in_its_time_whatever_the_peer_does() {
    for connected in [true, false] {
        let mut world = World::new(idle(), policy());
        if connected {
            world.connect();
        }
        let frame = OpenFrame::encode(OutgoingMessage::new("x"), 4096).unwrap();
        world.command(Command::Send { frame, ticket: 1, hold: (), deadline: None });
        world.written();
        world.session.close(world.now, Duration::from_secs(5));
        world.act();
        world.pass(Duration::from_secs(5));
        assert_eq!(world.ended(), Some(ErrorKind::Closed));
        assert!(matches!(world.changes.last(), Some(Change::Ended { unfinished: true, .. })));
        assert!(matches!(&world.events()[..], [Event::Sent(1, Err(_), _)]));
    }
}

#[test]
fn a_frame_of_no_protocol_is_reported_and_costs_nothing_else() {
    let mut world = World::new(idle(), policy());
    world.connect();
    world.receive("<html>");
    assert!(matches!(world.changes.last(), Some(Change::Malformed { .. })));
    assert!(world.session.is_open());
}

#[test]
fn what_is_told_after_the_end_ends_with_its_reason() {
    let mut world = World::new(idle(), Policy { lazy: false, ..policy() });
    world.fail(http(404));
    let frame = OpenFrame::encode(OutgoingMessage::new("x"), 4096).unwrap();
    world.command(Command::Send { frame, ticket: 5, hold: (), deadline: None });
    world.command(Command::Flush { ticket: 6 });
    let events = world.events();
    assert!(matches!(&events[..], [Event::Sent(5, Err(_), _), Event::Flushed(6, Ok(()))]));
}
