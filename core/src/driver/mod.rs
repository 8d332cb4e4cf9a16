//! The task of a session. It moves frames, commands, time and events between the outside and the state machine.

pub(crate) mod access;
mod commands;
pub(crate) mod cookies;
pub(crate) mod deflate;
mod read_coalescer;
mod recv_buffer;
pub(crate) mod redirect;
pub(crate) mod refusal;
pub(crate) mod upgrade;
pub(crate) mod websocket;
pub(crate) mod words;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use tokio::time::Sleep;

use self::access::Access;
pub(crate) use self::commands::{CommandReceiver, CommandSender, SessionCommand, WakePolicy, WeakCommandSender};
use self::read_coalescer::ReadCoalescer;
use self::websocket::{Incoming, Socket};
use crate::error::{Error, Result};
use crate::proto::session::{Action, Change, Role, Session};
use crate::proto::{Moment, earliest};
use crate::query::Query;
use crate::stats::Counters;
use crate::topic::{Endpoint, Host};

/// How many frames the driver reads before anything else has its turn.
const READ_BATCH_FRAMES: usize = 256;
/// How many bytes it reads, so that an application that waits for large messages wakes before they fill the caches.
const READ_BATCH_BYTES: usize = 512 * 1024;
/// How many frames the driver writes before anything else has its turn.
const WRITE_BATCH_FRAMES: usize = 256;

/// The destination of a session's events. The driver calls `poll_ready` before each frame it reads, and `flush` after
/// each batch of events.
pub(crate) trait EventSink<E>: Send + 'static {
    /// Returns ready when the sink has room for more events. Otherwise the driver reads nothing, and the sink wakes
    /// `cx` when it has room again. Also forwards messages that have been decrypted in the meantime.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    fn handle_event(&mut self, event: E);
    fn handle_change(&mut self, change: Change, route: &Route);
    /// Handles the loss of the connection. Discards the messages that the application has not seen and that the broker
    /// redelivers, and returns how many there were.
    fn handle_disconnected(&mut self) -> usize {
        0
    }
    fn handle_pong(&mut self, at: SystemTime);
    /// Handles the answer of a server to the offer of compression.
    fn handle_compression(&mut self, accepted: bool);
    /// Returns the counters of the handle.
    fn counters(&self) -> &Arc<Counters>;
    /// Wakes the application for a complete batch of events.
    fn flush(&mut self);
}

/// The servers that a session connects to, and the request it sends them.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) hosts: Vec<Host>,
    pub(crate) access: Access,
    pub(crate) endpoint: Endpoint,
    pub(crate) query: Query,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Socket>> + Send>>;

pub(crate) struct Driver<R: Role, O> {
    session: Session<R>,
    commands: CommandReceiver<R::Command>,
    /// Commands taken in the current turn. Empty between turns.
    taken: Vec<SessionCommand<R::Command>>,
    sink: O,
    route: Route,
    socket: Option<Socket>,
    coalescer: ReadCoalescer,
    connecting: Option<Connecting>,
    begun: Instant,
    timer: Pin<Box<Sleep>>,
    /// The deadline that the timer is set for.
    timer_at: Option<Moment>,
    /// All handles have been dropped.
    abandoned: bool,
}

