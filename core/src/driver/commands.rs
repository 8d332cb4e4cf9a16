//! The queue of commands from handles to their session. It wakes the session's task only when necessary.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use crate::fork;

/// A command from a handle to its session.
pub(crate) enum SessionCommand<C> {
    Role(C),
    /// Ends the session once nothing is in flight, or after `linger`.
    Close {
        linger: Duration,
    },
}

/// The session has ended and accepts no commands.
#[derive(Debug)]
pub(crate) struct Gone;

/// The capacity that an empty queue may keep.
const MAX_KEPT_CAPACITY: usize = 1024;

/// How many queued commands wake the task.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WakePolicy {
    /// Wake for one urgent command, or for this many of any kind.
    Prompt(usize),
    /// The task wakes up soon by itself, so only this many commands wake it.
    Batched(usize),
}

struct State<C> {
    queue: Vec<SessionCommand<C>>,
    /// The waker of the task, and whether the task sleeps.
    waker: Option<Waker>,
    asleep: bool,
    wake_policy: WakePolicy,
    /// All handles have been dropped.
    abandoned: bool,
    gone: bool,
}

struct Shared<C>(Mutex<State<C>>);

impl<C> Shared<C> {
    /// Locks the state. Nothing that can panic runs under the lock.
    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the task after releasing the lock, because the waker runs code of the runtime.
fn wake<C>(mut state: MutexGuard<'_, State<C>>) {
    state.asleep = false;
    let waker = state.waker.clone();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The sending end, which handles own. Dropping the last clone abandons the session.
pub(crate) struct CommandSender<C>(Arc<SenderGuard<C>>);

struct SenderGuard<C> {
    shared: Arc<Shared<C>>,
    /// The number of forks that led to its process.
    made_after: u32,
}

impl<C> Drop for SenderGuard<C> {
    fn drop(&mut self) {
        if fork::check(self.made_after).is_err() {
            // A thread that does not exist in this process may hold the lock.
            return;
        }
        let mut state = self.shared.state();
        state.abandoned = true;
        wake(state);
    }
}

impl<C> Clone for CommandSender<C> {
    fn clone(&self) -> CommandSender<C> {
        CommandSender(self.0.clone())
    }
}

impl<C> CommandSender<C> {
    pub(crate) fn new() -> (CommandSender<C>, CommandReceiver<C>) {
        let shared = Arc::new(Shared(Mutex::new(State {
            queue: Vec::new(),
            waker: None,
            asleep: false,
            wake_policy: WakePolicy::Prompt(0),
            abandoned: false,
            gone: false,
        })));
        let guard = SenderGuard { shared: shared.clone(), made_after: fork::forks() };
        (CommandSender(Arc::new(guard)), CommandReceiver(shared))
    }

    /// Queues an urgent command, which wakes the task.
    pub(crate) fn send(&self, command: SessionCommand<C>) -> Result<(), Gone> {
        self.push(command, true)
    }

    /// Queues a command that can wait until the task wakes up anyway, or until a batch of commands is queued.
    pub(crate) fn send_lazily(&self, command: C) -> Result<(), Gone> {
        self.push(SessionCommand::Role(command), false)
    }

    fn push(&self, command: SessionCommand<C>, urgent: bool) -> Result<(), Gone> {
        let mut state = self.0.shared.state();
        if state.gone {
            return Err(Gone);
        }
        state.queue.push(command);
        let enough = match state.wake_policy {
            WakePolicy::Prompt(count) => urgent || state.queue.len() >= count,
            WakePolicy::Batched(count) => state.queue.len() >= count,
        };
        if state.asleep && enough {
            wake(state);
        }
        Ok(())
    }

    pub(crate) fn downgrade(&self) -> WeakCommandSender<C> {
        WeakCommandSender(Arc::downgrade(&self.0))
    }
}

/// A sender that does not keep the session alive.
pub(crate) struct WeakCommandSender<C>(Weak<SenderGuard<C>>);

impl<C> Clone for WeakCommandSender<C> {
    fn clone(&self) -> WeakCommandSender<C> {
        WeakCommandSender(self.0.clone())
    }
}

impl<C> WeakCommandSender<C> {
    pub(crate) fn upgrade(&self) -> Option<CommandSender<C>> {
        self.0.upgrade().map(CommandSender)
    }
}

/// The receiving end, which the session owns.
pub(crate) struct CommandReceiver<C>(Arc<Shared<C>>);

impl<C> Drop for CommandReceiver<C> {
    fn drop(&mut self) {
        let commands = {
            let mut state = self.0.state();
            state.gone = true;
            std::mem::take(&mut state.queue)
        };
        // Outside the lock: dropping a command may send one to another session.
        drop(commands);
    }
}

impl<C> CommandReceiver<C> {
    /// Moves all commands into `commands`, which must be empty, and returns whether all handles have been dropped.
    pub(crate) fn take(&self, commands: &mut Vec<SessionCommand<C>>) -> bool {
        debug_assert!(commands.is_empty());
        if commands.capacity() > MAX_KEPT_CAPACITY {
            *commands = Vec::new();
        }
        let mut state = self.0.state();
        state.asleep = false;
        std::mem::swap(&mut state.queue, commands);
        state.abandoned
    }

    /// Registers the task to be woken according to `wake_policy` and returns true. Returns false without registering if
    /// a command is already queued.
    pub(crate) fn sleep(&self, cx: &Context<'_>, wake_policy: WakePolicy) -> bool {
        let mut state = self.0.state();
        if !state.queue.is_empty() {
            return false;
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        state.wake_policy = wake_policy;
        state.asleep = true;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::mem::ManuallyDrop;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::fork::tests::in_child;

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

    fn numbers(receiver: &CommandReceiver<u8>) -> Vec<u8> {
        let mut commands = Vec::new();
        receiver.take(&mut commands);
        commands
            .into_iter()
            .map(|command| match command {
                SessionCommand::Role(number) => number,
                SessionCommand::Close { .. } => u8::MAX,
            })
            .collect()
    }

    #[test]
    fn a_sleeper_is_woken_once_and_one_that_is_awake_never() {
        let (commands, receiver) = CommandSender::new();
        let (woken, waker) = counted();
        assert!(receiver.sleep(&Context::from_waker(&waker), WakePolicy::Prompt(1)));
        for number in 0..3 {
            commands.send(SessionCommand::Role(number)).unwrap();
        }
        assert_eq!((numbers(&receiver), woken.0.load(Ordering::SeqCst)), (vec![0, 1, 2], 1));
        commands.send(SessionCommand::Role(3)).unwrap();
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(!receiver.sleep(&Context::from_waker(&waker), WakePolicy::Prompt(1)), "there is something to do");
    }

    #[test]
    fn what_can_wait_wakes_when_there_is_enough_of_it_or_with_what_cannot() {
        let (commands, receiver) = CommandSender::new();
        let (woken, waker) = counted();
        receiver.sleep(&Context::from_waker(&waker), WakePolicy::Prompt(3));
        commands.send_lazily(0).unwrap();
        commands.send_lazily(1).unwrap();
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        commands.send_lazily(2).unwrap();
        assert_eq!((numbers(&receiver), woken.0.load(Ordering::SeqCst)), (vec![0, 1, 2], 1));
        receiver.sleep(&Context::from_waker(&waker), WakePolicy::Prompt(3));
        commands.send_lazily(3).unwrap();
        commands.send(SessionCommand::Role(4)).unwrap();
        assert_eq!((numbers(&receiver), woken.0.load(Ordering::SeqCst)), (vec![3, 4], 2));
    }

    #[test]
    fn one_that_wakes_up_soon_by_itself_is_woken_for_a_lot_only() {
        let (commands, receiver) = CommandSender::new();
        let (woken, waker) = counted();
        receiver.sleep(&Context::from_waker(&waker), WakePolicy::Batched(2));
        commands.send(SessionCommand::Role(0)).unwrap();
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        commands.send(SessionCommand::Role(1)).unwrap();
        assert_eq!((numbers(&receiver), woken.0.load(Ordering::SeqCst)), (vec![0, 1], 1));
    }

    #[test]
    fn a_child_drops_a_handle_without_the_lock_of_a_parents_thread() {
        let (commands, receiver) = CommandSender::<u8>::new();
        let (forgotten, _held) = (ManuallyDrop::new(commands), receiver.0.state());
        assert!(in_child(|| {
            drop(ManuallyDrop::into_inner(forgotten));
            true
        }));
    }

    #[test]
    fn the_last_handle_wakes_the_session_and_the_end_of_the_session_is_told() {
        let (commands, receiver) = CommandSender::<u8>::new();
        let (woken, waker) = counted();
        receiver.sleep(&Context::from_waker(&waker), WakePolicy::Prompt(9));
        let weak = commands.downgrade();
        drop((commands.clone(), weak.upgrade()));
        assert_eq!(woken.0.load(Ordering::SeqCst), 0);
        drop(commands);
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(receiver.take(&mut Vec::new()));
        assert!(weak.upgrade().is_none());
        let (commands, receiver) = CommandSender::<u8>::new();
        drop(receiver);
        assert!(commands.send(SessionCommand::Role(1)).is_err());
    }
}
