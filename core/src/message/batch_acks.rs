//! Acknowledgement of a batch that arrived in one frame: the broker knows the frame, the application its messages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::message::MessageId;

/// A frame that holds several messages, and what the application has decided about them.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The id of the frame, as sent to the broker.
    pub(crate) id: MessageId,
    pub(crate) connection: u64,
    state: Mutex<State>,
    session: usize,
    /// The map that holds the batch until it is reported to the broker.
    batches: Weak<Batches>,
}

#[derive(Debug)]
struct State {
    acked: Vec<bool>,
    left: usize,
    /// Whether the whole frame is redelivered.
    nacked: bool,
}

/// What the consumer reports to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchAck {
    /// Nothing yet, or nothing more.
    Nothing,
    Ack,
    Nack,
}

impl Batch {
    fn new(
        batches: &Arc<Batches>,
        session: usize,
        id: MessageId,
        connection: u64,
        indexes: impl Iterator<Item = usize>,
    ) -> Batch {
        let mut acked = Vec::new();
        let mut left = 0;
        for index in indexes {
            acked.resize(index, true);
            acked.push(false);
            left += 1;
        }
        let (batches, state) = (Arc::downgrade(batches), Mutex::new(State { acked, left, nacked: false }));
        Batch { id, connection, state, session, batches }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Acknowledges the message with this index; the last of the frame acknowledges the frame.
    pub(crate) fn ack(&self, index: usize) -> BatchAck {
        let mut state = self.state();
        match state.acked.get_mut(index) {
            Some(acked) if !*acked => *acked = true,
            _ => return BatchAck::Nothing,
        }
        state.left -= 1;
        match state.left == 0 && !state.nacked {
            true => self.finish(state, BatchAck::Ack),
            false => BatchAck::Nothing,
        }
    }

    /// Acknowledges the message with this id and those before it; returns the id up to which whole frames are
    /// acknowledged.
    pub(crate) fn ack_through(&self, id: &MessageId) -> MessageId {
        let index = id.batch_index().unwrap_or_default() as usize;
        let mut state = self.state();
        for acked in state.acked.iter_mut().take(index.saturating_add(1)) {
            *acked = true;
        }
        state.left = state.acked.iter().filter(|acked| !**acked).count();
        if state.left == 0 && !state.nacked {
            self.finish(state, BatchAck::Ack);
            return self.id.clone();
        }
        let partition = self.id.partition().map_or(-1, |partition| partition as i32);
        match self.id.entry().checked_sub(1) {
            Some(entry) => MessageId::at(self.id.ledger(), entry, partition, -1),
            // The last entry that the previous ledger could have.
            None => MessageId::at(self.id.ledger().saturating_sub(1), i64::MAX as u64, partition, -1),
        }
    }

    /// Requests redelivery of the message with this index, and with it of the whole frame.
    pub(crate) fn nack(&self, index: usize) -> BatchAck {
        let mut state = self.state();
        if state.nacked || state.acked.get(index).is_none_or(|acked| *acked) {
            return BatchAck::Nothing;
        }
        state.nacked = true;
        self.finish(state, BatchAck::Nack)
    }

    fn finish(&self, state: MutexGuard<'_, State>, ack: BatchAck) -> BatchAck {
        drop(state);
        if let Some(batches) = self.batches.upgrade() {
            batches.remove(self);
        }
        ack
    }
}

/// The batches that a consumer received and has not finished, for acknowledgements by id.
#[derive(Debug, Default)]
pub(crate) struct Batches(Mutex<HashMap<FrameKey, Arc<Batch>>>);

/// A frame: its session, ledger, entry and partition.
type FrameKey = (usize, u64, u64, Option<u32>);

fn frame_key(session: usize, id: &MessageId) -> FrameKey {
    (session, id.ledger(), id.entry(), id.partition())
}

impl Batches {
    fn map(&self) -> MutexGuard<'_, HashMap<FrameKey, Arc<Batch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a frame with messages at these indexes; compaction may have removed others. Frames from earlier connections
    /// of the session are dropped.
    pub(crate) fn add(
        self: &Arc<Self>,
        session: usize,
        id: &MessageId,
        connection: u64,
        indexes: impl Iterator<Item = usize>,
    ) -> Arc<Batch> {
        let batch = Arc::new(Batch::new(self, session, id.clone(), connection, indexes));
        let mut map = self.map();
        map.retain(|key, other| key.0 != session || other.connection == connection);
        map.insert(frame_key(session, id), batch.clone());
        batch
    }

