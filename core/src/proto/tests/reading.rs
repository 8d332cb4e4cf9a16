//! A reader over disconnects: no gap, no replay, and credit for this connection only.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::message::{Message, MessageId};
use crate::proto::consumer::Event;
use crate::proto::reader::{Command, ReaderRole};
use crate::query::Query;

const WINDOW: usize = 4;

fn id(entry: u64) -> MessageId {
    MessageId::at(7, entry, -1, -1)
}

fn world() -> World<ReaderRole<u64>> {
    let topic = Arc::new("t".parse().unwrap());
    let part = "t".parse().unwrap();
    World::new(ReaderRole::new(topic, part, 0, "earliest".to_owned(), WINDOW, Arc::default()), policy())
}

fn delivered(world: &mut World<ReaderRole<u64>>) -> Vec<Message> {
    let message = |event| match event {
        Event::Message(message) => Some(*message),
        _ => None,
    };
    world.events().into_iter().filter_map(message).collect()
}

#[test]
fn a_new_connection_gets_no_credit_of_the_last_one_and_its_questions_again() {
    let mut world = world();
    world.connect();
    world.receive(&delivery(1));
    let message = delivered(&mut world).remove(0);
    world.command(Command::IsEndOfTopic { ticket: 9 });
    assert_eq!(world.written().len(), 1, "the question");
    world.command(Command::Finished { id: message.id().clone(), connection: 1 });
    world.disconnect();
    world.pass(Duration::from_secs(1));
    world.connect();
    world.pass(Duration::from_millis(2));
    let frames = world.written();
    assert_eq!(frames.len(), 1, "the question again, and nothing else: {frames:?}");
    assert!(frames[0].contains("isEndOfTopic"));
    world.receive(r#"{"endOfTopic":true}"#);
    assert!(matches!(&world.events()[..], [Event::EndOfTopic(9, Ok(true))]));
}

fn delivery(entry: u64) -> String {
    format!(r#"{{"messageId":"{}","payload":""}}"#, id(entry).as_str())
}

#[test]
fn what_nobody_can_read_is_asked_for_once_more_and_then_left_out() {
    let mut world = world();
    world.connect();
    world.receive(&delivery(1));
    world.receive("}{");
    assert!(!world.session.is_open(), "it may have been the second message");
    world.receive(&delivery(3));
    assert_eq!(delivered(&mut world).len(), 1, "and nothing may overtake it");
    world.pass(Duration::from_secs(1));
    assert_eq!(world.connect().unwrap().get(Query::MESSAGE_ID), Some(id(1).as_str()));
    world.receive("}{");
    assert!(world.session.is_open(), "the topic holds it, so that no connection is a way around it");
    world.receive(&delivery(3));
    assert_eq!(delivered(&mut world).len(), 1);
    world.receive("}{");
    assert!(!world.session.is_open(), "another one");
}

#[derive(Debug, Clone)]
enum Step {
    Deliver,
    Finish,
    Disconnect,
    Connect,
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => Just(Step::Deliver),
        4 => Just(Step::Finish),
        1 => Just(Step::Disconnect),
        3 => Just(Step::Connect),
        2 => (1..500u16).prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn there_is_neither_a_gap_nor_a_replay(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = world();
        let mut next = 0; // what the server delivers next on this connection
        let mut window = 0i64;
        let mut seen = Vec::new();
        let mut queue = std::collections::VecDeque::new();
        for step in steps {
            match step {
                Step::Deliver if world.session.is_open() && window > 0 => {
                    world.receive(&format!(r#"{{"messageId":"{}","payload":""}}"#, id(next).as_str()));
                    next += 1;
                    window -= 1;
                    queue.extend(delivered(&mut world));
                }
                Step::Finish => {
                    if let Some(message) = queue.pop_front() {
                        let message: Message = message;
                        seen.push(message.id().entry());
                        let connection = message.origin.connection;
                        world.command(Command::Finished { id: message.id().clone(), connection });
                    }
                }
                Step::Disconnect => world.disconnect(),
                Step::Connect => {
                    if let Some(query) = world.connect() {
                        let position = query.get(Query::MESSAGE_ID).unwrap();
                        next = match position {
                            "earliest" => 0,
                            id => id.parse::<MessageId>().unwrap().entry() + 1,
                        };
                        window = WINDOW as i64;
                    }
                }
                Step::Pass(millis) => {
                    world.session.handle_activity();
                    world.pass(Duration::from_millis(millis.into()));
                }
                _ => {}
            }
            window += world.written().len() as i64;
            prop_assert!(window <= WINDOW as i64, "credit of another connection");
        }
        prop_assert!(seen.iter().copied().eq(0..seen.len() as u64), "{:?}", seen);
    }
}
