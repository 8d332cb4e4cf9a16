//! A consumer against a model of the server's window.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::message::{Message, MessageId};
use crate::proto::consumer::{Command, ConsumerRole, Event, Settings};
use crate::stats::Counters;

type Role = ConsumerRole<u64>;

fn world_with(pull: bool, window: usize) -> (World<Role>, Arc<Counters>) {
    let settings = Settings {
        topic: Arc::new("t".parse().unwrap()),
        session: 0,
        pull,
        window,
        acks_travel: true,
        one_id: false,
        shared: false,
    };
    let counters: Arc<Counters> = Arc::default();
    (World::new(ConsumerRole::new(settings, counters.clone()), policy()), counters)
}

fn id(entry: u64) -> MessageId {
    MessageId::at(7, entry, -1, -1)
}

fn delivery(entry: u64) -> String {
    format!(r#"{{"messageId":"{}","payload":"eA==","properties":{{}},"redeliveryCount":0}}"#, id(entry).as_str())
}

fn delivered(world: &mut World<Role>) -> Vec<Message> {
    let message = |event| match event {
        Event::Message(message) => Some(*message),
        _ => None,
    };
    world.events().into_iter().filter_map(message).collect()
}

fn ack(message: &Message) -> Command<u64> {
    Command::Ack { id: message.id().clone(), connection: Some(message.origin.connection), finished: true }
}

/// Returns what the client wrote, after the delay in which it batches acknowledgements.
fn written(world: &mut World<Role>) -> Vec<String> {
    let mut frames: Vec<String> = world.written().iter().map(|text| text.to_string()).collect();
    world.pass(Duration::from_millis(2));
    frames.extend(world.written().iter().map(|text| text.to_string()));
    frames
}

#[test]
fn an_acknowledgement_is_sent_once() {
    let (mut world, counters) = world_with(false, 10);
    world.connect();
    world.receive(&delivery(1));
    let message = delivered(&mut world).remove(0);
    world.command(ack(&message));
    world.command(ack(&message));
    assert_eq!(written(&mut world), [format!(r#"{{"messageId":"{}"}}"#, id(1).as_str())]);
    assert_eq!((counters.snapshot().acked, counters.snapshot().acks_dropped), (1, 1));
}

#[test]
fn every_delivery_of_a_message_gives_its_place_in_the_window_back() {
    let (mut world, counters) = world_with(false, 10);
    world.connect();
    world.receive(&delivery(1));
    world.receive(&delivery(1));
    let message = delivered(&mut world).remove(0);
    assert_eq!(written(&mut world).len(), 1, "of the first delivery, while the message is in hand");
    assert_eq!(counters.snapshot().unacked, 1);
    world.command(ack(&message));
    assert_eq!(written(&mut world).len(), 1);
    assert_eq!(counters.snapshot().unacked, 0);
}

/// After `ack_timeout`, for example: the server counts each delivery against its window, so one message would fill it.
#[test]
fn a_message_that_comes_again_and_again_holds_one_place_in_the_window() {
    let (mut world, counters) = world_with(false, 3);
    world.connect();
    for _ in 0..20 {
        world.receive(&delivery(1));
    }
    let frames = written(&mut world);
    assert_eq!(frames.len(), 19);
    assert!(frames.iter().all(|frame| !frame.contains(id(1).as_str())), "it is not acknowledged: {frames:?}");
    assert_eq!((delivered(&mut world).len(), counters.snapshot().unacked), (20, 1));
}

#[test]
fn a_late_acknowledgement_travels_only_where_it_can_count() {
    let (mut world, counters) = world_with(false, 10);
    world.connect();
    world.receive(&delivery(1));
    let plain = delivered(&mut world).remove(0);
    world.disconnect();
    world.command(ack(&plain));
    let batched = Command::Ack { id: MessageId::at(7, 2, -1, 0), connection: Some(1), finished: true };
    world.command(batched);
    let partitioned = Command::Ack { id: MessageId::at(7, 2, 3, -1), connection: Some(1), finished: true };
    world.command(partitioned);
    world.pass(Duration::from_secs(1));
    world.connect();
    assert_eq!(written(&mut world), [format!(r#"{{"messageId":"{}"}}"#, plain.id().as_str())]);
    assert_eq!(counters.snapshot().acks_dropped, 2);
}

#[test]
fn a_full_window_in_the_applications_hands_is_reported_once() {
    let (mut world, counters) = world_with(false, 2);
    world.connect();
    world.receive(&delivery(1));
    world.receive(&delivery(2));
    delivered(&mut world);
    world.pass(Duration::from_secs(20));
    assert!(world.events().is_empty(), "the application has not taken them yet");
    world.session.handle_activity();
    world.command(Command::Finished { messages: 2 });
    world.pass(Duration::from_secs(9));
    assert!(world.events().is_empty());
    world.session.handle_activity();
    world.pass(Duration::from_secs(2));
    assert!(matches!(&world.events()[..], [Event::Stalled { unacked: 2 }]));
    world.session.handle_activity();
    world.command(Command::Finished { messages: 0 });
    world.pass(Duration::from_secs(29));
    assert!(world.events().is_empty());
    assert_eq!(counters.snapshot().stalls, 1);
}

#[test]
fn what_nobody_can_read_is_asked_for_once_more_and_then_left_out() {
    for pull in [false, true] {
        let (mut world, counters) = world_with(pull, 2);
        world.connect();
        written(&mut world);
        world.receive("}{");
        assert!(!world.session.is_open(), "it may have been a message, which is redelivered");
        world.receive(&delivery(1));
        assert!(world.events().is_empty(), "this connection is none any more");
        world.pass(Duration::from_secs(1));
        world.connect();
        written(&mut world);
        world.receive(&delivery(1));
        world.receive("}{");
        assert!(world.session.is_open(), "the topic holds it, so that no connection is a way around it");
        delivered(&mut world);
        world.command(Command::Finished { messages: 1 });
        world.session.handle_activity();
        world.pass(Duration::from_secs(11));
        if pull {
            assert_eq!(counters.snapshot().permits, 2, "what was asked for and came to nothing is asked for again");
        } else {
            assert!(matches!(&world.events()[..], [Event::Stalled { .. }]), "it holds a place of the window");
        }
        world.session.handle_activity();
        world.receive(&delivery(2));
        world.receive("}{");
        assert!(!world.session.is_open(), "a window later it is another one");
    }
}

#[test]
fn answers_go_to_their_questions_over_a_reconnect() {
    let (mut world, _) = world_with(false, 10);
    world.connect();
    world.command(Command::IsEndOfTopic { ticket: 1 });
    assert_eq!(written(&mut world).len(), 1);
    world.disconnect();
    world.pass(Duration::from_secs(1));
    world.connect();
    assert_eq!(written(&mut world).len(), 1, "asked again");
    world.receive(r#"{"endOfTopic":true}"#);
    assert!(matches!(&world.events()[..], [Event::EndOfTopic(1, Ok(true))]));
}

#[test]
fn an_unsubscribe_that_the_server_drops_the_connection_over_is_an_error() {
    let (mut world, _) = world_with(false, 10);
    world.connect();
    world.command(Command::Unsubscribe { ticket: 1 });
    assert_eq!(written(&mut world).len(), 2);
    world.disconnect();
    assert!(matches!(&world.events()[..], [Event::Unsubscribed(1, Err(_))]));
}

#[test]
fn a_close_sends_the_acknowledgements_first() {
    let (mut world, _) = world_with(false, 1000);
    world.connect();
    world.receive(&delivery(1));
    let message = delivered(&mut world).remove(0);
    world.command(ack(&message));
    world.session.close(world.now, Duration::from_secs(5));
    world.act();
    assert_eq!(world.closes, 0);
    assert_eq!((world.written().len(), world.closes), (1, 1));
}

#[test]
fn a_close_keeps_its_connection_for_the_acknowledgements_whatever_comes_on_it() {
    let (mut world, counters) = world_with(false, 1000);
    world.connect();
    for entry in [1, 2] {
        world.receive(&delivery(entry));
    }
    let message = delivered(&mut world).remove(0);
    world.command(ack(&message));
    world.session.close(world.now, Duration::from_secs(5));
    world.receive("}{");
    assert_eq!((world.written().len(), world.closes), (1, 1));
    world.disconnect();
    assert_eq!(counters.snapshot().unacked, 0, "what is not acknowledged is nobody's any more");
}

#[test]
fn every_delivery_of_a_refused_message_gives_its_place_back_too() {
    let (mut world, _) = world_with(false, 10);
    world.connect();
    world.receive(&delivery(1));
    world.receive(&delivery(1));
    let id = delivered(&mut world).remove(0).id().clone();
    world.command(Command::Nack { id, finished: true });
    assert_eq!(written(&mut world).len(), 2);
}

#[test]
fn a_window_that_was_acknowledged_is_no_stall() {
    let (mut world, counters) = world_with(false, 2);
    world.connect();
    for entry in [1, 2] {
        world.receive(&delivery(entry));
        let message = delivered(&mut world).remove(0);
        world.command(ack(&message));
    }
    world.pass(Duration::from_secs(11));
    assert!(world.events().is_empty());
    assert_eq!(counters.snapshot().stalls, 0);
}

#[test]
fn a_new_connection_in_pull_mode_is_asked_for_the_whole_window_and_no_more() {
    for was_written in [false, true] {
        let (mut world, _) = world_with(true, 4);
        world.connect();
        if was_written {
            assert_eq!(world.written().len(), 1);
        }
        world.disconnect();
        world.pass(Duration::from_secs(1));
        world.connect();
        assert_eq!(written(&mut world), [r#"{"type":"permit","permitMessages":4}"#]);
    }
}

#[test]
fn an_acknowledgement_that_the_connection_took_along_is_counted_and_not_sent_on_the_next() {
    let (mut world, counters) = world_with(false, 100);
    world.connect();
    world.receive(&delivery(1));
    let message = delivered(&mut world).remove(0);
    world.command(ack(&message));
    world.disconnect();
    world.pass(Duration::from_secs(1));
    world.connect();
    assert!(written(&mut world).is_empty());
    assert_eq!(counters.snapshot().acks_dropped, 1);
}

#[test]
fn acknowledgements_that_waited_for_a_connection_go_first_of_all() {
    let (mut world, _) = world_with(false, 100);
    world.connect();
    world.receive(&delivery(1));
    let message = delivered(&mut world).remove(0);
    world.disconnect();
    world.command(ack(&message));
    world.pass(Duration::from_secs(1));
    world.connect();
    assert_eq!(world.written().len(), 1, "before the server delivers the message again");
}

#[test]
fn acknowledgements_go_out_before_an_unsubscribe() {
    let (mut world, _) = world_with(false, 100);
    world.connect();
    world.receive(&delivery(1));
    let message = delivered(&mut world).remove(0);
    world.command(ack(&message));
    world.command(Command::Unsubscribe { ticket: 1 });
    let frames = world.written();
    assert_eq!(frames.len(), 3);
    assert!(frames[0].contains("messageId") && frames[1].contains("unsubscribe"), "{frames:?}");
}

#[test]
fn a_question_after_the_end_is_answered_with_its_reason() {
    let (mut world, _) = world_with(false, 10);
    world.fail(broken().with_http_status(404));
    world.command(Command::IsEndOfTopic { ticket: 1 });
    assert!(matches!(&world.events()[..], [Event::EndOfTopic(1, Err(_))]));
}

#[test]
fn an_id_given_twice_is_acknowledged_once_although_another_connection_delivered_it() {
    let (mut world, counters) = world_with(false, 10);
    world.connect();
    for _ in 0..3 {
        world.command(Command::Ack { id: id(1), connection: None, finished: false });
    }
    assert_eq!(written(&mut world).len(), 1);
    assert_eq!((counters.snapshot().acked, counters.snapshot().acks_dropped), (1, 2));
}

#[test]
fn where_all_ids_are_one_an_acknowledgement_is_for_one_message() {
    let settings = Settings {
        topic: Arc::new("non-persistent://public/default/t".parse().unwrap()),
        session: 0,
        pull: false,
        window: 10,
        acks_travel: true,
        one_id: true,
        shared: false,
    };
    let mut world = World::new(ConsumerRole::new(settings, Arc::<Counters>::default()), policy());
    world.connect();
    for _ in 0..3 {
        world.receive(&delivery(0));
    }
    let messages = delivered(&mut world);
    world.command(ack(&messages[0]));
    assert_eq!(written(&mut world).len(), 1);
    world.command(ack(&messages[1]));
    world.command(ack(&messages[2]));
    assert_eq!(written(&mut world).len(), 2);
}

#[test]
fn an_unsubscribe_without_a_connection_is_refused_and_not_kept() {
    let (mut world, _) = world_with(false, 10);
    world.command(Command::Unsubscribe { ticket: 1 });
    assert!(matches!(&world.events()[..], [Event::Unsubscribed(1, Err(_))]));
    world.connect();
    assert!(written(&mut world).is_empty());
}

#[test]
fn what_was_acknowledged_before_the_last_handle_went_is_still_sent() {
    let (mut world, counters) = world_with(false, 1000);
    world.connect();
    world.receive(&delivery(1));
    let message = delivered(&mut world).remove(0);
    world.command(ack(&message));
    world.session.handle_abandoned(world.now);
    world.act();
    assert_eq!((world.written().len(), world.closes), (1, 1));
    assert_eq!(counters.snapshot().acks_dropped, 0);
}

#[test]
fn a_close_waits_for_a_connection_to_carry_late_acknowledgements_and_counts_what_it_cannot() {
    for comes_back in [true, false] {
        let (mut world, counters) = world_with(false, 1000);
        world.connect();
        world.receive(&delivery(1));
        let message = delivered(&mut world).remove(0);
        world.disconnect();
        world.command(ack(&message));
        world.session.close(world.now, Duration::from_secs(5));
        world.act();
        assert_eq!(world.ended(), None);
        if comes_back {
            world.pass(Duration::from_secs(1));
            world.connect();
            assert_eq!(world.written().len(), 1);
        }
        world.pass(Duration::from_secs(5));
        assert_eq!(world.ended(), Some(ErrorKind::Closed));
        assert_eq!(counters.snapshot().acks_dropped, u64::from(!comes_back));
    }
}

#[test]
fn a_cumulative_acknowledgement_answers_all_before_it_and_what_comes_again_of_them() {
    for pull in [false, true] {
        let (mut world, counters) = world_with(pull, 10);
        world.connect();
        (1..=5).for_each(|entry| world.receive(&delivery(entry)));
        let messages = delivered(&mut world);
        written(&mut world);
        world.command(Command::AckCumulative { id: messages[2].id().clone() });
        assert_eq!(written(&mut world), [1, 2, 3].map(|entry| format!(r#"{{"messageId":"{}"}}"#, id(entry).as_str())));
        assert_eq!((counters.snapshot().acked, counters.snapshot().unacked), (3, 2));

        // Acknowledged while disconnected: a redelivery is not passed to the application, and its slot is released.
        world.disconnect();
        world.command(Command::AckCumulative { id: messages[3].id().clone() });
        world.pass(Duration::from_secs(1));
        world.connect();
        written(&mut world);
        (3..=5).for_each(|entry| world.receive(&delivery(entry)));
        assert_eq!(delivered(&mut world).iter().map(|message| message.id().entry()).collect::<Vec<_>>(), [5]);
        let frames = written(&mut world);
        assert_eq!(frames.iter().filter(|frame| frame.contains("messageId")).count(), 2, "{frames:?}");
        assert_eq!((counters.snapshot().covered, counters.snapshot().unacked), (2, 1));
        world.command(Command::AckCumulative { id: messages[0].id().clone() });
        assert_eq!(counters.snapshot().acks_dropped, 1, "it said nothing new");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Deliver,
    Redeliver,
    AckCumulative(usize),
    Ack(usize),
    Nack(usize),
    Continue,
    Disconnect,
    Connect,
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Deliver),
        1 => Just(Step::Redeliver),
        4 => (0..8usize).prop_map(Step::Ack),
        1 => (0..8usize).prop_map(Step::AckCumulative),
        1 => (0..8usize).prop_map(Step::Nack),
        1 => Just(Step::Continue),
        1 => Just(Step::Disconnect),
        3 => Just(Step::Connect),
        2 => (1..500u16).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(cases())]

    /// The server counts each delivered frame against the window, and each acknowledgement back, whatever its id.
    #[test]
    fn the_window_never_leaks_and_never_grows(
        steps in prop::collection::vec(step(), 0..120),
        pull in any::<bool>(),
        window in 1usize..8,
    ) {
        let (mut world, counters) = world_with(pull, window);
        let (mut pending, mut credit) = (0i64, 0i64);
        let (mut next, mut held) = (0u64, Vec::<Message>::new());
        let (mut travelling, mut connection) = (0i64, 0u64);
        for step in steps {
            match step {
                Step::Deliver | Step::Redeliver if world.session.is_open() => {
                    let room = if pull { credit > 0 } else { pending < window as i64 };
                    if room {
                        let entry = if matches!(step, Step::Redeliver) { next.saturating_sub(1) } else { next += 1; next };
                        world.receive(&delivery(entry));
                        (pending, credit) = (pending + 1, credit - 1);
                        held.extend(delivered(&mut world));
                    }
                }
                Step::Ack(index) if index < held.len() => {
                    let message = held.remove(index);
                    travelling += i64::from(!world.session.is_open() || message.origin.connection != connection);
                    world.command(ack(&message));
                }
                Step::AckCumulative(index) if index < held.len() => {
                    let id = held[index].id().clone();
                    held.retain(|message| message.id() > &id);
                    world.command(Command::AckCumulative { id });
                }
                Step::Nack(index) if index < held.len() => {
                    let id = held.remove(index).id().clone();
                    world.command(Command::Nack { id, finished: true });
                }
                Step::Continue if !held.is_empty() => world.command(Command::Finished { messages: 1 }),
                Step::Disconnect => {
                    world.disconnect();
                    (pending, credit) = (0, 0);
                }
                Step::Connect if world.connect().is_some() => {
                    connection += 1;
                    (pending, credit) = (0, 0);
                }
                Step::Pass(millis) => {
                    world.session.handle_activity();
                    world.pass(Duration::from_millis(millis.into()));
                }
                _ => {}
            }
            for frame in world.written() {
                let json: serde_json::Value = serde_json::from_str(&frame).unwrap();
                match json["type"].as_str() {
                    Some("permit") => {
                        let asked = json["permitMessages"].as_i64().unwrap();
                        prop_assert!(asked >= 1);
                        credit += asked;
                        prop_assert!(credit <= window as i64, "asked for more than the window");
                    }
                    _ => pending -= 1,
                }
            }
            // acknowledgements of an earlier connection may release a slot that this one did not fill
            prop_assert!(pending >= -travelling - held.len() as i64, "junk acknowledgements widen the window: {}", pending);
            let unacked = counters.snapshot().unacked as i64;
            prop_assert!(unacked <= window as i64 + travelling || pull);
        }
        // Everything is acknowledged, so the whole window is available again.
        if world.session.is_open() && !pull {
            for message in held.drain(..) {
                world.command(ack(&message));
            }
            world.pass(Duration::from_millis(2));
            for frame in world.written() {
                prop_assert!(frame.contains("messageId"));
                pending -= 1;
            }
            prop_assert!(pending <= 0, "{} places of the window are lost", pending);
        }
    }
}
