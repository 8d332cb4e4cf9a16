//! One WebSocket connection: reads and writes frames, keeps time, and fails where a fault is scripted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::deflate::Inflater;
use super::faults::{Fault, Op};
use super::frames::{self, Decoder, Incoming};
use super::outbox::{End, Outbox, detail};
use super::producer::Producer;
use super::receiver::Receiver;
use super::shared::Shared;
use super::socket::Io;

pub(super) enum Role {
    Producer(Producer),
    Receiver(Receiver),
}

impl Role {
    pub(super) fn label(&self) -> &Arc<str> {
        match self {
            Role::Producer(producer) => &producer.label,
            Role::Receiver(receiver) => &receiver.label,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Role::Producer(_) => "producer",
            Role::Receiver(receiver) => receiver.role(),
        }
    }
}

/// Releases the resources of the connection at the broker, however its task ends.
struct Attached {
    shared: Arc<Shared>,
    conn: u64,
    label: Arc<str>,
    role: &'static str,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.shared.broker(|broker, now| broker.disconnect(self.conn, now));
        self.shared.log(Op::Disconnect, &self.label, self.role, self.conn, String::new());
    }
}

/// Serves a connection from the upgrade to its end.
pub(super) async fn run(
    shared: Arc<Shared>,
    conn: u64,
    stream: Box<dyn Io>,
    mut input: BytesMut,
    mut role: Role,
    mut outbox: Outbox,
    wake: Arc<Notify>,
) {
    let label = Arc::clone(role.label());
    let attached = Attached { shared: Arc::clone(&shared), conn, label, role: role.name() };
    let (mut reading, mut writing) = tokio::io::split(stream);
    let inflater = outbox.deflater.as_ref().map(|_| Inflater::new());
    let mut decoder = Decoder::new(shared.options.max_text_size, inflater);
    let idle = shared.options.idle_timeout;
    let mut active = Instant::now();
    let mut pinged = Instant::now();
    let end = loop {
        let now = Instant::now();
        if let Some((_, text)) = outbox.deferred.take_if(|(due, _)| *due <= now) {
            match &mut role {
                Role::Producer(_) => {}
                Role::Receiver(receiver) => receiver.on_text(&shared, &text, &mut outbox, false),
            }
        }
        while !outbox.is_done() && outbox.deferred.is_none() {
            match decoder.next(&mut input) {
                Ok(Some(message)) => on_message(&shared, conn, &mut role, message, &mut outbox),
                Ok(None) => break,
                Err(violation) => outbox.end(End::Close(Some(violation.code), violation.reason)),
            }
        }
        match &mut role {
            Role::Producer(producer) => producer.flush_due(&shared, &mut outbox, now),
            Role::Receiver(receiver) => receiver.pump(&shared, &mut outbox),
        }
        if let Some(end) = outbox.end.take() {
            break end;
        }
        if now.saturating_duration_since(active) >= idle {
            let ms = idle.as_millis();
            let reason = format!("java.util.concurrent.TimeoutException: Idle timeout expired: {ms}/{ms} ms");
            break if outbox.stalled { End::Drop } else { End::FlushAndClose(Some(1001), reason) };
        }
        let mut next = active + idle;
        if let Some(every) = shared.options.ping_interval.filter(|_| !outbox.stalled) {
            if now.saturating_duration_since(pinged) >= every {
                frames::encode(&mut outbox.pending, frames::PING, b"PING");
                pinged = now;
            }
            next = next.min(pinged + every);
        }
        outbox.release(now);
        let batch_due = match &role {
            Role::Producer(producer) => producer.due,
            Role::Receiver(_) => None,
        };
        let deferred_due = outbox.deferred.as_ref().map(|(due, _)| *due);
        for due in [outbox.hold, batch_due, deferred_due].into_iter().flatten() {
            next = next.min(due);
        }
        input.reserve(64 * 1024);
        let may_read = !outbox.stalled && outbox.deferred.is_none();
        let may_write = !outbox.stalled && !outbox.writing.is_empty();
        tokio::select! {
            biased;
            written = write_all(&mut writing, &mut outbox.writing), if may_write => {
                if written.is_err() {
                    break End::Drop;
                }
                active = Instant::now();
            }
            read = reading.read_buf(&mut input), if may_read => {
                if !matches!(read, Ok(1..)) {
                    break End::Drop;
                }
                active = Instant::now();
            }
            () = wake.notified() => {}
            () = tokio::time::sleep_until(next.into()) => {}
        }
    };
    // the broker's resources are released before the client can learn that the connection has ended
    drop(attached);
    finish(end, reading.unsplit(writing), outbox).await;
}