    /// Returns the batch that contained the message with this id.
    pub(crate) fn find(&self, session: usize, id: &MessageId) -> Option<Arc<Batch>> {
        id.batch_index()?;
        self.map().get(&frame_key(session, id)).cloned()
    }

    fn remove(&self, batch: &Batch) {
        let mut map = self.map();
        let key = frame_key(batch.session, &batch.id);
        // The frame may have been redelivered in the meantime.
        if map.get(&key).is_some_and(|found| std::ptr::eq(&**found, batch)) {
            map.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> MessageId {
        MessageId::at(1, 2, 3, -1)
    }

    fn part(index: i32) -> MessageId {
        MessageId::at(1, 2, 3, index)
    }

    fn batch(indexes: &[usize]) -> Arc<Batch> {
        Arc::new(Batches::default()).add(0, &frame(), 1, indexes.iter().copied())
    }

    #[test]
    fn the_last_message_acknowledges_the_frame_once() {
        let batch = batch(&[0, 1, 2]);
        let ack = [2, 0, 0, 1, 1].map(|index| batch.ack(index));
        assert_eq!(ack, [BatchAck::Nothing, BatchAck::Nothing, BatchAck::Nothing, BatchAck::Ack, BatchAck::Nothing]);
    }

    #[test]
    fn what_compaction_left_out_is_not_waited_for() {
        let batch = batch(&[1, 3]);
        let ack = [0, 1, 2, 3, 4].map(|index| batch.ack(index));
        assert_eq!(ack, [BatchAck::Nothing, BatchAck::Nothing, BatchAck::Nothing, BatchAck::Ack, BatchAck::Nothing]);
    }

    #[test]
    fn a_cumulative_acknowledgement_ends_before_a_frame_that_is_not_done_with() {
        let batch = batch(&[0, 1, 2]);
        assert_eq!(batch.ack(2), BatchAck::Nothing);
        assert_eq!(batch.ack_through(&part(0)), MessageId::at(1, 1, 3, -1));
        assert_eq!(batch.ack_through(&part(1)), frame());
        let first = Arc::new(Batches::default()).add(0, &MessageId::at(7, 0, -1, -1), 1, 0..2);
        assert!(first.ack_through(&MessageId::at(7, 0, -1, 0)) < MessageId::at(7, 0, -1, -1));
    }

    #[test]
    fn a_frame_that_comes_again_is_not_acknowledged() {
        let batch = batch(&[0, 1]);
        assert_eq!(batch.ack(0), BatchAck::Nothing);
        assert_eq!(batch.nack(0), BatchAck::Nothing, "it is done with");
        assert_eq!(batch.nack(1), BatchAck::Nack);
        assert_eq!(batch.nack(1), BatchAck::Nothing);
        assert_eq!(batch.ack(1), BatchAck::Nothing);
    }

    #[test]
    fn a_batch_is_found_by_the_id_of_any_of_its_messages_until_it_is_done_with() {
        let batches = Arc::new(Batches::default());
        let first = batches.add(0, &frame(), 1, 0..2);
        assert!(batches.find(0, &part(1)).is_some());
        assert!(batches.find(1, &part(1)).is_none(), "another session");
        assert!(batches.find(0, &frame()).is_none(), "the frame is no message");
        let again = batches.add(0, &frame(), 1, 0..2);
        assert_eq!(first.nack(0), BatchAck::Nack);
        assert!(batches.find(0, &part(0)).is_some(), "it was redelivered");
        assert_eq!([again.ack(0), again.ack(1)], [BatchAck::Nothing, BatchAck::Ack]);
        assert!(batches.find(0, &part(0)).is_none());
    }

    #[test]
    fn a_batch_of_an_earlier_connection_is_found_no_more() {
        let batches = Arc::new(Batches::default());
        batches.add(0, &frame(), 1, 0..2);
        batches.add(1, &frame(), 1, 0..2);
        batches.add(0, &MessageId::at(1, 9, 3, -1), 2, 0..2);
        assert!(batches.find(0, &part(0)).is_none());
        assert!(batches.find(1, &part(0)).is_some(), "of another session");
    }
}
