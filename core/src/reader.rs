//! The reader: reads a topic from a position, without a subscription.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::admin::{Admin, Ledger, Position, StoredMessage};
use crate::client::inner::{Child, ClientInner};
use crate::driver::Route;
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Level, Log};
use crate::message::{Message, MessageId};
use crate::options::{InitialPosition, Options, Resolved, Roles};
use crate::outcome::Outcome;
use crate::proto::reader::{Command, ReaderRole};
use crate::query::Query;
use crate::receiver::inbox::Waiting;
use crate::receiver::processors::Handler;
use crate::receiver::{
    self, IntoCommand, ReadPosition, Receiver, Ticket, Tombstone, TombstoneWatched, receiver_methods,
};
use crate::stats::Stats;
use crate::status;
use crate::topic::{Endpoint, Persistence, TopicName};

/// The longest time until a reader notices that its topic got partitions, as with Pulsar's own clients.
const PARTITIONS_INTERVAL: Duration = Duration::from_secs(60);

/// Reads a topic from `starting_message`: `earliest`, `latest` or after an id. After a reconnect it continues after the
/// last message received, with neither a gap nor a replay. Cheap to clone; it ends with its last clone.
#[derive(Clone)]
pub struct Reader {
    inner: Arc<Inner>,
}

struct Inner {
    receiver: Receiver<Command<Ticket>>,
    /// The partitions, or the topic: one for each session.
    parts: Mutex<Vec<TopicName>>,
    /// The settings for the sessions of further partitions.
    opening: Opening,
    /// Held while sessions are added.
    growing: tokio::sync::Mutex<()>,
    /// The end of each part when `mark_end` marked it.
    ends: Mutex<Vec<Option<MessageId>>>,
}

/// What the sessions of a reader have in common.
struct Opening {
    advisor: Admin,
    route: Route,
    window: usize,
    options: Resolved,
}

impl Opening {
    /// Adds the session of one part.
    fn add(&self, receiver: &Receiver<Command<Ticket>>, part: TopicName, position: String) -> Result<()> {
        let start = match position.as_str() {
            "latest" => ReadPosition::Unknown,
            "earliest" => ReadPosition::Earliest,
            id => ReadPosition::After(id.parse()?),
        };
        let session = receiver.sessions.len();
        let (topic, counters) = (receiver.topic.clone(), receiver.counters.clone());
        let role = ReaderRole::new(topic, part.clone(), session, position, self.window, counters);
        let mut route = self.route.clone();
        route.endpoint = Endpoint::Reader(part);
        receiver.add(&receiver.topic, role, route, &self.options);
        receiver.positions.begins_at(session, start);
        Ok(())
    }
}

impl Reader {
    pub(crate) async fn open(client: &Arc<ClientInner>, topic: &str, options: &Options) -> Result<Reader> {
        let topic: TopicName = topic.parse().map_err(|error: Error| error.during("open reader"))?;
        let shown = topic.to_string();
        let named = |error: Error| error.during("open reader").on_topic(&shown);
        client.check_open().map_err(named)?;
        let options = client.options_for(options, Roles::READER).map_err(named)?;
        let lazy = options.lazy;
        let reader = Reader::spawn(client, topic, options).await.map_err(named)?;
        if !lazy {
            status::connected(&reader.inner.receiver.status()).await.map_err(named)?;
        }
        Ok(reader)
    }

