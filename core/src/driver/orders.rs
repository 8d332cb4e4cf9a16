//! What handles tell their session: a queue that wakes the session's task no more often than it has to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

/// What a handle tells its session.
pub(crate) enum Order<C> {
    Do(C),
    /// Ends the session when what is in flight is done, or after `linger`.
    Close {
        linger: Duration,
    },
}

/// The session has ended, and nobody takes orders any more.
#[derive(Debug)]
pub(crate) struct Gone;

/// Room that an empty queue may keep for what comes next.
const KEPT: usize = 1024;

/// How many orders may be here before the sleeper is woken for them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// For so many that can wait, or for one that cannot.
    Awake(usize),
    /// The sleeper wakes up soon by itself: for so many of any kind.
    Resting(usize),
}

struct State<C> {
    queue: Vec<Order<C>>,
    /// The task, and whether it sleeps.
    waker: Option<Waker>,
    asleep: bool,
    patience: Patience,
    /// All handles are gone.
    abandoned: bool,
    gone: bool,
}

struct Shared<C>(Mutex<State<C>>);

impl<C> Shared<C> {
    /// Nothing that can panic runs under the lock.
    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the sleeper, after the lock is released: the waker runs code of the runtime.
fn rouse<C>(mut state: MutexGuard<'_, State<C>>) {
    state.asleep = false;
    let waker = state.waker.clone();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The side of the handles. The session is abandoned when the last clone is dropped.
pub(crate) struct Orders<C>(Arc<Gate<C>>);

struct Gate<C>(Arc<Shared<C>>);

impl<C> Drop for Gate<C> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.abandoned = true;
        rouse(state);
    }
}

impl<C> Clone for Orders<C> {
    fn clone(&self) -> Orders<C> {
        Orders(self.0.clone())
    }
}

impl<C> Orders<C> {
    pub(crate) fn new() -> (Orders<C>, Inbound<C>) {
        let shared = Arc::new(Shared(Mutex::new(State {
            queue: Vec::new(),
            waker: None,
            asleep: false,
            patience: Patience::Awake(0),
            abandoned: false,
            gone: false,
        })));
        (Orders(Arc::new(Gate(shared.clone()))), Inbound(shared))
    }

    /// Gives an order that is carried out as soon as the session's task runs, for which it is woken.
    pub(crate) fn send(&self, order: Order<C>) -> Result<(), Gone> {
        self.push(order, true)
    }

    /// Gives an order that can wait until the task wakes up for another reason, or until a lot of them are there.
    pub(crate) fn send_lazily(&self, command: C) -> Result<(), Gone> {
        self.push(Order::Do(command), false)
    }

    fn push(&self, order: Order<C>, urgent: bool) -> Result<(), Gone> {
        let mut state = self.0.0.state();
        if state.gone {
            return Err(Gone);
        }
        state.queue.push(order);
        let enough = match state.patience {
            Patience::Awake(lot) => urgent || state.queue.len() >= lot,
            Patience::Resting(lot) => state.queue.len() >= lot,
        };
        if state.asleep && enough {
            rouse(state);
        }
        Ok(())
    }

    pub(crate) fn downgrade(&self) -> WeakOrders<C> {
        WeakOrders(Arc::downgrade(&self.0))
    }
}

/// A way to tell a session that does not keep it.
pub(crate) struct WeakOrders<C>(Weak<Gate<C>>);

impl<C> WeakOrders<C> {
    pub(crate) fn upgrade(&self) -> Option<Orders<C>> {
        self.0.upgrade().map(Orders)
    }
}

/// The side of the session.
pub(crate) struct Inbound<C>(Arc<Shared<C>>);

impl<C> Drop for Inbound<C> {
    fn drop(&mut self) {
        let orders = {
            let mut state = self.0.state();
            state.gone = true;
            std::mem::take(&mut state.queue)
        };
        // Outside the lock: what is in them may tell a session something when it is dropped.
        drop(orders);
    }
}

