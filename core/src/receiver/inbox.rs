//! A bounded queue of received messages, between the connection and the application.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

use crate::error::{Error, ErrorKind, Result};
use crate::message::Message;
use crate::stats::Counters;

/// The queue of a consumer or reader: one lane for all takers, or a lane for each processor, by key.
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// Wakes the takers, one for each lane.
    arrived: Vec<Notify>,
    /// The bytes of all queued messages, and of those that sessions have read and not pushed yet. It is outside the
    /// lock because a session checks it for each frame. It is reduced under the lock only, so that no session waits for
    /// space that is free.
    bytes: AtomicUsize,
    max_bytes: usize,
    hasher: RandomState,
    counters: Arc<Counters>,
}

struct State {
    lanes: Vec<VecDeque<Message>>,
    /// Sessions that have not ended.
    sessions: usize,
    /// Sessions that stopped reading because of the bound.
    full: Vec<Waker>,
    /// The error after which no more messages arrive.
    ended: Option<Error>,
    /// Whether the handle was closed, so that queued messages are dropped.
    closed: bool,
    /// Shared by the receives that wait; an interrupt replaces it.
    waiting: Arc<()>,
    /// Shared by the receives that the last interrupt ends.
    ending: Arc<()>,
    /// The last interrupt has ended no receive yet. If none is left for it to end, it ends the next one.
    interrupted: bool,
}

/// Marks a receive that waits, so that the next interrupt ends it. Empty until the receive has found nothing.
#[derive(Default)]
pub(crate) struct Waiting(Option<Arc<()>>);

impl Inbox {
    pub(crate) fn new(lanes: usize, max_bytes: usize, counters: Arc<Counters>) -> Inbox {
        let lanes = lanes.max(1);
        Inbox {
            state: Mutex::new(State {
                lanes: (0..lanes).map(|_| VecDeque::new()).collect(),
                sessions: 0,
                full: Vec::new(),
                ended: None,
                closed: false,
                waiting: Arc::default(),
                ending: Arc::default(),
                interrupted: false,
            }),
            arrived: (0..lanes).map(|_| Notify::new()).collect(),
            bytes: AtomicUsize::new(0),
            max_bytes,
            hasher: RandomState::new(),
            counters,
        }
    }

