//! The unacknowledged messages of the current connection, in the order of the topic.

use std::collections::BTreeMap;

use crate::message::MessageId;

/// A position within its partition: the partition, which has an order of its own, the ledger, the entry, and the index
/// in the batch.
type OrderKey = (Option<u32>, u64, u64, Option<u32>);

fn order_key(id: &MessageId) -> OrderKey {
    (id.partition(), id.ledger(), id.entry(), id.batch_index())
}

#[derive(Debug, Default)]
pub(crate) struct Unacked {
    /// The messages with the number of deliveries per id: one, unless the topic gives all messages the same id.
    delivered: BTreeMap<OrderKey, (MessageId, usize)>,
    /// The sum of those numbers.
    frames: usize,
    /// The position up to which the application acknowledged everything, for each partition. It outlives connections,
    /// because the broker redelivers acknowledged messages whose acknowledgement was not delivered.
    through: BTreeMap<Option<u32>, OrderKey>,
}

/// The state of a message at its delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Whether a cumulative acknowledgement has already covered it.
    pub(crate) covered: bool,
    /// Whether this connection delivered it before, and it is still unacknowledged.
    pub(crate) again: bool,
}

impl Unacked {
    /// Records a delivered message. `one_id` is set when different messages share one id.
    pub(crate) fn deliver(&mut self, id: &MessageId, one_id: bool) -> Delivered {
        let key = order_key(id);
        let (_, messages) = self.delivered.entry(key).or_insert_with(|| (id.clone(), 0));
        let again = *messages > 0 && !one_id;
        if !again {
            *messages += 1;
            self.frames += 1;
        }
        Delivered { covered: self.through.get(&key.0).is_some_and(|through| key <= *through), again }
    }

    /// Returns how many messages are unacknowledged, which the server counts against its window.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// Removes one message and returns whether it was present.
    pub(crate) fn take(&mut self, id: &MessageId) -> bool {
        let key = order_key(id);
        let Some((_, messages)) = self.delivered.get_mut(&key) else { return false };
        *messages -= 1;
        if *messages == 0 {
            self.delivered.remove(&key);
        }
        self.frames -= 1;
        true
    }

    /// Removes all messages of the partition up to this one, returns them in order, and records them as done. Returns
    /// `None` if nothing changes. Must not be used where all messages have one id.
    pub(crate) fn take_through(&mut self, id: &MessageId) -> Option<Vec<MessageId>> {
        let (partition, ledger, entry, batch_index) = order_key(id);
        // The id of a whole entry includes all of its batch.
        let last = (partition, ledger, entry, batch_index.or(Some(u32::MAX)));
        let first = (partition, 0, 0, None);
        let taken: Vec<_> = self.delivered.extract_if(first..=last, |_, _| true).map(|(_, (id, _))| id).collect();
        self.frames -= taken.len();
        let through = self.through.entry(partition).or_insert(first);
        let further = *through < last;
        *through = last.max(*through);
        (further || !taken.is_empty()).then_some(taken)
    }

    /// Allows acknowledged messages to be redelivered, because the application requested it.
    pub(crate) fn forget_through(&mut self) {
        self.through.clear();
    }

