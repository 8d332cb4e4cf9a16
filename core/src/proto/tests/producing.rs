//! A producer against a model of the broker: each accepted message ends once, and disconnects do not change the order.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::message::OutgoingMessage;
use crate::proto::frame::{ConnectionKey, OpenFrame};
use crate::proto::producer::{Command, DOUBT, Event, ProducerRole, Resend, Stored};
use crate::query::Query;

/// The messages that the broker has stored, and the receipts that it has not sent yet.
#[derive(Default)]
struct Broker {
    /// Payloads in storage order.
    stored: Vec<u64>,
    /// Receipts not yet delivered on this connection.
    unsent: Vec<String>,
    /// The sequence id of the next message of this connection, with deduplication.
    sequence: Option<i64>,
    /// The highest sequence id stored.
    highest: i64,
}

impl Broker {
    fn connected(&mut self, query: &Query) {
        self.unsent.clear();
        let initial = query.get(Query::INITIAL_SEQUENCE_ID);
        self.sequence = initial.map(|id| id.parse::<i64>().unwrap() + 1);
    }

    fn take(&mut self, frame: &str) {
        let json: serde_json::Value = serde_json::from_str(frame).unwrap();
        let context = json["context"].as_str().unwrap();
        if json.get("properties").is_some() {
            let text = "org.apache.pulsar.client.api.PulsarClientException$Something: refused";
            self.unsent.push(format!(r#"{{"result":"send-error:8","errorMsg":"{text}","context":"{context}"}}"#));
            return;
        }
        let mut id = STORED;
        let fresh = match &mut self.sequence {
            None => true,
            Some(next) => {
                *next += 1;
                *next - 1 > self.highest
            }
        };
        if fresh {
            self.stored.push(json["key"].as_str().unwrap().parse().unwrap());
            self.highest = self.sequence.map_or(self.highest, |next| next - 1);
        } else {
            id = DUPLICATE;
        }
        self.unsent.push(receipt(id, context.parse().unwrap()));
    }

    /// The server loses its own connection to the broker, and resends what was in flight there.
    fn resend(&mut self) {
        if self.sequence.is_some() {
            self.unsent.iter_mut().for_each(|receipt| *receipt = receipt.replace(STORED, DUPLICATE));
        }
    }
}

fn frame(number: u64) -> OpenFrame {
    OpenFrame::encode(OutgoingMessage::new("x").key(number.to_string()), 4096).unwrap()
}

/// Returns a message that the broker refuses, however often it is sent.
fn refused_frame(number: u64) -> OpenFrame {
    OpenFrame::encode(OutgoingMessage::new("x").key(number.to_string()).property("refuse", "me"), 4096).unwrap()
}

fn world(resend: Resend) -> World<ProducerRole<u64, ()>> {
    World::new(ProducerRole::new(resend, None, Arc::default()), policy())
}

/// Collects each outcome by its ticket, and fails on a second outcome for a ticket.
fn outcomes(world: &mut World<ProducerRole<u64, ()>>, into: &mut BTreeMap<u64, Result<Stored, ErrorKind>>) {
    for event in world.events() {
        if let Event::Sent(ticket, outcome, _) = event {
            let before = into.insert(ticket, outcome.map_err(|error| error.kind()));
            assert!(before.is_none(), "message {ticket} ended twice");
        }
    }
}

#[test]
fn what_has_no_receipt_is_sent_again_in_order() {
    let mut world = world(Resend::Again);
    world.connect();
    for number in 0..3 {
        world.command(Command::Send { frame: frame(number), ticket: number, hold: (), deadline: None });
    }
    let first = world.written();
    world.receive(r#"{"result":"ok","messageId":"CAUQATAA","context":"0"}"#);
    world.disconnect();
    world.pass(Duration::from_secs(1));
    world.connect();
    assert_eq!(world.written(), first[1..]);
}

#[test]
fn with_fail_what_was_written_is_unknown_and_what_was_not_is_sent() {
    let mut world = world(Resend::Never);
    world.connect();
    world.command(Command::Send { frame: frame(0), ticket: 0, hold: (), deadline: None });
    assert_eq!(world.written().len(), 1);
    world.disconnect();
    world.command(Command::Send { frame: frame(1), ticket: 1, hold: (), deadline: None });
    let mut ended = BTreeMap::new();
    outcomes(&mut world, &mut ended);
    assert_eq!(ended, BTreeMap::from([(0, Err(ErrorKind::OutcomeUnknown))]));
    world.pass(Duration::from_secs(1));
    world.connect();
    assert!(world.written()[0].contains(r#""key":"1""#));
}

#[test]
fn errors_that_overtake_receipts_belong_to_their_own_messages() {
    let mut world = world(Resend::Again);
    world.connect();
    for number in 0..3 {
        world.command(Command::Send { frame: frame(number), ticket: number, hold: (), deadline: None });
    }
    world.written();
    let full = "org.apache.pulsar.client.api.PulsarClientException$ProducerQueueIsFullError: full";
    world.receive(&format!(r#"{{"result":"send-error:8","errorMsg":"{full}","context":"2"}}"#));
    world.receive(r#"{"result":"ok","messageId":"CAUQATAA","context":"0"}"#);
    let mut ended = BTreeMap::new();
    outcomes(&mut world, &mut ended);
    assert_eq!(ended.len(), 2);
    assert_eq!(ended[&2], Err(ErrorKind::QueueFull));
    assert!(ended[&0].is_ok());
}

#[test]
fn receipts_without_or_with_an_unknown_context_harm_nobody() {
    let mut world = world(Resend::Again);
    world.connect();
    world.command(Command::Send { frame: frame(0), ticket: 0, hold: (), deadline: Some(Duration::from_secs(3)) });
    world.written();
    world.receive(r#"{"result":"send-error:3","errorMsg":"what?"}"#);
    world.receive(r#"{"result":"ok","messageId":"CAUQATAA","context":"77"}"#);
    world.receive(r#"{"result":"ok","messageId":"CAUQATAA","context":"mine"}"#);
    assert!(world.events().is_empty() && world.session.is_open());
    world.pass(Duration::from_secs(3));
    assert!(matches!(&world.events()[..], [Event::Sent(0, Err(error), _)] if error.kind() == ErrorKind::Timeout));
}

#[test]
fn a_flush_is_answered_when_all_before_it_has_ended_and_nothing_after_it() {
    let mut world = world(Resend::Again);
    world.connect();
    world.command(Command::Send { frame: frame(0), ticket: 0, hold: (), deadline: None });
    world.command(Command::Flush { ticket: 100 });
    world.command(Command::Send { frame: frame(1), ticket: 1, hold: (), deadline: None });
    world.written();
    assert!(world.events().is_empty());
    world.receive(r#"{"result":"ok","messageId":"CAUQATAA","context":"0"}"#);
    assert!(matches!(&world.events()[..], [Event::Sent(0, Ok(_), _), Event::Flushed(100, Ok(()))]));
}

const STORED: &str = "CAUQATAA";
const DUPLICATE: &str = "CP///////////wEQ////////////ATAA";

fn receipt(id: &str, context: u64) -> String {
    format!(r#"{{"result":"ok","messageId":"{id}","context":"{context}"}}"#)
}

/// Returns a producer that has written its first `count` messages, with the range of ids for them and later messages.
fn numbered_world(count: u64) -> World<ProducerRole<u64, ()>> {
    let mut world = world(Resend::Numbered { first: 10, chosen: true });
    assert_eq!(world.connect().unwrap().get(Query::INITIAL_SEQUENCE_ID), Some("9"));
    for number in 0..count {
        world.command(Command::Send { frame: frame(number), ticket: number, hold: (), deadline: None });
    }
    assert_eq!(world.written().len() as u64, count);
    world
}

/// The server resends by itself what was in flight when it lost its connection to the broker.
#[test]
fn a_duplicate_after_a_receipt_is_stored_although_it_was_sent_once() {
    let mut world = numbered_world(2);
    world.receive(&receipt(STORED, 0));
    world.receive(&receipt(DUPLICATE, 1));
    let events = world.events();
    let [Event::Sent(0, Ok(first), _), Event::Sent(1, Ok(second), _)] = &events[..] else { panic!("two receipts") };
    assert_eq!((first.duplicate, second.duplicate), (false, true));
}

#[test]
fn duplicates_before_the_first_receipt_are_in_doubt_until_it_comes() {
    let mut world = numbered_world(3);
    world.receive(&receipt(DUPLICATE, 0));
    world.receive(&receipt(DUPLICATE, 1));
    assert!(matches!(&world.events()[..], [Event::InDoubt(ids)] if *ids == (10..=13)));
    world.receive(&receipt(STORED, 2));
    let mut ended = BTreeMap::new();
    outcomes(&mut world, &mut ended);
    let duplicates: Vec<bool> = ended.into_values().map(|outcome| outcome.unwrap().duplicate).collect();
    assert_eq!(duplicates, [true, true, false]);
}

#[test]
fn a_look_at_what_is_stored_ends_the_doubt() {
    for stored in [true, false] {
        let mut world = numbered_world(2);
        world.receive(&receipt(DUPLICATE, 0));
        world.events();
        world.command(Command::Judge { stored });
        world.receive(&receipt(DUPLICATE, 1));
        let mut ended = BTreeMap::new();
        outcomes(&mut world, &mut ended);
        for outcome in ended.into_values() {
            match stored {
                true => assert!(outcome.unwrap().duplicate),
                false => assert_eq!(outcome, Err(ErrorKind::Broker)),
            }
        }
        assert!(world.session.is_open(), "the count of the numbers is certain");
        world.command(Command::Send { frame: frame(2), ticket: 2, hold: (), deadline: None });
        world.written();
        world.receive(&receipt(STORED, 2));
        world.command(Command::Send { frame: frame(3), ticket: 3, hold: (), deadline: None });
        world.written();
        world.command(Command::Judge { stored: false });
        world.receive(&receipt(DUPLICATE, 3));
        let ok = |event: &Event<u64, ()>| matches!(event, Event::Sent(_, Ok(_), _));
        assert!(world.events().iter().all(ok), "a receipt of this run says more than a look before it");
    }
}

#[test]
fn what_stays_in_doubt_is_said_to_be_so() {
    let mut world = numbered_world(1);
    world.receive(&receipt(DUPLICATE, 0));
    world.receive(&receipt(DUPLICATE, 0));
    // The connection lives, and the REST API does not answer.
    for _ in 0..DOUBT.as_secs() / 10 {
        assert!(matches!(&world.events()[..], [] | [Event::InDoubt(_)]), "in doubt until then");
        world.session.handle_activity();
        world.pass(Duration::from_secs(10));
    }
    let events = world.events();
    let [Event::Sent(0, Err(error), _)] = &events[..] else { panic!("one error") };
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    // A disconnect while in doubt causes a resend and another answer, even if the doubt is resolved in the meantime.
    let mut world = numbered_world(1);
    world.receive(&receipt(DUPLICATE, 0));
    world.disconnect();
    world.command(Command::Judge { stored: true });
    world.pass(Duration::from_secs(1));
    assert_eq!(world.connect().unwrap().get(Query::INITIAL_SEQUENCE_ID), Some("9"));
    assert_eq!(world.written().len(), 1);
    world.receive(&receipt(DUPLICATE, 0));
    assert!(matches!(&world.events()[..], [Event::InDoubt(_), Event::Sent(0, Ok(_), _)]));
}

#[test]
fn numbers_of_the_callers_choice_may_be_stored_already() {
    let mut world = world(Resend::Numbered { first: 10, chosen: false });
    world.connect();
    world.command(Command::Send { frame: frame(0), ticket: 0, hold: (), deadline: None });
    world.written();
    world.receive(&receipt(DUPLICATE, 0));
    assert!(matches!(&world.events()[..], [Event::Sent(0, Ok(Stored { duplicate: true, .. }), _)]));
}

/// Returns the error text of the one message that ended.
fn why(world: &mut World<ProducerRole<u64, ()>>) -> String {
    let events = world.events();
    let [Event::Sent(0, Err(error), _)] = &events[..] else { panic!("{} events", events.len()) };
    assert_eq!(error.kind(), ErrorKind::Timeout);
    error.to_string()
}

#[test]
fn a_time_that_ran_out_says_what_it_ran_out_for() {
    let send = |deadline| Command::Send { frame: frame(0), ticket: 0, hold: (), deadline: Some(deadline) };
    let second = Duration::from_secs(1);
    // No connection.
    let mut waiting = world(Resend::Again);
    waiting.command(send(second));
    waiting.pass(second);
    assert!(why(&mut waiting).contains("there was no connection"));
    // A connection that opens too late does not count.
    let mut late = world(Resend::Again);
    late.command(send(second));
    late.now = second;
    late.connect();
    late.pass(Duration::ZERO);
    assert!(why(&mut late).contains("there was no connection"));
    // A connection on which nothing can be written.
    let mut stuck = world(Resend::Again);
    stuck.connect();
    stuck.command(send(second));
    stuck.pass(second);
    assert!(why(&mut stuck).contains("waited for the server to read"));
    // A timeout of zero.
    for connected in [true, false] {
        let mut none = world(Resend::Again);
        if connected {
            none.connect();
        }
        none.command(send(Duration::ZERO));
        assert!(why(&mut none).contains("the time was over before the message could be sent"));
        assert_eq!(none.written().len(), 0);
    }
    // Written once, and not again before the timeout.
    let mut again = world(Resend::Again);
    again.connect();
    again.command(send(second));
    again.written();
    again.disconnect();
    again.pass(second / 2);
    again.connect();
    again.pass(second);
    assert!(why(&mut again).contains("before the message was sent again: it may be stored or not"));
}

#[test]
fn a_number_whose_receipt_got_lost_is_not_given_to_another_message() {
    for (timed_out, before) in [(false, false), (true, false), (true, true)] {
        let mut world = world(Resend::Numbered { first: 10, chosen: true });
        world.connect();
        for number in 0..3 {
            let deadline = (number == 0).then_some(Duration::from_secs(1));
            world.command(Command::Send { frame: frame(number), ticket: number, hold: (), deadline });
        }
        assert_eq!(world.written().len(), 3);
        if before {
            world.pass(Duration::from_secs(1));
        }
        for context in [1, 2] {
            world.receive(&format!(r#"{{"result":"ok","messageId":"CAUQATAA","context":"{context}"}}"#));
        }
        if timed_out && !before {
            world.pass(Duration::from_secs(1));
        }
        world.disconnect();
        world.command(Command::Send { frame: frame(3), ticket: 3, hold: (), deadline: None });
        world.pass(Duration::from_millis(500));
        let query = world.connect().unwrap();
        // The broker has seen the ids of the first three, so the fourth message must get the fourth id.
        let begin: i64 = query.get(Query::INITIAL_SEQUENCE_ID).unwrap().parse().unwrap();
        let written = world.written();
        let fourth = written.iter().position(|frame| frame.contains(r#""key":"3""#)).unwrap();
        assert_eq!(begin + 1 + fourth as i64, 13, "{begin} {written:?}");
        assert_eq!(timed_out, written.len() == 1, "what ended is only sent where a number depends on it");
    }
}

#[test]
fn a_close_still_sends_what_waits_for_certain_numbers() {
    let mut world = world(Resend::Numbered { first: 10, chosen: true });
    world.connect();
    for number in 0..2 {
        world.command(Command::Send { frame: frame(number), ticket: number, hold: (), deadline: None });
    }
    world.written();
    world.receive(r#"{"result":"send-error:8","errorMsg":"refused","context":"0"}"#);
    world.command(Command::Send { frame: frame(2), ticket: 2, hold: (), deadline: None });
    assert_eq!(world.written().len(), 0, "nobody knows its number yet");
    assert!(world.session.is_open(), "what is written has its receipts to come");
    world.session.close(world.now, Duration::from_secs(5));
    world.act();
    world.receive(r#"{"result":"ok","messageId":"CAUQATAA","context":"1"}"#);
    world.pass(Duration::from_secs(1));
    world.connect().expect("a new connection makes it certain");
    assert_eq!(world.written().len(), 1);
    world.receive(r#"{"result":"ok","messageId":"CAUQATAA","context":"2"}"#);
    assert_eq!(world.closes, 1);
    let mut ended = BTreeMap::new();
    outcomes(&mut world, &mut ended);
    assert_eq!(ended.values().filter(|outcome| outcome.is_ok()).count(), 2);
}

#[test]
fn a_receipt_for_what_is_not_written_on_this_connection_counts_for_nothing() {
    let counters: Arc<crate::stats::Counters> = Arc::default();
    let mut world = World::new(ProducerRole::<u64, ()>::new(Resend::Again, None, counters.clone()), policy());
    world.connect();
    world.command(Command::Send { frame: frame(0), ticket: 0, hold: (), deadline: None });
    world.receive(r#"{"result":"ok","messageId":"CAUQATAA","context":"0"}"#);
    assert!(world.events().is_empty());
    assert_eq!((counters.snapshot().unexpected, world.written().len()), (1, 1));
}

#[test]
fn what_a_close_leaves_was_either_never_written_or_is_unknown() {
    let mut world = world(Resend::Again);
    world.connect();
    world.command(Command::Send { frame: frame(0), ticket: 0, hold: (), deadline: None });
    world.written();
    world.disconnect();
    world.command(Command::Send { frame: frame(1), ticket: 1, hold: (), deadline: None });
    world.session.close(world.now, Duration::ZERO);
    let mut ended = BTreeMap::new();
    outcomes(&mut world, &mut ended);
    assert_eq!(ended, BTreeMap::from([(0, Err(ErrorKind::OutcomeUnknown)), (1, Err(ErrorKind::Closed))]));
}

#[test]
fn the_callers_first_sequence_id_is_not_used_again() {
    let mut world = World::new(ProducerRole::<u64, ()>::new(Resend::Again, Some(7), Arc::default()), policy());
    assert_eq!(world.connect().unwrap().to_string(), "?initialSequenceId=7");
    world.disconnect();
    world.pass(Duration::from_secs(1));
    assert_eq!(world.connect().unwrap(), Query::default());
}

#[test]
fn a_message_that_the_server_closes_the_connection_over_ends_and_the_others_go_on() {
    for (text, told) in [("Text message size [2000] exceeds maximum size [1000]", true), ("too large", false)] {
        let mut world = world(Resend::Again);
        world.connect();
        for number in 0..3 {
            let payload = if number == 1 { vec![0; 900] } else { vec![0] };
            let frame = OpenFrame::encode(OutgoingMessage::new(payload), 4096).unwrap();
            world.command(Command::Send { frame, ticket: number, hold: (), deadline: None });
        }
        assert_eq!(world.written().len(), 3);
        let closed = Error::new(ErrorKind::Connect, "closed").with_close_code(1009).with_broker_text(text);
        world.session.handle_disconnected(world.now, closed);
        world.act();
        let mut ended = BTreeMap::new();
        outcomes(&mut world, &mut ended);
        let too_big = told.then_some((1, Err(ErrorKind::TooBig)));
        assert_eq!(ended, too_big.into_iter().collect());
        world.pass(Duration::from_secs(1));
        world.connect();
        assert_eq!(world.written().len(), if told { 2 } else { 3 });
    }
}

#[test]
fn what_has_ended_behind_another_keeps_no_text() {
    let mut world = world(Resend::Again);
    world.connect();
    world.command(Command::Send { frame: frame(0), ticket: 0, hold: (), deadline: None });
    for number in 1..100 {
        world.command(Command::Send {
            frame: frame(number),
            ticket: number,
            hold: (),
            deadline: Some(Duration::from_secs(1)),
        });
    }
    let (before, _) = world.session.role.kept();
    world.pass(Duration::from_secs(1));
    let (after, _) = world.session.role.kept();
    assert!(after <= before / 100 + 1, "{after}");
}

#[test]
fn deadlines_do_not_pile_up_behind_messages_that_have_ended() {
    let mut world = world(Resend::Again);
    world.connect();
    for number in 0..10_000 {
        let deadline = Some(world.now + Duration::from_secs(300));
        world.command(Command::Send { frame: frame(number), ticket: number, hold: (), deadline });
        world.written();
        world.receive(&format!(r#"{{"result":"ok","messageId":"CAUQATAA","context":"{number}"}}"#));
    }
    let (_, deadlines) = world.session.role.kept();
    assert!(deadlines < 100, "{deadlines}");
}

#[test]
fn a_close_after_a_refused_numbered_message_sends_what_is_left() {
    let mut world = world(Resend::Numbered { first: 0, chosen: true });
    world.connect();
    world.command(Command::Send { frame: frame(0), ticket: 0, hold: (), deadline: None });
    world.written();
    world.receive(r#"{"result":"send-error:8","errorMsg":"no","context":"0"}"#);
    world.command(Command::Send { frame: frame(1), ticket: 1, hold: (), deadline: None });
    world.session.close(world.now, Duration::from_secs(20));
    world.act();
    world.pass(Duration::from_secs(1));
    world.connect();
    assert_eq!(world.written().len(), 1);
    world.receive(r#"{"result":"ok","messageId":"CAUQATAA","context":"1"}"#);
    assert_eq!(world.closes, 1);
}

#[derive(Debug, Clone)]
enum Step {
    Send {
        timeout: Option<u16>,
        refused: bool,
    },
    /// The client writes what it has; the broker receives this many of the frames.
    Write(usize),
    /// This many receipts reach the client.
    Receipts(usize),
    /// A receipt is lost although the connection stays open.
    LoseReceipt,
    ServerResends,
    Disconnect,
    Connect,
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop::option::weighted(0.3, 1..3000u16), prop::bool::weighted(0.05))
            .prop_map(|(timeout, refused)| Step::Send { timeout, refused }),
        3 => (0..6usize).prop_map(Step::Write),
        3 => (0..6usize).prop_map(Step::Receipts),
        1 => Just(Step::LoseReceipt),
        1 => Just(Step::ServerResends),
        1 => Just(Step::Disconnect),
        2 => Just(Step::Connect),
        2 => (1..2000u16).prop_map(Step::Pass),
    ]
}

/// Runs the steps, then restores everything. Returns the outcomes and what the broker stored.
fn play(resend: Resend, highest: i64, steps: &[Step]) -> (u64, BTreeMap<u64, Result<Stored, ErrorKind>>, Vec<u64>) {
    let mut world = world(resend);
    let mut broker = Broker { highest, ..Broker::default() };
    let mut ended = BTreeMap::new();
    let mut sent = 0;
    // Frames written and not yet received by the broker: lost with the connection.
    let mut on_the_way: std::collections::VecDeque<String> = Default::default();
    let mut run = |world: &mut World<ProducerRole<u64, ()>>, broker: &mut Broker, step: &Step| match step {
        Step::Send { timeout, refused } => {
            let deadline = timeout.map(|timeout| world.now + Duration::from_millis(timeout.into()));
            let frame = if *refused { refused_frame(sent) } else { frame(sent) };
            world.command(Command::Send { frame, ticket: sent, hold: (), deadline });
            sent += 1;
        }
        Step::Write(taken) => {
            on_the_way.extend(world.written());
            for frame in on_the_way.drain(..(*taken).min(on_the_way.len())) {
                broker.take(&frame);
            }
        }
        Step::Receipts(count) => {
            let count = (*count).min(broker.unsent.len());
            for receipt in broker.unsent.drain(..count).collect::<Vec<_>>() {
                if world.session.is_open() {
                    world.receive(&receipt);
                }
            }
        }
        Step::LoseReceipt => {
            broker.unsent.truncate(broker.unsent.len().saturating_sub(1));
        }
        Step::ServerResends => broker.resend(),
        Step::Disconnect => {
            world.disconnect();
            on_the_way.clear();
            broker.unsent.clear();
        }
        Step::Connect => {
            if let Some(query) = world.connect() {
                on_the_way.clear();
                broker.connected(&query);
            }
        }
        Step::Pass(millis) => world.pass(Duration::from_millis((*millis).into())),
    };
    for step in steps {
        run(&mut world, &mut broker, step);
        outcomes(&mut world, &mut ended);
    }
    if steps.iter().any(|step| matches!(step, Step::LoseReceipt)) {
        // Only a disconnect reveals that it is lost.
        run(&mut world, &mut broker, &Step::Disconnect);
        outcomes(&mut world, &mut ended);
    }
    for _ in 0..8 {
        for step in [Step::Pass(500), Step::Connect, Step::Write(usize::MAX), Step::Receipts(usize::MAX)] {
            // Activity as from a pong, so that a long silence does not break the connection.
            world.session.handle_activity();
            run(&mut world, &mut broker, &step);
            outcomes(&mut world, &mut ended);
        }
        for _ in 0..=DOUBT.as_secs() / 11 {
            world.session.handle_activity();
            world.pass(Duration::from_secs(11));
        }
        outcomes(&mut world, &mut ended);
    }
    assert_eq!(world.session.role.in_flight(), 0);
    (sent, ended, broker.stored)
}

fn first_occurrences(stored: &[u64]) -> Vec<u64> {
    let mut seen = std::collections::BTreeSet::new();
    stored.iter().copied().filter(|number| seen.insert(*number)).collect()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn every_message_ends_exactly_once_and_the_order_is_kept(
        steps in prop::collection::vec(step(), 0..80),
        again in any::<bool>(),
    ) {
        let (sent, ended, stored) = play(if again { Resend::Again } else { Resend::Never }, -1, &steps);
        prop_assert_eq!(ended.len() as u64, sent, "each ended");
        prop_assert!(first_occurrences(&stored).is_sorted(), "{:?}", stored);
        for (number, outcome) in &ended {
            if outcome.is_ok() {
                prop_assert!(stored.contains(number), "{} has a receipt and is not stored", number);
            }
            // a message that was never written can end only in a timeout
            if *outcome == Err(ErrorKind::OutcomeUnknown) {
                prop_assert!(!again);
            }
        }
        if !again {
            prop_assert_eq!(first_occurrences(&stored).len(), stored.len(), "nothing twice");
        }
    }

    #[test]
    fn numbered_messages_are_stored_exactly_once(steps in prop::collection::vec(step(), 0..80)) {
        // After a refusal, it is open whether the broker counted the message; see `resync`.
        let steps: Vec<Step> = steps
            .into_iter()
            .map(|step| match step {
                Step::Send { timeout, .. } => Step::Send { timeout, refused: false },
                other => other,
            })
            .collect();
        let (sent, ended, stored) = play(Resend::Numbered { first: 0, chosen: true }, -1, &steps);
        prop_assert_eq!(ended.len() as u64, sent);
        prop_assert_eq!(first_occurrences(&stored).len(), stored.len(), "a duplicate: {:?}", stored);
        prop_assert!(stored.is_sorted(), "{:?}", stored);
        for (number, outcome) in &ended {
            if outcome.is_ok() {
                prop_assert!(stored.contains(number), "{} has a receipt and is not stored", number);
            }
            prop_assert!(*outcome != Err(ErrorKind::Broker), "{} is refused, and nobody refused it", number);
        }
    }

    #[test]
    fn no_message_has_a_receipt_under_a_name_with_higher_ids(steps in prop::collection::vec(step(), 0..80)) {
        let (sent, ended, stored) = play(Resend::Numbered { first: 0, chosen: true }, 1_000_000, &steps);
        prop_assert_eq!((ended.len() as u64, stored), (sent, Vec::new()));
        prop_assert!(ended.values().all(Result::is_err));
    }

    #[test]
    fn a_refused_numbered_message_costs_no_other(steps in prop::collection::vec(step(), 0..80)) {
        let (sent, ended, stored) = play(Resend::Numbered { first: 0, chosen: true }, -1, &steps);
        prop_assert_eq!(ended.len() as u64, sent);
        for (number, outcome) in &ended {
            if outcome.is_ok() {
                prop_assert!(stored.contains(number), "{} has a receipt and is not stored", number);
            }
        }
    }
}

/// Returns a producer of encrypted messages, and its keys in turn.
fn encrypted_world() -> (World<ProducerRole<u64, ()>>, Vec<ConnectionKey>) {
    let keys: Vec<_> = ["a", "b", "c"].into_iter().map(|key| ConnectionKey::new(key.to_owned())).collect();
    let role = ProducerRole::new(Resend::Again, None, Arc::default()).with_key(Some(keys[0].clone()));
    (World::new(role, policy()), keys)
}

fn encrypted(number: u64, key: &ConnectionKey) -> Command<u64, ()> {
    let frame = frame(number).encrypted(&format!(r#","encryptionParam":"{}""#, key.as_str()), key.clone());
    Command::Send { frame, ticket: number, hold: (), deadline: None }
}

#[test]
fn a_message_under_a_new_data_key_goes_out_on_a_connection_that_has_told_it() {
    let (mut world, keys) = encrypted_world();
    assert_eq!(world.connect().unwrap().to_string(), "?encryptionKeys=a");
    for (number, key) in [(0, 0), (1, 1), (2, 1)] {
        world.command(encrypted(number, &keys[key]));
    }
    assert_eq!(world.written().len(), 1);
    world.receive(r#"{"result":"ok","messageId":"CAUQATAA","context":"0"}"#);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.connect().unwrap().to_string(), "?encryptionKeys=b");
    assert_eq!(world.written().len(), 2);
}

#[test]
fn what_is_sent_again_goes_out_under_the_data_key_that_it_was_encrypted_with() {
    let (mut world, keys) = encrypted_world();
    world.connect();
    world.command(encrypted(0, &keys[0]));
    world.written();
    world.command(encrypted(1, &keys[1]));
    world.disconnect();
    world.pass(Duration::from_secs(1));
    assert_eq!(world.connect().unwrap().to_string(), "?encryptionKeys=a");
    assert_eq!(world.written().len(), 1);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_message_is_sent_under_another_data_key_whatever_breaks(
        steps in prop::collection::vec((0u8..8, 0usize..3), 0..80)
    ) {
        let (mut world, keys) = encrypted_world();
        let mut broker = Broker::default();
        let mut connection_key = String::new();
        let mut sent = 0;
        let mut ended = BTreeMap::new();
        for (step, key) in steps.into_iter().chain(std::iter::repeat_n((4, 0), 400)) {
            match step {
                0..3 => {
                    world.command(encrypted(sent, &keys[key]));
                    sent += 1;
                }
                3 => world.disconnect(),
                // All that a working connection does.
                _ => {
                    world.pass(Duration::from_secs(1));
                    if let Some(query) = world.connect() {
                        broker.connected(&query);
                        connection_key = query.get(Query::ENCRYPTION_KEYS).unwrap().to_owned();
                    }
                    for frame in world.written() {
                        let json: serde_json::Value = serde_json::from_str(&frame).unwrap();
                        prop_assert_eq!(&json["encryptionParam"], &serde_json::Value::from(connection_key.clone()));
                        broker.take(&frame);
                    }
                    let receipts = std::mem::take(&mut broker.unsent);
                    receipts.iter().for_each(|receipt| world.receive(receipt));
                }
            }
            outcomes(&mut world, &mut ended);
        }
        prop_assert_eq!(ended.len() as u64, sent);
        broker.stored.dedup();
        prop_assert!(broker.stored.is_sorted(), "{:?}", broker.stored);
    }
}