impl<C> Inbound<C> {
    /// Puts all orders into `orders`, which is empty; whether all handles are gone.
    pub(crate) fn take(&self, orders: &mut Vec<Order<C>>) -> bool {
        debug_assert!(orders.is_empty());
        if orders.capacity() > KEPT {
            *orders = Vec::new();
        }
        let mut state = self.0.state();
        state.asleep = false;
        std::mem::swap(&mut state.queue, orders);
        state.abandoned
    }

    /// Has the task woken for the next order, or for the `patience`th of those that can wait; false when there is one
    /// already.
    pub(crate) fn sleep(&self, cx: &Context<'_>, patience: Patience) -> bool {
        let mut state = self.0.state();
        if !state.queue.is_empty() {
            return false;
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        state.patience = patience;
        state.asleep = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn counted() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        (count.clone(), Waker::from(count))
    }

    fn numbers(inbound: &Inbound<u8>) -> Vec<u8> {
        let mut orders = Vec::new();
        inbound.take(&mut orders);
        orders
            .into_iter()
            .map(|order| match order {
                Order::Do(number) => number,
                Order::Close { .. } => u8::MAX,
            })
            .collect()
    }

    #[test]
    fn a_sleeper_is_woken_once_and_one_that_is_awake_never() {
        let (orders, inbound) = Orders::new();
        let (woken, waker) = counted();
        assert!(inbound.sleep(&Context::from_waker(&waker), Patience::Awake(1)));
        for number in 0..3 {
            orders.send(Order::Do(number)).unwrap();
        }
        assert_eq!((numbers(&inbound), woken.0.load(Ordering::SeqCst)), (vec![0, 1, 2], 1));
        orders.send(Order::Do(3)).unwrap();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(!inbound.sleep(&Context::from_waker(&waker), Patience::Awake(1)), "there is something to do");
    }

    #[test]
    fn what_can_wait_wakes_when_there_is_enough_of_it_or_with_what_cannot() {
        let (orders, inbound) = Orders::new();
        let (woken, waker) = counted();
        inbound.sleep(&Context::from_waker(&waker), Patience::Awake(3));
        orders.send_lazily(0).unwrap();
        orders.send_lazily(1).unwrap();
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        orders.send_lazily(2).unwrap();
        assert_eq!((numbers(&inbound), woken.0.load(Ordering::SeqCst)), (vec![0, 1, 2], 1));
        inbound.sleep(&Context::from_waker(&waker), Patience::Awake(3));
        orders.send_lazily(3).unwrap();
        orders.send(Order::Do(4)).unwrap();
        assert_eq!((numbers(&inbound), woken.0.load(Ordering::SeqCst)), (vec![3, 4], 2));
    }

    #[test]
    fn one_that_wakes_up_soon_by_itself_is_woken_for_a_lot_only() {
        let (orders, inbound) = Orders::new();
        let (woken, waker) = counted();
        inbound.sleep(&Context::from_waker(&waker), Patience::Resting(2));
        orders.send(Order::Do(0)).unwrap();
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        orders.send(Order::Do(1)).unwrap();
        assert_eq!((numbers(&inbound), woken.0.load(Ordering::SeqCst)), (vec![0, 1], 1));
    }

    #[test]
    fn the_last_handle_wakes_the_session_and_the_end_of_the_session_is_told() {
        let (orders, inbound) = Orders::<u8>::new();
        let (woken, waker) = counted();
        inbound.sleep(&Context::from_waker(&waker), Patience::Awake(9));
        let weak = orders.downgrade();
        drop((orders.clone(), weak.upgrade()));
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        drop(orders);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(inbound.take(&mut Vec::new()));
        assert!(weak.upgrade().is_none());
        let (orders, inbound) = Orders::<u8>::new();
        drop(inbound);
        assert!(orders.send(Order::Do(1)).is_err());
    }
}