    /// Handles a lost connection, whose messages will be redelivered.
    pub(crate) fn disconnected(&mut self) {
        self.delivered.clear();
        self.frames = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id((partition, ledger, entry, batch_index): (i32, u64, u64, i32)) -> MessageId {
        MessageId::at(ledger, entry, partition, batch_index)
    }

    #[test]
    fn the_id_of_an_entry_covers_its_batch_and_that_of_a_batched_message_the_part_before_it() {
        let mut unacked = Unacked::default();
        for index in 0..4 {
            unacked.deliver(&id((-1, 7, 1, index)), false);
        }
        unacked.deliver(&id((-1, 7, 2, -1)), false);
        let half: Vec<_> = unacked.take_through(&id((-1, 7, 1, 1))).unwrap();
        assert_eq!(half, [id((-1, 7, 1, 0)), id((-1, 7, 1, 1))]);
        assert_eq!(unacked.take_through(&id((-1, 7, 1, -1))).unwrap().len(), 2);
        assert_eq!(unacked.take_through(&id((-1, 7, 1, 3))), None, "it says nothing new");
        assert_eq!(unacked.frames(), 1);
    }

    /// Measures the cost that docs/delivery.md states:
    /// `cargo test --release -p stargate-core --lib cost_of_a_cumulative -- --ignored --nocapture`.
    #[test]
    #[ignore = "measures"]
    #[allow(clippy::print_stdout)]
    fn cost_of_a_cumulative_acknowledgement() {
        for window in [1_000, 100_000] {
            let ids: Vec<MessageId> = (0..window).map(|entry| id((-1, 7, entry, -1))).collect();
            let measure = |acknowledge: fn(&mut Unacked, &[MessageId])| {
                let mut unacked = Unacked::default();
                let begun = std::time::Instant::now();
                for batch in ids.chunks(100) {
                    batch.iter().for_each(|id| assert!(!unacked.deliver(id, false).covered));
                    acknowledge(&mut unacked, batch);
                }
                assert_eq!(unacked.frames(), 0);
                begun.elapsed().as_nanos() as f64 / ids.len() as f64
            };
            let single = measure(|unacked, batch| batch.iter().for_each(|id| assert!(unacked.take(id))));
            let cumulative = measure(|unacked, batch| {
                assert_eq!(unacked.take_through(&batch[batch.len() - 1]).unwrap().len(), batch.len());
            });
            println!("{window} messages: {single:.0} ns each one by one, {cumulative:.0} ns by the hundred");
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Deliver((i32, u64, u64, i32)),
        Take((i32, u64, u64, i32)),
        Through((i32, u64, u64, i32)),
        Disconnect,
    }

    fn ids() -> impl Strategy<Value = (i32, u64, u64, i32)> {
        (-1..2i32, 1..4u64, 0..4u64, -1..3i32)
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => ids().prop_map(Step::Deliver),
            2 => ids().prop_map(Step::Take),
            2 => ids().prop_map(Step::Through),
            1 => Just(Step::Disconnect),
        ]
    }

    /// Returns whether a cumulative acknowledgement of `last` includes `one`.
    fn means(last: (i32, u64, u64, i32), one: (i32, u64, u64, i32)) -> bool {
        let whole = last.3 == -1 && (last.1, last.2) == (one.1, one.2);
        last.0 == one.0 && (whole || (one.1, one.2, one.3) <= (last.1, last.2, last.3))
    }

    proptest! {
        /// Compares the result with a linear search of a list.
        #[test]
        fn a_cumulative_acknowledgement_takes_what_was_delivered_up_to_it_and_nothing_else(
            steps in prop::collection::vec(step(), 0..60),
        ) {
            let mut unacked = Unacked::default();
            let mut list: Vec<(i32, u64, u64, i32)> = Vec::new();
            let mut told = Vec::new();
            for step in steps {
                match step {
                    Step::Deliver(one) => {
                        let again = list.contains(&one);
                        if !again {
                            list.push(one);
                        }
                        let covered = told.iter().any(|last| means(*last, one));
                        prop_assert_eq!(unacked.deliver(&id(one), false), Delivered { covered, again });
                    }
                    Step::Take(one) => {
                        let was_there = list.contains(&one);
                        list.retain(|other| *other != one);
                        prop_assert_eq!(unacked.take(&id(one)), was_there);
                    }
                    Step::Through(last) => {
                        let mut expected: Vec<_> = list.iter().copied().filter(|one| means(last, *one)).collect();
                        list.retain(|one| !means(last, *one));
                        told.push(last);
                        expected.sort_unstable();
                        let taken = unacked.take_through(&id(last)).unwrap_or_default();
                        prop_assert_eq!(taken, expected.into_iter().map(id).collect::<Vec<_>>());
                    }
                    Step::Disconnect => {
                        list.clear();
                        unacked.disconnected();
                    }
                }
                prop_assert_eq!(unacked.frames(), list.len());
            }
        }
    }
}