    async fn spawn(client: &Arc<ClientInner>, topic: TopicName, options: Resolved) -> Result<Reader> {
        let mut route = client.route(Endpoint::Reader(topic.clone()), &options, Roles::READER)?;
        let start = options.starting_message.clone();
        let advisor = Admin::advisor(client, &options)?;
        let counted = advisor.partitions_to_open(topic.to_string()).await;
        // A REST API without an answer is not asked again: an open waits for it once.
        let silence = counted.as_ref().err().filter(|error| error.http_status().is_none()).cloned();
        let partitions = counted.unwrap_or(0);
        if partitions > 0 && start != "earliest" && start != "latest" {
            return Err(Error::invalid(format!(
                "the topic has {partitions} partitions, and an id is a position in one of them: \
                 read {} and so on, or begin at earliest or latest",
                topic.partition(0)
            )));
        }
        if let Ok(id) = start.parse::<MessageId>() {
            id.check_partition(&topic)?;
        }
        let parts = topic.parts(partitions);
        // The broker starts with the message of the id, which the proxy drops without requesting another one. With a
        // window of one, the reader would never receive a message.
        let window = (options.queue_size as usize).max(2);
        if route.query.get(Query::QUEUE_SIZE).is_some() {
            route.query.set(Query::QUEUE_SIZE, window.to_string());
        }
        let receiver = Receiver::new(client, Arc::new(topic), &options, false);
        if let Some(error) = &silence {
            let text = format!("the REST API does not answer, so the topic is read as one without partitions: {error}");
            receiver.log.write(Level::Warn, &text);
        }
        let positions = futures_util::future::join_all(parts.iter().map(|part| async {
            match start.as_str() {
                "latest" if silence.is_none() && part.persistence() == Persistence::Persistent => {
                    after_the_last(&advisor, &receiver.log, part).await
                }
                _ => start.clone(),
            }
        }));
        let positions = positions.await;
        let opening = Opening { advisor, route, window, options };
        for (part, position) in parts.iter().cloned().zip(positions) {
            opening.add(&receiver, part, position)?;
        }
        let (parts, ends, growing) = (Mutex::new(parts), Mutex::default(), tokio::sync::Mutex::default());
        let inner = Arc::new(Inner { receiver, parts, opening, growing, ends });
        let child: Arc<dyn Child> = inner.clone();
        client.adopt(Arc::downgrade(&child), &inner.receiver.counters)?;
        receiver::watch(&inner, &inner.opening.options);
        inner.watch_partitions();
        Ok(Reader { inner })
    }

    /// Returns the topic.
    pub fn topic(&self) -> &TopicName {
        &self.inner.receiver.topic
    }

    receiver_methods!();

    /// Runs a handler on every message, as [`Consumer::listen`](crate::Consumer::listen) does. After every outcome the
    /// reader continues: a reader acknowledges nothing.
    pub fn listen<H: Handler>(&self, init: impl Fn(usize) -> Result<H> + Send + Sync + 'static) -> Result<()> {
        self.inner.receiver.listen(init)
    }

    /// Returns whether the topic was terminated and everything in it has been read.
    pub async fn is_end_of_topic(&self) -> Result<bool> {
        self.inner.grow().await;
        // The server counts what it has delivered.
        Ok(self.inner.receiver.is_end_of_topic().await? && self.inner.receiver.inbox.is_drained())
    }

    /// Moves to another position in the topic: the next message is the one at `to`. Once it returns, no message from
    /// before the seek is delivered. On a partitioned topic an id moves its partition and leaves the others where they
    /// are.
    ///
    /// [`Latest`](Position::Latest) and [`Time`](Position::Time) use Pulsar's REST API.
    pub async fn seek(&self, to: &Position) -> Result<()> {
        let mut seeks = self.inner.receiver.seeks.lock().await;
        *seeks += 1;
        self.inner.grow().await;
        self.inner.go(to, false).await
    }

    /// Returns the ids of the last messages of the topic, one for each partition that has any. Uses Pulsar's REST API.
    pub async fn last_message_ids(&self) -> Result<Vec<MessageId>> {
        self.inner.grow().await;
        let admin = Admin::new(&self.inner.receiver.client);
        let mut ids = Vec::new();
        for part in self.inner.parts() {
            ids.extend(admin.last_message_id(part.to_string()).await?);
        }
        Ok(ids)
    }