    /// A poisoned lock is usable: the queue is plain data, and no code of the application runs under its lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lanes(&self) -> usize {
        self.arrived.len()
    }

    pub(crate) fn count_handler_error(&self) {
        self.counters.handler_errors.add(1);
    }

    /// Counts a message that a session has read, until [`Inbox::push`] or [`Inbox::unread`].
    pub(crate) fn read(&self, message: &Message) {
        self.bytes.fetch_add(message.origin.frame_bytes, Ordering::Relaxed);
    }

    /// Uncounts messages that were read and are not pushed after all.
    pub(crate) fn unread(&self, gone: &[Message]) {
        self.release(self.state(), gone);
    }

    /// Adds the messages in order, and wakes one taker of each lane; it wakes the next while there is work.
    pub(crate) fn push(&self, messages: &mut Vec<Message>) {
        if messages.is_empty() {
            return;
        }
        let mut filled = vec![false; self.lanes()];
        let mut state = self.state();
        if state.closed {
            self.release(state, messages);
            messages.clear();
            return;
        }
        let bytes: usize = messages.iter().map(|message| message.origin.frame_bytes).sum();
        self.counters.queued.add(messages.len() as u64);
        self.counters.queued_bytes.add(bytes as u64);
        for message in messages.drain(..) {
            let lane = match (self.lanes(), message.key()) {
                (1, _) => 0,
                (lanes, key) => (self.hasher.hash_one(key.unwrap_or_default()) % lanes as u64) as usize,
            };
            state.lanes[lane].push_back(message);
            filled[lane] = true;
        }
        drop(state);
        for (notify, _) in self.arrived.iter().zip(filled).filter(|(_, filled)| *filled) {
            notify.notify_one();
        }
    }

    /// Returns whether everything that sessions have read was taken.
    pub(crate) fn is_drained(&self) -> bool {
        self.state().lanes.iter().all(VecDeque::is_empty) && self.bytes.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < self.max_bytes
    }

    /// Returns ready while the bound is not reached; otherwise wakes `cx` once there is space again.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if self.has_room() {
            return Poll::Ready(());
        }
        if !state.full.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.full.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Takes up to `max` messages of a lane without waiting; fails if the lane is empty and no more messages arrive.
    pub(crate) fn try_take(&self, lane: usize, max: usize) -> Result<Vec<Message>> {
        self.take_now(self.state(), lane, max, |_| false)
    }

    /// As [`Inbox::try_take`], but for a receive, which an interrupt ends. It takes nothing after a message for which
    /// `is_last` returns true. If it takes nothing, the receive waits as long as `waiting` is kept.
    pub(crate) fn try_receive(
        &self,
        max: usize,
        is_last: impl FnMut(&Message) -> bool,
        waiting: &mut Waiting,
    ) -> Result<Vec<Message>> {
        let mut state = self.state();
        // Under the lock, so that an interrupt sees either a receive that waits or one that has taken.
        let interrupted = match waiting.0.take() {
            Some(waiting) => !Arc::ptr_eq(&waiting, &state.waiting),
            None => state.interrupted && Arc::strong_count(&state.ending) == 1,
        };
        if interrupted && !state.closed {
            state.interrupted = false;
            let left = !state.lanes[0].is_empty();
            drop(state);
            if left {
                // The message that woke this receive is for another one.
                self.arrived[0].notify_one();
            }
            return Err(Error::new(ErrorKind::Interrupted, "the application interrupted the receive"));
        }
        if state.lanes[0].is_empty() {
            waiting.0 = Some(state.waiting.clone());
        }
        self.take_now(state, 0, max, is_last)
    }

    fn take_now(
        &self,
        mut state: MutexGuard<'_, State>,
        lane: usize,
        max: usize,
        is_last: impl FnMut(&Message) -> bool,
    ) -> Result<Vec<Message>> {
        let queued = &state.lanes[lane];
        let count = queued.iter().take(max).position(is_last).map_or(queued.len().min(max), |last| last + 1);
        if count == 0 {
            return match &state.ended {
                Some(error) => Err(error.clone()),
                None => Ok(Vec::new()),
            };
        }
        let taken: Vec<Message> = state.lanes[lane].drain(..count).collect();
        let more = !state.lanes[lane].is_empty();
        self.uncount(&taken);
        self.release(state, &taken);
        if more {
            self.arrived[lane].notify_one();
        }
        Ok(taken)
    }

    /// Subtracts messages from the counters of the queue.
    fn uncount(&self, gone: &[Message]) {
        let bytes: usize = gone.iter().map(|message| message.origin.frame_bytes).sum();
        self.counters.queued.sub(gone.len() as u64);
        self.counters.queued_bytes.sub(bytes as u64);
    }

    /// Releases the space of messages.
    fn release(&self, mut state: MutexGuard<'_, State>, gone: &[Message]) {
        let bytes: usize = gone.iter().map(|message| message.origin.frame_bytes).sum();
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        let woken = if self.has_room() { std::mem::take(&mut state.full) } else { Vec::new() };
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Lets [`Inbox::forget`] drop messages of a session that were put back, too.
    pub(crate) fn forget_put_back(&self, session: usize) {
        let mut state = self.state();
        for message in state.lanes.iter_mut().flatten().filter(|message| message.origin.session == session) {
            message.origin.permit_returned = false;
        }
    }

    /// Returns whether one of the messages that were put back is wanted; they are at the front.
    pub(crate) fn has_put_back(&self, wanted: impl Fn(&Message) -> bool) -> bool {
        let state = self.state();
        let again =
            |lane: &VecDeque<Message>| lane.iter().take_while(|message| message.origin.permit_returned).any(&wanted);
        state.lanes.iter().any(again)
    }

    /// Drops the queued messages of a session; returns how many frames they were.
    pub(crate) fn forget(&self, session: usize) -> usize {
        let mut state = self.state();
        let mut gone = Vec::new();
        for lane in &mut state.lanes {
            let goes = |message: &Message| message.origin.session == session && !message.origin.permit_returned;
            let (going, staying): (VecDeque<_>, VecDeque<_>) = lane.drain(..).partition(goes);
            *lane = staying;
            gone.extend(going);
        }
        self.uncount(&gone);
        self.release(state, &gone);
        gone.iter().filter(|message| !message.origin.in_same_frame).count()
    }

    /// Takes one to `max` messages of a lane. Dropping the future loses nothing.
    pub(crate) async fn take(&self, lane: usize, max: usize) -> Result<Vec<Message>> {
        self.until_taken(lane, || self.try_take(lane, max)).await
    }

    /// Takes one to `max` messages for a receive, which an interrupt ends, up to the one for which `is_last` returns
    /// true. `waiting` is that of the receive if it waits already. Dropping the future loses nothing.
    pub(crate) async fn receive(
        &self,
        max: usize,
        mut is_last: impl FnMut(&Message) -> bool,
        waiting: &mut Waiting,
    ) -> Result<Vec<Message>> {
        self.until_taken(0, || self.try_receive(max, &mut is_last, waiting)).await
    }

    /// Tries again whenever something happens to a lane, until messages were taken.
    async fn until_taken(
        &self,
        lane: usize,
        mut try_take: impl FnMut() -> Result<Vec<Message>>,
    ) -> Result<Vec<Message>> {
        loop {
            let arrived = self.arrived[lane].notified();
            let taken = try_take()?;
            if !taken.is_empty() {
                return Ok(taken);
            }
            arrived.await;
        }
    }

    /// Ends the receives that wait; if none does, the next one.
    pub(crate) fn interrupt(&self) {
        let mut state = self.state();
        state.ending = std::mem::take(&mut state.waiting);
        state.interrupted = true;
        drop(state);
        self.arrived[0].notify_waiters();
    }

    /// Puts back, at the front, messages that were taken and could not be given to the application.
    pub(crate) fn put_back(&self, lane: usize, messages: Vec<Message>) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        for mut message in messages.into_iter().rev() {
            message.origin.permit_returned = true;
            self.read(&message);
            self.counters.queued.add(1);
            self.counters.queued_bytes.add(message.origin.frame_bytes as u64);
            state.lanes[lane].push_front(message);
        }
        drop(state);
        self.arrived[lane].notify_one();
    }

    /// Adds a session that fills the queue.
    pub(crate) fn open_session(&self) {
        self.state().sessions += 1;
    }

    /// Removes a session that was closed; after the last one no more messages arrive.
    pub(crate) fn end_session(&self) {
        let mut state = self.state();
        state.sessions = state.sessions.saturating_sub(1);
        let last = state.sessions == 0;
        drop(state);
        if last {
            self.end(Error::closed());
        }
    }

    /// Ends the queue; queued messages can still be taken.
    pub(crate) fn end(&self, error: Error) {
        self.state().ended.get_or_insert(error);
        self.wake_all();
    }

    /// Closes the queue with its handle: drops the queued messages, and ends the takers.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.ended.get_or_insert_with(Error::closed);
        let dropped: Vec<Message> = state.lanes.iter_mut().flat_map(std::mem::take).collect();
        self.uncount(&dropped);
        self.release(state, &dropped);
        self.wake_all();
    }

    fn wake_all(&self) {
        for notify in &self.arrived {
            notify.notify_waiters();
            // For a taker between its check of the queue and its wait.
            notify.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use super::*;
    use crate::message::Origin;
    use crate::runtime::block_on;

    fn message(number: u8, key: Option<&str>) -> Message {
        Message {
            id: crate::MessageId::from_bytes(&[8, 1, 16, number]).unwrap(),
            topic: Arc::new("t".parse().unwrap()),
            payload: vec![number].into(),
            key: key.map(str::to_owned),
            properties: Default::default(),
            publish_time: None,
            event_time: None,
            redelivery_count: 0,
            encryption_context: None,
            batch: None,
            origin: Origin { frame_bytes: 100, ..Origin::default() },
        }
    }

    fn deliver(inbox: &Inbox, mut messages: Vec<Message>) {
        messages.iter().for_each(|message| inbox.read(message));
        inbox.push(&mut messages);
    }

    fn numbers(messages: Vec<Message>) -> Vec<u8> {
        messages.iter().map(|message| message.payload()[0]).collect()
    }

    #[test]
    fn what_is_put_back_comes_first_again() {
        let inbox = Inbox::new(1, 1000, Arc::default());
        deliver(&inbox, vec![message(1, None), message(2, None), message(3, None)]);
        let taken = inbox.try_take(0, 2).unwrap();
        inbox.put_back(0, taken);
        assert_eq!(numbers(inbox.try_take(0, 9).unwrap()), [1, 2, 3]);
    }

    #[test]
    fn a_full_queue_wakes_its_session_when_there_is_room() {
        struct Flag(std::sync::atomic::AtomicBool);
        impl std::task::Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, std::sync::atomic::Ordering::SeqCst);
            }
        }
        let flag = Arc::new(Flag(false.into()));
        let waker = Waker::from(flag.clone());
        let inbox = Inbox::new(1, 150, Arc::default());
        deliver(&inbox, vec![message(1, None), message(2, None)]);
        assert!(inbox.poll_room(&mut Context::from_waker(&waker)).is_pending());
        inbox.try_take(0, 1).unwrap();
        assert!(flag.0.load(std::sync::atomic::Ordering::SeqCst));
        assert!(inbox.poll_room(&mut Context::from_waker(&waker)).is_ready());
    }

    #[test]
    fn one_key_is_one_lane_in_order() {
        let inbox = Inbox::new(4, 100_000, Arc::default());
        deliver(&inbox, (0..40).map(|n| message(n, Some(["a", "b", "c"][n as usize % 3]))).collect());
        let lanes: Vec<Vec<u8>> = (0..4).map(|lane| numbers(inbox.try_take(lane, 99).unwrap())).collect();
        for residue in 0..3u8 {
            let holding: Vec<_> = lanes.iter().filter(|lane| lane.iter().any(|n| n % 3 == residue)).collect();
            assert_eq!(holding.len(), 1);
            assert!(holding[0].iter().filter(|n| *n % 3 == residue).is_sorted());
        }
    }

    #[test]
    fn after_the_end_what_is_left_comes_and_then_the_reason() {
        let inbox = Inbox::new(1, 1000, Arc::default());
        deliver(&inbox, vec![message(1, None)]);
        inbox.end(Error::new(ErrorKind::NotFound, "gone"));
        assert_eq!(numbers(inbox.try_take(0, 9).unwrap()), [1]);
        let waited = block_on(inbox.take(0, 1), None).unwrap().unwrap();
        assert_eq!(waited.unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_receive_takes_nothing_after_the_last_message() {
        let inbox = Inbox::new(1, 1000, Arc::default());
        deliver(&inbox, (1..=5).map(|number| message(number, None)).collect());
        let up_to = |last: u8| {
            numbers(inbox.try_receive(9, |message| message.payload()[0] == last, &mut Waiting::default()).unwrap())
        };
        assert_eq!(up_to(1), [1]);
        assert_eq!(up_to(3), [2, 3]);
        assert_eq!(up_to(9), [4, 5]);
    }

    fn received(inbox: &Inbox) -> Result<Vec<u8>> {
        let waited = block_on(receive(inbox), Some(std::time::Duration::from_secs(5))).unwrap();
        waited.expect("it did not end").map(numbers)
    }

    async fn receive(inbox: &Inbox) -> Result<Vec<Message>> {
        inbox.receive(1, |_| false, &mut Waiting::default()).await
    }

    /// Polls a receive once; `None` if it waits.
    fn poll(receive: Pin<&mut impl Future<Output = Result<Vec<Message>>>>) -> Option<Result<Vec<u8>>> {
        match receive.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(received) => Some(received.map(numbers)),
            Poll::Pending => None,
        }
    }

    fn kind(received: Option<Result<Vec<u8>>>) -> Option<ErrorKind> {
        received.and_then(Result::err).map(|error| error.kind())
    }

    #[test]
    fn an_interrupt_ends_the_next_receive_once_and_takes_nothing() {
        let inbox = Inbox::new(1, 1000, Arc::default());
        deliver(&inbox, vec![message(1, None)]);
        inbox.interrupt();
        inbox.interrupt();
        assert_eq!(received(&inbox).unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(received(&inbox).unwrap(), [1]);
        inbox.interrupt();
        inbox.end(Error::closed());
        inbox.close();
        assert_eq!(received(&inbox).unwrap_err().kind(), ErrorKind::Closed);
    }

    #[test]
    fn an_interrupt_ends_every_receive_that_waits_and_no_later_one() {
        let inbox = Inbox::new(1, 1000, Arc::default());
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(receive(&inbox))).collect();
        assert!(waiting.iter_mut().all(|receive| poll(receive.as_mut()).is_none()));
        inbox.interrupt();
        let mut later = Box::pin(receive(&inbox));
        assert!(poll(later.as_mut()).is_none(), "an interrupt from before ended it");
        for receive in &mut waiting {
            assert_eq!(kind(poll(receive.as_mut())), Some(ErrorKind::Interrupted));
        }
        deliver(&inbox, vec![message(1, None)]);
        assert_eq!(poll(later.as_mut()).unwrap().unwrap(), [1]);
    }

    #[test]
    fn an_interrupt_ends_receives_that_began_and_were_not_polled() {
        let inbox = Inbox::new(1, 1000, Arc::default());
        let mut begun: [Waiting; 3] = Default::default();
        for waiting in &mut begun {
            assert!(inbox.try_receive(1, |_| false, waiting).unwrap().is_empty());
        }
        inbox.interrupt();
        for waiting in &mut begun {
            let mut receive = Box::pin(inbox.receive(1, |_| false, waiting));
            assert_eq!(kind(poll(receive.as_mut())), Some(ErrorKind::Interrupted));
        }
        deliver(&inbox, vec![message(1, None)]);
        assert_eq!(received(&inbox).unwrap(), [1]);
    }

    #[test]
    fn an_interrupt_whose_receive_took_or_gave_up_ends_the_next() {
        let inbox = Inbox::new(1, 1000, Arc::default());
        let mut took = Box::pin(receive(&inbox));
        assert!(poll(took.as_mut()).is_none());
        deliver(&inbox, vec![message(1, None), message(2, None)]);
        assert_eq!(poll(took.as_mut()).unwrap().unwrap(), [1]);
        inbox.interrupt();
        assert_eq!(received(&inbox).unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(received(&inbox).unwrap(), [2]);
        let mut given_up = Box::pin(receive(&inbox));
        assert!(poll(given_up.as_mut()).is_none());
        inbox.interrupt();
        drop(given_up);
        assert_eq!(received(&inbox).unwrap_err().kind(), ErrorKind::Interrupted);
    }

    #[test]
    fn an_interrupted_receive_passes_on_the_wake_up_of_a_message() {
        let inbox = Inbox::new(1, 1000, Arc::default());
        let (mut interrupted, mut other) = (Box::pin(receive(&inbox)), Box::pin(receive(&inbox)));
        assert!(poll(interrupted.as_mut()).is_none());
        deliver(&inbox, vec![message(1, None)]);
        inbox.interrupt();
        assert_eq!(kind(poll(interrupted.as_mut())), Some(ErrorKind::Interrupted));
        assert_eq!(poll(other.as_mut()).unwrap().unwrap(), [1]);
    }

    #[test]
    fn as_many_takers_are_woken_as_there_is_work_for() {
        let inbox = Arc::new(Inbox::new(1, 1_000_000, Arc::default()));
        let takers: Vec<_> = (0..100)
            .map(|_| {
                let inbox = inbox.clone();
                std::thread::spawn(move || block_on(inbox.take(0, 1), None).unwrap().unwrap().unwrap().len())
            })
            .collect();
        deliver(&inbox, (0..100).map(|number| message(number, None)).collect());
        assert!(takers.into_iter().all(|taker| taker.join().unwrap() == 1));
    }

    #[test]
    fn what_comes_again_is_forgotten_and_gives_its_room_back() {
        let counters: Arc<Counters> = Arc::default();
        let inbox = Inbox::new(1, 1_000, counters.clone());
        let mut other = message(3, None);
        other.origin.session = 1;
        deliver(&inbox, vec![message(1, None), message(2, None), other]);
        assert_eq!(inbox.forget(0), 2);
        assert_eq!(numbers(inbox.try_take(0, 9).unwrap()), [3]);
        assert_eq!((counters.snapshot().queued, counters.snapshot().queued_bytes), (0, 0));
    }

    #[test]
    fn a_taker_that_gave_up_takes_nothing_along() {
        let inbox = Inbox::new(1, 1000, Arc::default());
        let mut given_up = Box::pin(inbox.take(0, 1));
        assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        deliver(&inbox, vec![message(1, None)]);
        drop(given_up);
        let taken = block_on(inbox.take(0, 1), Some(std::time::Duration::from_secs(1))).unwrap().unwrap().unwrap();
        assert_eq!(numbers(taken), [1]);
    }
}
