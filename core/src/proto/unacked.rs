//! What the present connection delivered and has not been acknowledged, in the order of the topic.

use std::collections::BTreeMap;

use crate::message::MessageId;

/// A place in the order of its partition: the partition, which is an order of its own; the ledger, the entry, and the
/// index in the batch.
type OrderKey = (Option<u32>, u64, u64, Option<u32>);

fn order_key(id: &MessageId) -> OrderKey {
    (id.partition(), id.ledger(), id.entry(), id.batch_index())
}

#[derive(Debug, Default)]
pub(crate) struct Unacked {
    /// With the number of times it was delivered: the server counts each of them against its window.
    delivered: BTreeMap<OrderKey, (MessageId, usize)>,
    /// The sum of those numbers.
    frames: usize,
    /// Where the application acknowledged everything up to: the last place of each partition. It outlives connections,
    /// because what they did not carry any more comes again.
    through: BTreeMap<Option<u32>, OrderKey>,
}

impl Unacked {
    /// A message was delivered. Whether a cumulative acknowledgement has said already that it is done.
    pub(crate) fn deliver(&mut self, id: &MessageId) -> bool {
        let key = order_key(id);
        self.delivered.entry(key).or_insert_with(|| (id.clone(), 0)).1 += 1;
        self.frames += 1;
        self.through.get(&key.0).is_some_and(|through| key <= *through)
    }

    /// What the server counts against its window.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// Takes out a message, or only one delivery of it; how many frames that were, each of which is to be answered.
    pub(crate) fn take(&mut self, id: &MessageId, only_one: bool) -> Option<usize> {
        let key = order_key(id);
        let (_, delivered) = self.delivered.get_mut(&key)?;
        let frames = if only_one { 1 } else { *delivered };
        *delivered -= frames;
        if *delivered == 0 {
            self.delivered.remove(&key);
        }
        self.frames -= frames;
        Some(frames)
    }

    /// Takes out all messages of the partition up to this one, in their order and with their numbers of frames, and
    /// remembers that they are done. `None` when that says nothing new.
    pub(crate) fn take_through(&mut self, id: &MessageId) -> Option<Vec<(MessageId, usize)>> {
        let (partition, ledger, entry, batch_index) = order_key(id);
        // The id of a whole entry means all of its batch.
        let last = (partition, ledger, entry, batch_index.or(Some(u32::MAX)));
        let first = (partition, 0, 0, None);
        let taken: Vec<_> = self.delivered.extract_if(first..=last, |_, _| true).map(|(_, message)| message).collect();
        self.frames -= taken.iter().map(|(_, frames)| frames).sum::<usize>();
        let through = self.through.entry(partition).or_insert(first);
        let further = *through < last;
        *through = last.max(*through);
        (further || !taken.is_empty()).then_some(taken)
    }

    /// What was said to be done may come again, because the application wants it so.
    pub(crate) fn forget_through(&mut self) {
        self.through.clear();
    }

    /// The connection is gone, and what it delivered comes again.
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
            unacked.deliver(&id((-1, 7, 1, index)));
        }
        unacked.deliver(&id((-1, 7, 2, -1)));
        let half: Vec<_> = unacked.take_through(&id((-1, 7, 1, 1))).unwrap();
        assert_eq!(half, [(id((-1, 7, 1, 0)), 1), (id((-1, 7, 1, 1)), 1)]);
        assert_eq!(unacked.take_through(&id((-1, 7, 1, -1))).unwrap().len(), 2);
        assert_eq!(unacked.take_through(&id((-1, 7, 1, 3))), None, "it says nothing new");
        assert_eq!(unacked.frames(), 1);
    }

    /// What docs/delivery.md says of the cost:
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
                for lot in ids.chunks(100) {
                    lot.iter().for_each(|id| assert!(!unacked.deliver(id)));
                    acknowledge(&mut unacked, lot);
                }
                assert_eq!(unacked.frames(), 0);
                begun.elapsed().as_nanos() as f64 / ids.len() as f64
            };
            let single = measure(|unacked, lot| lot.iter().for_each(|id| assert!(unacked.take(id, false).is_some())));
            let cumulative = measure(|unacked, lot| {
                assert_eq!(unacked.take_through(&lot[lot.len() - 1]).unwrap().len(), lot.len());
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

    /// Whether a cumulative acknowledgement of `last` means `one`.
    fn means(last: (i32, u64, u64, i32), one: (i32, u64, u64, i32)) -> bool {
        let whole = last.3 == -1 && (last.1, last.2) == (one.1, one.2);
        last.0 == one.0 && (whole || (one.1, one.2, one.3) <= (last.1, last.2, last.3))
    }

    proptest! {
        /// Against a list that is searched from end to end.
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
                        list.push(one);
                        let covered = told.iter().any(|last| means(*last, one));
                        prop_assert_eq!(unacked.deliver(&id(one)), covered);
                    }
                    Step::Take(one) => {
                        let count = list.iter().filter(|other| **other == one).count();
                        list.retain(|other| *other != one);
                        prop_assert_eq!(unacked.take(&id(one), false), (count > 0).then_some(count));
                    }
                    Step::Through(last) => {
                        let mut expected: Vec<_> = list.iter().copied().filter(|one| means(last, *one)).collect();
                        list.retain(|one| !means(last, *one));
                        told.push(last);
                        expected.sort_unstable();
                        let mut taken = Vec::new();
                        for (id, frames) in unacked.take_through(&id(last)).unwrap_or_default() {
                            taken.extend(std::iter::repeat_n(id, frames));
                        }
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