    /// Returns whether the topic has a message that the application has not received yet. Uses Pulsar's REST API.
    pub async fn has_message_available(&self) -> Result<bool> {
        if self.is_ours() && self.inner.receiver.inbox.has_put_back(|_| true) {
            return Ok(true);
        }
        for (session, end) in self.look_for_ends().await?.into_iter().enumerate() {
            if !self.inner.is_past(session, end.as_ref()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Marks where the topic ends now, for [`Reader::is_caught_up`]. Uses Pulsar's REST API.
    pub async fn mark_end(&self) -> Result<()> {
        let ends = self.look_for_ends().await?;
        *self.inner.ends() = ends;
        Ok(())
    }

    /// Returns whether the application has received everything up to the end that [`Reader::mark_end`] marked. It sends
    /// no request. Without a mark it returns true.
    pub fn is_caught_up(&self) -> bool {
        if !self.is_ours() {
            return false;
        }
        let ends = self.inner.ends();
        let up_to_the_mark = |message: &Message| {
            let end = ends.get(message.origin.session).and_then(Option::as_ref);
            end.is_some_and(|end| message.id <= *end)
        };
        ends.iter().enumerate().all(|(session, end)| self.inner.is_past(session, end.as_ref()))
            && !self.inner.receiver.inbox.has_put_back(up_to_the_mark)
    }

    /// Waits for the next message before the end that [`Reader::mark_end`] marked; returns `None` if the application
    /// has received everything up to there. Dropping the future loses nothing.
    ///
    /// On a partitioned topic, messages after the mark of one partition may arrive while others have not reached
    /// theirs. A message without a value (a tombstone) stops the server's delivery. Unless the option `skip_tombstones`
    /// is set, the call then fails, after the messages of the other partitions. The error names the tombstone, and
    /// [`Reader::seek`] skips it.
    pub async fn receive_before_end(&self) -> Result<Option<Message>> {
        self.receive_many_before_end(1).await.map(|mut received| received.pop())
    }

    /// As [`Reader::receive_before_end`], but returns up to `max` messages that are queued; none at the end. The last
    /// mark that is reached ends the list.
    pub async fn receive_many_before_end(&self, max: usize) -> Result<Vec<Message>> {
        let receiver = &self.inner.receiver;
        let mut waiting = Waiting::default();
        loop {
            let moved = receiver.positions.moved();
            if self.is_caught_up() {
                return Ok(Vec::new());
            }
            let mut is_last = self.inner.last_before_end();
            let queued = receiver.try_receive_up_to(max.max(1), &mut is_last, &mut waiting)?;
            if !queued.is_empty() {
                return Ok(queued);
            }
            if let Some(why) = self.inner.why_stopped() {
                return Err(receiver.name(why, "read up to the end of"));
            }
            tokio::select! {
                received = receiver.receive_up_to(max, is_last, &mut waiting) => return received,
                () = moved => {}
            }
        }
    }

    /// Reads up to the end as it is now; returns the messages until then, one after the other.
    ///
    /// ```no_run
    /// # async fn run(reader: stargate_core::Reader) -> stargate_core::Result<()> {
    /// let mut stored = reader.until_caught_up().await?;
    /// while let Some(message) = stored.next().await? {
    ///     println!("{:?}", message.payload());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn until_caught_up(&self) -> Result<UntilCaughtUp> {
        self.mark_end().await?;
        Ok(UntilCaughtUp { reader: self.clone() })
    }

    /// Returns where each part ends now; `None` for a part that stores nothing.
    async fn look_for_ends(&self) -> Result<Vec<Option<MessageId>>> {
        let receiver = &self.inner.receiver;
        let name = |error| receiver.name(error, "look for the end of");
        receiver.check_alive(0).map_err(name)?;
        self.inner.grow().await;
        let admin = Admin::new(&receiver.client);
        let mut ends = Vec::new();
        for (session, part) in self.inner.parts().iter().enumerate() {
            if receiver.positions.of(session) == ReadPosition::Unknown {
                let why = "the reader began at latest while the REST API did not answer, so it is not known where it is: \
                           receive a message first, or seek";
                return Err(name(Error::new(ErrorKind::Connect, why)));
            }
            let last = admin.last_message_id(part.to_string()).await?;
            // The broker remembers the position of the last message after it has deleted it.
            let is_stored = last.is_some() && admin.internal_stats(part.to_string()).await?.number_of_entries > 0;
            ends.push(last.filter(|_| is_stored));
        }
        Ok(ends)
    }

    /// Stops delivery, lets handlers finish what they have, and closes the connections. It may be called anywhere, and
    /// more than once; see [`Consumer::close`](crate::Consumer::close).
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        self.inner.clone().close_within(timeout).await
    }
}

/// The messages that [`Reader::until_caught_up`] reads.
#[derive(Debug, Clone)]
pub struct UntilCaughtUp {
    reader: Reader,
}

impl UntilCaughtUp {
    /// Returns the next message; `None` if the end is reached. Dropping the future loses nothing. For the errors see
    /// [`Reader::receive_before_end`]; after one it can be called again.
    pub async fn next(&mut self) -> Result<Option<Message>> {
        self.reader.receive_before_end().await
    }
}

/// Returns the position after the last message of a topic. A connection that breaks before the first message could not
/// continue from `latest` without a gap.
async fn after_the_last(advisor: &Admin, log: &Log, part: &TopicName) -> String {
    match advisor.last_message_id(part.to_string()).await {
        Ok(Some(last)) => last.as_str().to_owned(),
        Ok(None) => "earliest".to_owned(),
        // The topic begins with the reader. Only Pulsar says so in this way: a gateway has another 404.
        Err(error) if error.http_status() == Some(404) && is_about_a_topic(&error) => "earliest".to_owned(),
        Err(error) => {
            let text = format!(
                "the reader begins at the latest message, and nobody tells which one that is: if the connection breaks \
                 before the first message, those published meanwhile are skipped: {error}"
            );
            log.write(Level::Warn, &text);
            "latest".to_owned()
        }
    }
}

fn is_about_a_topic(error: &Error) -> bool {
    error.broker_text().is_some_and(|text| text.starts_with("Topic"))
}

impl Inner {
    fn ends(&self) -> MutexGuard<'_, Vec<Option<MessageId>>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parts(&self) -> Vec<TopicName> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds the partitions that the topic got meanwhile, from their beginning. If the REST API does not answer, the
    /// reader keeps those that it knows.
    async fn grow(&self) {
        self.grow_with(&self.opening.advisor).await;
    }

