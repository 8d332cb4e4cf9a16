//! Sets of numbers that stay small while the numbers come in order, so that an hour of them takes no memory.

use std::collections::BTreeMap;

/// A set of numbers, as ranges from the key up to, and without, the value.
#[derive(Default)]
pub(crate) struct Numbers(BTreeMap<u64, u64>);

impl Numbers {
    /// Adds a number. Returns whether it is new.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        let before = self.0.range(..=number).next_back().map(|(from, to)| (*from, *to));
        if before.is_some_and(|(_, to)| number < to) {
            return false;
        }
        let end = self.0.remove(&(number + 1)).unwrap_or(number + 1);
        let start = before.filter(|(_, to)| *to == number).map_or(number, |(from, _)| from);
        self.0.insert(start, end);
        true
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.0.values().next_back().map(|to| to - 1)
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(|(from, to)| to - from).sum()
    }

    /// Returns the numbers of this set that `other` lacks.
    pub(crate) fn missing_from(&self, other: &Numbers) -> Vec<u64> {
        let lacks = |number: &u64| other.0.range(..=number).next_back().is_none_or(|(_, to)| number >= to);
        self.0.iter().flat_map(|(from, to)| *from..*to).filter(lacks).collect()
    }
}

/// The numbers of one sender and key as a receiver saw them.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) numbers: Numbers,
    /// How many were out of order when they were seen first.
    pub(crate) late: u64,
    pub(crate) repeated: u64,
}

impl Seen {
    pub(crate) fn see(&mut self, number: u64) {
        let out_of_order = self.numbers.last().is_some_and(|last| last > number);
        match self.numbers.insert(number) {
            true if out_of_order => self.late += 1,
            true => {}
            false => self.repeated += 1,
        }
    }
}

#[test]
fn numbers_are_kept_as_ranges() {
    let mut numbers = Numbers::default();
    for number in [3, 1, 2, 7, 9, 8] {
        assert!(numbers.insert(number));
        assert!(!numbers.insert(number));
    }
    assert_eq!((numbers.0.len(), numbers.len(), numbers.last()), (2, 6, Some(9)));
    let mut other = Numbers::default();
    other.insert(2);
    assert_eq!(numbers.missing_from(&other), [1, 3, 7, 8, 9]);
    assert_eq!(other.missing_from(&numbers), [] as [u64; 0]);
}
