//! Receives what the session reports: receipts, errors and changes of state; completes the messages.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use tokio::sync::{Semaphore, oneshot};

use super::{Completion, DeliveryReport, Room, SendCallback, Ticket, merge};
use crate::callbacks::Job;
use crate::client::inner::ClientInner;
use crate::driver::{EventSink, Route, SessionCommand, WeakCommandSender};
use crate::duplicates::Duplicates;
use crate::error::Result;
use crate::message::Receipt;
use crate::proto::producer::{Command, Event, Stored};
use crate::proto::session::Change;
use crate::stats::Counters;
use crate::status::Reporter;
use crate::topic::TopicName;

/// How many callbacks release their slots at once.
const CALLBACK_BATCH: usize = 16;

pub(super) struct ProducerSink {
    pub(super) reporter: Reporter,
    pub(super) client: Arc<ClientInner>,
    pub(super) commands: WeakCommandSender<Command<Ticket, Room>>,
    /// Checks duplicates; only with `effectively_once`.
    pub(super) duplicates: Option<Duplicates>,
    /// Receipts that are reported together when a batch of frames has been read, so that a waiting task wakes up once.
    pub(super) futures: Vec<(oneshot::Sender<Result<Receipt>>, Result<Receipt>)>,
    pub(super) inline: Vec<(SendCallback, DeliveryReport)>,
    pub(super) callbacks: Vec<(SendCallback, DeliveryReport, Option<Room>)>,
    pub(super) jobs: Vec<Job>,
    /// The slots that are released with them.
    pub(super) room: Option<Room>,
    pub(super) topic: Arc<TopicName>,
    pub(super) messages: Arc<Semaphore>,
    pub(super) bytes: Arc<Semaphore>,
}

impl ProducerSink {
    /// Checks, outside the session, whether a message that the broker dropped as a duplicate is stored.
    fn judge(&self, ids: RangeInclusive<i64>) {
        let Some(duplicates) = self.duplicates.clone() else { return };
        let commands = self.commands.clone();
        self.client.runtime.spawn(async move {
            let Some(stored) = duplicates.are_stored(ids).await else { return };
            if let Some(commands) = commands.upgrade() {
                // A session that has ended has no message in doubt.
                let _ = commands.send(SessionCommand::Role(Command::Judge { stored }));
            }
        });
    }

    /// Runs the callbacks. A completed message keeps its slot until its callback runs, so that callbacks slower than
    /// the broker slow the sender down. The slots of a batch are released with its first callback, so that the sender
    /// does not wake up for each.
    fn call_back(&mut self) {
        for batch in self.callbacks.chunks_mut(CALLBACK_BATCH) {
            let mut room = None;
            batch.iter_mut().for_each(|(_, _, more)| merge(&mut room, more.take()));
            batch[0].2 = room;
        }
        let jobs = self.callbacks.drain(..).map(|(callback, sent, room)| -> Job {
            Box::new(move || {
                drop(room);
                callback(sent);
            })
        });
        self.jobs.extend(jobs);
        self.reporter.callbacks().run_all(&mut self.jobs);
    }
}

impl EventSink<Event<Ticket, Room>> for ProducerSink {
    fn handle_event(&mut self, event: Event<Ticket, Room>) {
        match event {
            Event::Sent(Ticket::Message { completion, context }, outcome, mut room) => {
                let result = match outcome {
                    Ok(Stored { id, duplicate }) => Ok(Receipt { message_id: id, duplicate, context: context.clone() }),
                    Err(error) => Err(error.during("send to").on_topic(&self.topic.to_string())),
                };
                match completion {
                    Completion::Future(sender, batch) => {
                        if let Some(batch) = batch {
                            room = batch.keep(room);
                        }
                        self.futures.push((sender, result));
                    }
                    Completion::Inline(callback) => self.inline.push((callback, DeliveryReport { result, context })),
                    Completion::Callback(callback) => {
                        self.callbacks.push((callback, DeliveryReport { result, context }, room));
                        return;
                    }
                }
                merge(&mut self.room, room);
            }
            Event::Flushed(Ticket::Flush(sender), outcome) => {
                // The messages that the flush waited for are reported first.
                self.flush();
                let _ = sender.send(outcome);
            }
            Event::InDoubt(ids) => self.judge(ids),
            Event::Sent(Ticket::Flush(_), ..) | Event::Flushed(Ticket::Message { .. }, _) => {
                debug_assert!(false, "the state machine gave a ticket to the wrong event");
            }
        }
    }

    fn handle_change(&mut self, change: Change, route: &Route) {
        let ends = matches!(change, Change::Ended { .. });
        if ends {
            self.reporter.announce(&change);
            // A task that learns of the end has received the result of every message before.
            self.flush();
        }
        self.reporter.changed(change, route);
        if ends {
            // After the status, which says why nothing is accepted. What was accepted meanwhile fails with the same.
            self.messages.close();
            self.bytes.close();
        }
    }

    fn flush(&mut self) {
        self.inline.drain(..).for_each(|(callback, sent)| callback(sent));
        // The oldest last: a task that waits for it, and wakes up with it, finds the others completed as well.
        for (sender, result) in self.futures.drain(..).rev() {
            // A caller that dropped the future does not need the receipt.
            let _ = sender.send(result);
        }
        self.call_back();
        // All at once, so that a task that waits for a slot wakes up once.
        self.room = None;
    }

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn handle_pong(&mut self, at: SystemTime) {
        self.reporter.ponged(at);
    }

    fn handle_compression(&mut self, accepted: bool) {
        self.reporter.compressed(accepted);
    }

    fn counters(&self) -> &Arc<Counters> {
        self.reporter.counters()
    }
}