    async fn grow_with(&self, admin: &Admin) {
        let receiver = &self.receiver;
        let _one_at_a_time = self.growing.lock().await;
        let known = receiver.sessions.len();
        if self.parts()[0] == *receiver.topic || receiver.check_alive(0).is_err() {
            return;
        }
        let now = match admin.partitions(receiver.topic.to_string()).await {
            Ok(now) => now as usize,
            Err(error) => {
                receiver.log.write(Level::Debug, &format!("partitions not counted: {error}"));
                return;
            }
        };
        for part in receiver.topic.parts(now as u32).into_iter().skip(known) {
            if let Err(error) = self.opening.add(receiver, part.clone(), "earliest".to_owned()) {
                receiver.log.write(Level::Error, &format!("{part} is not read: {error}"));
                return;
            }
            self.parts.lock().unwrap_or_else(PoisonError::into_inner).push(part);
        }
        if now > known {
            let text = format!("reads {} more partitions, {now} now: the topic got them meanwhile", now - known);
            receiver.log.write(Level::Info, &text);
        }
    }

    /// Checks for new partitions for as long as the reader is open. The task does not keep the reader alive.
    fn watch_partitions(self: &Arc<Self>) {
        if self.parts()[0] == *self.receiver.topic {
            return;
        }
        let (watched, limiter) = (Arc::downgrade(self), self.receiver.client.limiter.clone());
        self.receiver.client.runtime.spawn(async move {
            loop {
                tokio::time::sleep(PARTITIONS_INTERVAL).await;
                let _turn = limiter.turn().await;
                let Some(reader) = watched.upgrade().filter(|reader| reader.receiver.check_alive(0).is_ok()) else {
                    return;
                };
                reader.grow_with(&reader.opening.advisor.clone().unhurried()).await;
            }
        });
    }