async fn write_all(writing: &mut (impl AsyncWriteExt + Unpin), bytes: &mut BytesMut) -> std::io::Result<()> {
    writing.write_all_buf(bytes).await?;
    writing.flush().await
}

/// Sends the pending output, and closes without a reset that could overtake it.
async fn finish(end: End, mut stream: Box<dyn Io>, mut outbox: Outbox) {
    match end {
        End::Reset => return stream.reset(),
        End::Drop => return,
        End::Close(code, reason) => {
            outbox.pending.clear();
            frames::encode_close(&mut outbox.pending, code, &reason);
        }
        End::FlushAndClose(code, reason) => frames::encode_close(&mut outbox.pending, code, &reason),
        End::FlushAndDrop => {}
    }
    let held = outbox.hold.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
    let farewell = async {
        tokio::time::sleep(held).await;
        outbox.writing.unsplit(outbox.pending.split());
        write_all(&mut stream, &mut outbox.writing).await?;
        stream.shutdown().await?;
        let mut sink = [0; 16 * 1024];
        while stream.read(&mut sink).await? > 0 {}
        std::io::Result::Ok(())
    };
    let longest = held + Duration::from_secs(2);
    // whatever the peer does, this connection ends
    let _ = tokio::time::timeout(longest, farewell).await;
}

fn on_message(shared: &Shared, conn: u64, role: &mut Role, message: Incoming, outbox: &mut Outbox) {
    match message {
        Incoming::Text(text) => match role {
            Role::Producer(producer) => producer.on_text(shared, &text, outbox),
            Role::Receiver(receiver) => receiver.on_text(shared, &text, outbox, true),
        },
        Incoming::Binary | Incoming::Pong => {}
        Incoming::Ping(payload) => {
            let fault = shared.faults.take(Op::Ping, role.label());
            shared.log(Op::Ping, role.label(), role.name(), conn, detail("", fault.as_ref()));
            if outbox.strike(fault.as_ref()) || outbox.no_pong {
                return;
            }
            match fault {
                Some(Fault::NoReceipt) => {}
                Some(Fault::DropAfter) => outbox.end(End::FlushAndDrop),
                Some(Fault::HalfFrame) => outbox.half(frames::PONG, &payload),
                Some(Fault::Garbage) => outbox.reply("", fault.as_ref()),
                _ => {
                    if let Some(Fault::Delay(by)) = fault {
                        outbox.hold(by);
                    }
                    frames::encode(&mut outbox.pending, frames::PONG, &payload);
                    if fault == Some(Fault::Duplicate) {
                        frames::encode(&mut outbox.pending, frames::PONG, &payload);
                    }
                }
            }
        }
        Incoming::Close(close) => {
            let fault = shared.faults.take(Op::Close, role.label());
            let (code, reason) = close.map_or((None, String::new()), |(code, reason)| (Some(code), reason));
            let told = code.map_or_else(String::new, |code| format!("{code} {reason}"));
            shared.log(Op::Close, role.label(), role.name(), conn, detail(&told, fault.as_ref()));
            if outbox.strike(fault.as_ref()) {
                return;
            }
            if let Role::Producer(producer) = role {
                producer.flush(shared, outbox);
            }
            match fault {
                // like a server that forgot: neither an answer nor an end
                Some(Fault::NoReceipt) => outbox.stalled = true,
                Some(Fault::DropAfter) => outbox.end(End::FlushAndDrop),
                Some(Fault::Delay(by)) => {
                    outbox.hold(by);
                    outbox.end(End::FlushAndClose(Some(code.unwrap_or(1000)), reason));
                }
                _ => match code {
                    Some(code) => outbox.end(End::FlushAndClose(Some(code), reason)),
                    None => outbox.end(End::Close(None, reason)),
                },
            }
        }
    }
}