impl<R, O> Driver<R, O>
where
    R: Role + Send + 'static,
    R::Command: Send,
    O: EventSink<R::Event>,
{
    /// Runs the session until it ends. Its time counts from `begun`. Must be called inside the runtime.
    pub(crate) async fn run(
        session: Session<R>,
        commands: CommandReceiver<R::Command>,
        sink: O,
        route: Route,
        begun: Instant,
    ) {
        let mut driver = Driver {
            session,
            commands,
            taken: Vec::new(),
            sink,
            route,
            socket: None,
            coalescer: ReadCoalescer::default(),
            connecting: None,
            begun,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            timer_at: None,
            abandoned: false,
        };
        driver.session.start();
        poll_fn(|cx| driver.poll(cx)).await;
    }

    fn now(&self) -> Moment {
        self.begun.elapsed()
    }

    /// Runs turns until nothing is left to do. The order of calls is that of [`Session`]. A turn has these steps:
    ///
    /// 1. Take commands and the outcome of an attempt to connect.
    /// 2. Read a batch of frames.
    /// 3. Handle the timeout, if it is due.
    /// 4. Carry out actions and forward events.
    /// 5. Write, after everything else, so that one write carries all of a turn.
    /// 6. Set the timer and sleep, unless a step found work.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = self.now();
            let mut busy = self.take_commands(now);
            busy |= self.poll_connecting(cx, now);
            self.perform_actions(cx, now);
            // Reads before the timeout: an answer that waits in the socket is not late because this process slept.
            busy |= self.read(cx, now);
            if self.session.poll_timeout().is_some_and(|at| now >= at) {
                self.session.handle_timeout(now);
            }
            self.perform_actions(cx, now);
            self.dispatch_events();
            busy |= self.write(cx, now);
            self.perform_actions(cx, now);
            self.dispatch_events();
            if self.session.ended().is_some() {
                // Commands may still arrive, and fail with the session's error.
                busy |= self.take_commands(now);
                if !busy && self.abandoned {
                    return Poll::Ready(());
                }
                self.dispatch_events();
            }
            let wake_policy = match self.coalescer.deadline() {
                Some(_) => WakePolicy::Batched((self.session.receive_window() / 4).min(READ_BATCH_FRAMES / 2)),
                None => WakePolicy::Prompt(self.session.wake_threshold()),
            };
            if !busy && !self.poll_timer(cx) && self.commands.sleep(cx, wake_policy) {
                return Poll::Pending;
            }
        }
    }

    fn take_commands(&mut self, now: Moment) -> bool {
        let abandoned = self.commands.take(&mut self.taken);
        let any = !self.taken.is_empty();
        for command in self.taken.drain(..) {
            match command {
                SessionCommand::Role(command) => self.session.handle_command(now, command),
                SessionCommand::Close { linger } => self.session.close(now, linger),
            }
        }
        if abandoned && !std::mem::replace(&mut self.abandoned, true) {
            self.session.handle_abandoned(now);
        }
        any
    }

    fn poll_connecting(&mut self, cx: &mut Context<'_>, now: Moment) -> bool {
        let Some(connecting) = &mut self.connecting else { return false };
        let Poll::Ready(outcome) = connecting.as_mut().poll(cx) else { return false };
        self.connecting = None;
        match outcome {
            Ok(mut socket) => {
                socket.count_in(self.sink.counters());
                let compression = self.route.access.offer.map(|_| socket.deflates());
                self.socket = Some(socket);
                self.session.handle_connected(now);
                if let Some(accepted) = compression {
                    self.sink.handle_compression(accepted);
                }
            }
            Err(error) => self.session.handle_connect_failed(now, error),
        }
        true
    }

    fn read(&mut self, cx: &mut Context<'_>, now: Moment) -> bool {
        let due = self.session.poll_timeout().is_some_and(|at| now >= at);
        let arrived = || self.socket.as_mut().is_none_or(|socket| socket.poll_low_water(cx).is_ready());
        if self.coalescer.should_wait(now, arrived) && !due {
            return false;
        }
        let mut bytes = 0;
        for taken in 0..READ_BATCH_FRAMES {
            if bytes > READ_BATCH_BYTES {
                break;
            }
            let full = self.sink.poll_ready(cx).is_pending();
            self.session.set_reads_paused(full);
            let Some(socket) = self.socket.as_mut().filter(|_| !full) else { return taken > 0 };
            match socket.poll_next(cx) {
                Poll::Pending => {
                    let low_water = self.coalescer.on_drained(now, self.session.receive_window());
                    socket.set_recv_low_water(low_water);
                    return taken > 0;
                }
                Poll::Ready(Incoming::Text { text, carried }) => {
                    bytes += text.len();
                    self.coalescer.on_frame(carried);
                    self.session.handle_text(now, &text);
                }
                Poll::Ready(Incoming::Pong) => {
                    self.session.handle_activity();
                    self.sink.handle_pong(SystemTime::now());
                }
                Poll::Ready(Incoming::Malformed(error)) => {
                    self.session.handle_activity();
                    self.session.handle_malformed(now, error);
                }
                Poll::Ready(Incoming::Other) => self.session.handle_activity(),
                Poll::Ready(Incoming::End(error)) => {
                    // Sends the library's answer to a close frame, if possible.
                    let _ = socket.poll_flush(cx);
                    self.socket = None;
                    self.lost(now, error);
                    return true;
                }
            }
            // The queue's bound is in bytes, so the driver checks it after each frame that may have filled it.
            while let Some(event) = self.session.poll_event() {
                self.sink.handle_event(event);
            }
        }
        true
    }

    /// Handles the loss of the connection.
    fn lost(&mut self, now: Moment, error: Error) {
        while let Some(event) = self.session.poll_event() {
            self.sink.handle_event(event);
        }
        let discarded = self.sink.handle_disconnected();
        self.session.handle_discarded(discarded);
        self.coalescer = ReadCoalescer::default();
        self.session.handle_disconnected(now, error);
    }

    fn perform_actions(&mut self, cx: &mut Context<'_>, now: Moment) {
        while let Some(action) = self.session.poll_action() {
            let outcome = match action {
                Action::Connect { host } => {
                    let mut query = self.route.query.clone();
                    self.session.connect_query(&mut query);
                    let path = format!("{}{query}", self.route.endpoint.path());
                    let host = self.route.hosts[host % self.route.hosts.len()].clone();
                    self.socket = None;
                    self.connecting = Some(Box::pin(upgrade::connect(host, path, self.route.access.clone())));
                    // The driver polls it at once, because nothing else would wake this task for it.
                    cx.waker().wake_by_ref();
                    Ok(())
                }
                Action::Ping => self.socket.as_mut().map_or(Ok(()), Socket::push_ping),
                Action::Close => self.socket.as_mut().map_or(Ok(()), |socket| {
                    let pushed = socket.push_close();
                    let _ = socket.poll_flush(cx);
                    pushed
                }),
                Action::Drop => {
                    if self.socket.take().is_some() {
                        let discarded = self.sink.handle_disconnected();
                        self.session.handle_discarded(discarded);
                    }
                    self.connecting = None;
                    Ok(())
                }
            };
            if let Err(error) = outcome {
                self.socket = None;
                self.lost(now, error);
            }
        }
    }

    fn dispatch_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.sink.handle_event(event);
        }
        while let Some(change) = self.session.poll_change() {
            self.sink.handle_change(change, &self.route);
        }
        self.sink.flush();
    }

    fn write(&mut self, cx: &mut Context<'_>, now: Moment) -> bool {
        let Some(socket) = &mut self.socket else { return false };
        let mut written = false;
        let mut outcome = Ok(());
        for _ in 0..WRITE_BATCH_FRAMES {
            match socket.poll_ready(cx) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => {
                    outcome = Err(error);
                    break;
                }
                Poll::Ready(Ok(())) => {}
            }
            let Some(frame) = self.session.poll_frame() else { break };
            written = true;
            if let Err(error) = socket.push_frame(&frame) {
                outcome = Err(error);
                break;
            }
        }
        if outcome.is_ok()
            && let Poll::Ready(Err(error)) = socket.poll_flush(cx)
        {
            outcome = Err(error);
        }
        self.session.handle_written(now);
        if let Err(error) = outcome {
            let error = self.drain_after_write_error(cx, now).unwrap_or(error);
            self.socket = None;
            self.lost(now, error);
            return true;
        }
        written
    }

    /// Reads, after a failed write, what the server sent before it closed, such as receipts and its reason. Returns
    /// that reason, if any.
    fn drain_after_write_error(&mut self, cx: &mut Context<'_>, now: Moment) -> Option<Error> {
        let socket = self.socket.as_mut()?;
        for _ in 0..READ_BATCH_FRAMES {
            match socket.poll_next(cx) {
                Poll::Ready(Incoming::Text { text, .. }) => self.session.handle_text(now, &text),
                Poll::Ready(Incoming::End(error)) => return error.broker_text().is_some().then_some(error),
                Poll::Ready(_) => {}
                Poll::Pending => return None,
            }
        }
        None
    }

    /// Sets the timer for the next deadline. Returns true if that has already passed.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(at) = earliest([self.session.poll_timeout(), self.coalescer.deadline()]) else { return false };
        // A timer set for an earlier moment stays: deadlines move with every batch of frames. One wakeup too many costs
        // less than setting the timer each time.
        if self.timer_at.is_none_or(|set| set > at) {
            self.timer_at = Some(at);
            // Long enough for a deadline that never arrives, because tokio limits the timer's range.
            let wait = at.saturating_sub(self.now()).min(Duration::from_secs(86_400));
            self.timer.as_mut().reset(tokio::time::Instant::now() + wait);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            self.timer_at = None;
            return true;
        }
        false
    }
}