    fn is_past(&self, session: usize, end: Option<&MessageId>) -> bool {
        end.is_none_or(|end| self.receiver.positions.of(session).has_passed(end))
    }

    /// Returns a function that is given the next messages in order, and tells whether a message reaches the last mark.
    fn last_before_end(&self) -> impl FnMut(&Message) -> bool + use<> {
        let mut ahead = self.ends().clone();
        for (session, end) in ahead.iter_mut().enumerate() {
            end.take_if(|end| self.receiver.positions.of(session).has_passed(end));
        }
        move |message| {
            if let Some(end) = ahead.get_mut(message.origin.session) {
                end.take_if(|end| ReadPosition::After(message.id.clone()).has_passed(end));
            }
            ahead.iter().all(Option::is_none)
        }
    }

    /// Returns why no message arrives any more before the mark; `None` while a part that is not at its end may get
    /// there.
    fn why_stopped(&self) -> Option<Error> {
        let mut why = None;
        for (session, end) in self.ends().iter().enumerate() {
            if !self.is_past(session, end.as_ref()) {
                why = Some(self.receiver.positions.why_stopped(session)?);
            }
        }
        why
    }

    /// Moves the sessions. With `keeps_put_back`, messages that the application put back stay, because they are before
    /// the new position.
    async fn go(&self, to: &Position, keeps_put_back: bool) -> Result<()> {
        let receiver = &self.receiver;
        let name = |error| receiver.name(error, "seek in");
        receiver.check_alive(0).map_err(name)?;
        let parts = self.parts();
        if let (Position::At(id) | Position::After(id), [part]) = (to, &parts[..]) {
            id.check_partition(part).map_err(name)?;
        }
        let admin = Admin::new(&receiver.client);
        let mut moves = Vec::new();
        for (session, part) in parts.iter().enumerate() {
            let is_its = |id: &MessageId| parts.len() == 1 || id.partition() == Some(session as u32);
            let behind = |id: Option<MessageId>| id.map_or(ReadPosition::Earliest, ReadPosition::After);
            let target = match to {
                Position::Earliest => ReadPosition::Earliest,
                Position::Latest => behind(admin.last_message_id(part.to_string()).await?),
                Position::Time(time) => {
                    behind(admin.message_id_at(part.to_string(), *time).await?.map(|id| id.before()))
                }
                Position::At(id) | Position::After(id) if !is_its(id) => continue,
                Position::At(id) => ReadPosition::After(id.before()),
                Position::After(id) => ReadPosition::After(id.clone()),
            };
            moves.push((session, target));
        }
        if moves.is_empty() {
            let (Position::At(id) | Position::After(id)) = to else { return Ok(()) };
            let partition = id.partition().map_or("no partition".to_owned(), |index| format!("partition {index}"));
            let why = format!("message id {id} is of {partition}, and the topic has {} partitions", parts.len());
            return Err(name(Error::invalid(why)));
        }
        for (session, target) in moves {
            let position = match &target {
                ReadPosition::After(id) => id.as_str().to_owned(),
                ReadPosition::Earliest | ReadPosition::Unknown => "earliest".to_owned(),
            };
            let command = |ticket| Command::Restart { position, ticket };
            receiver.restart(session, target, keeps_put_back, command).await.map_err(name)?;
        }
        Ok(())
    }

    /// Returns the messages of the next entry in the topic.
    async fn next_of(&self, session: usize, admin: &Admin) -> Result<Vec<StoredMessage>> {
        let (part, position) = (self.parts()[session].to_string(), self.receiver.positions.of(session));
        if position == ReadPosition::Unknown {
            return Ok(Vec::new());
        }
        let last = admin.last_message_id(&part).await?;
        let next = match (&last, &position) {
            (None, _) => Vec::new(),
            (Some(last), _) if position.has_passed(last) => Vec::new(),
            (Some(last), ReadPosition::After(at)) => behind(at, last, &part, admin).await?,
            (Some(_), _) => {
                let first = admin.examine_message(&part, InitialPosition::Earliest, 1).await?;
                first.unwrap_or_default()
            }
        };
        if next.is_empty() {
            self.nothing_comes(session, &position, last.as_ref());
        }
        Ok(next)
    }

    /// Clears the end of a part if nothing is stored any more between a position and `last`: a reader at the position
    /// would wait for it without limit.
    fn nothing_comes(&self, session: usize, position: &ReadPosition, last: Option<&MessageId>) {
        if let Some(end) = self.ends().get_mut(session)
            && end.as_ref().is_some_and(|end| last.is_none_or(|last| end <= last))
            && self.receiver.positions.of(session) == *position
        {
            *end = None;
            self.receiver.positions.wake();
        }
    }
}

/// Returns the messages after `at` in its entry or the next one.
async fn behind(at: &MessageId, last: &MessageId, part: &str, admin: &Admin) -> Result<Vec<StoredMessage>> {
    if let Some(index) = at.batch_index() {
        // The entry may be deleted, which the broker reports in several ways.
        let entry = admin.read_entry(part, at).await;
        let mut entry =
            if entry.as_ref().is_err_and(|error| error.http_status().is_some()) { Vec::new() } else { entry? };
        entry.retain(|message| message.message().id().batch_index() > Some(index));
        if !entry.is_empty() {
            return Ok(entry);
        }
    }
    // Entry -1 is before the first entry of a ledger.
    let following = at.entry().wrapping_add(1);
    // The ledger being written to has no counts yet, but ends at the last message.
    let ledgers = admin.internal_stats(part).await?.ledgers;
    let holds =
        |ledger: &Ledger, entry| entry < ledger.entries || ledger.ledger_id == last.ledger() && entry <= last.entry();
    let next = ledgers.iter().find_map(|ledger| match ledger.ledger_id.cmp(&at.ledger()) {
        Less => None,
        Equal => holds(ledger, following).then_some((ledger.ledger_id, following)),
        Greater => holds(ledger, 0).then_some((ledger.ledger_id, 0)),
    });
    let Some((ledger, entry)) = next else { return Ok(Vec::new()) };
    admin.read_entry(part, &MessageId::at(ledger, entry, -1, -1)).await
}

impl TombstoneWatched for Inner {
    type Command = Command<Ticket>;

    fn receiver(&self) -> &Receiver<Command<Ticket>> {
        &self.receiver
    }

    async fn tombstones(&self, admin: &Admin) -> Result<Vec<Tombstone>> {
        let mut found = Vec::new();
        for session in 0..self.parts().len() {
            let next = self.next_of(session, admin).await?;
            if let Some(next) = next.first().filter(|message| message.is_null()) {
                found.push(Tombstone { session, id: next.message().id().clone(), stuck: None });
            }
        }
        Ok(found)
    }

    async fn skip_past(self: &Arc<Self>, tombstone: MessageId) -> Result<()> {
        self.go(&Position::After(tombstone), true).await
    }
}

impl IntoCommand for Command<Ticket> {
    const TRACKS_POSITION: bool = true;

    fn on_taken(messages: &[Message]) -> impl Iterator<Item = Self> {
        messages.iter().map(|message| Command::on_outcome(message, Outcome::Ack))
    }

    /// Every outcome means that the reader continues.
    fn on_outcome(message: &Message, _outcome: Outcome) -> Self {
        Command::Finished { id: message.id.clone(), connection: message.origin.connection }
    }

    fn is_end_of_topic(ticket: Ticket) -> Self {
        Command::IsEndOfTopic { ticket }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("topic", &self.inner.receiver.topic.to_string()).finish_non_exhaustive()
    }
}

impl Child for Inner {
    fn close_within(self: Arc<Self>, timeout: Duration) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> {
        Box::pin(async move { self.receiver.close(timeout, "close reader of").await })
    }
}
