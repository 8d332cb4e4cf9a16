//! Opens a consumer: its connections, and what its subscription can do.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Consumer, Inner, Topics};
use crate::client::inner::{Child, ClientInner};
use crate::driver::Route;
use crate::error::{Error, Result};
use crate::initial_position;
use crate::log::Level;
use crate::options::{Options, Resolved, Roles, SubscriptionMode};
use crate::proto::consumer::{Command, ConsumerRole, Settings};
use crate::query::Query;
use crate::receiver::{self, Receiver, Ticket};
use crate::retry::RetryLetters;
use crate::status;
use crate::topic::{Endpoint, Persistence, TopicName};

impl Consumer {
    pub(crate) async fn open(
        client: &Arc<ClientInner>,
        topics: Topics,
        subscription: &str,
        options: &Options,
    ) -> Result<Consumer> {
        let shown = match &topics {
            Topics::One(topic) => topic.to_string(),
            Topics::Several(topics) => topics.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            Topics::Pattern(pattern) => pattern.clone(),
        };
        let named = |error: Error| error.during("open consumer").on_topic(&shown);
        client.check_open().map_err(named)?;
        if subscription.is_empty() {
            return Err(named(Error::invalid("the subscription's name is empty")));
        }
        let options = client.options_for(options, Roles::CONSUMER).map_err(named)?;
        let lazy = options.lazy;
        // A lazy consumer does not wait for the REST API either.
        if !lazy {
            initial_position::ensure(client, topics.names(), subscription, &options).await.map_err(named)?;
        }
        let consumer = Consumer::spawn(client, topics, subscription, options).map_err(named)?;
        if !lazy {
            status::connected(&consumer.inner.receiver.status()).await.map_err(named)?;
        }
        Ok(consumer)
    }

    fn spawn(client: &Arc<ClientInner>, topics: Topics, subscription: &str, mut options: Resolved) -> Result<Consumer> {
        let names = topics.names().to_vec();
        let (endpoint, list, topic) = endpoint_of(topics, subscription)?;
        let retry = options.enable_retry;
        if retry && list.is_some() {
            return Err(Error::invalid(
                "enable_retry is for one topic: a copy has to say which topic its message is of",
            ));
        }
        if retry {
            options = RetryLetters::complete(options, &topic, subscription);
        }
        let mut route = client.route(endpoint, &options, Roles::CONSUMER)?;
        if client.keys(&options).is_some() {
            // The proxy forwards encrypted messages, and this client applies the option itself.
            route.query.set(Query::CRYPTO_FAILURE_ACTION, "CONSUME");
        }
        // Ids of several topics do not name their topic, and are valid on their own connection only. With several
        // connections the client cannot tell which one delivered an id.
        let acks_travel = list.is_none() && options.connections == 1 && !retry;
        let one_id = topic.persistence() == Persistence::NonPersistent;
        let not_cumulative = not_cumulative(&options, list.is_some(), one_id);
        if let Some((name, topics)) = list {
            route.query.set(name, topics);
        }
        // A subscription without a position forgets what was in flight, and the broker does not store non-persistent
        // messages.
        let durable = options.subscription_mode == SubscriptionMode::Durable;
        let mut receiver = Receiver::new(client, Arc::new(topic), &options, durable && !one_id);
        let kind = options.subscription_type.as_str();
        if options.max_redeliver_count.is_some() && (kind == "exclusive" || kind == "failover") {
            let why = format!(
                "max_redeliver_count has no effect on a subscription of type {kind}: the broker counts no redeliveries \
                 there; use shared or key_shared"
            );
            receiver.log.write(Level::Warn, &why);
        }
        let add = |receiver: &Receiver<Command<Ticket>>, topic: Arc<TopicName>, route: Route| {
            let settings = Settings {
                topic: topic.clone(),
                session: receiver.sessions.len(),
                pull: options.pull_mode,
                window: options.queue_size as usize,
                acks_travel,
                one_id,
                shared: !matches!(kind, "exclusive" | "failover"),
            };
            let role = ConsumerRole::new(settings, receiver.counters.clone());
            receiver.add(&topic, role, route, &options);
        };
        for _ in 0..options.connections {
            let topic = receiver.topic.clone();
            add(&receiver, topic, route.clone());
        }
        if retry {
            let letters = RetryLetters::new(client, &options, &receiver.topic, subscription, &receiver.counters)?;
            let topic = letters.topic().clone();
            receiver.retry = Some(Arc::new(letters));
            route.endpoint = Endpoint::Consumer { topic: topic.clone(), subscription: subscription.to_owned() };
            // Another consumer of the subscription may have sent copies before this one subscribed.
            route.query.set(Query::INITIAL_POSITION, "Earliest");
            add(&receiver, Arc::new(topic), route);
        }
        let inner = Arc::new(Inner {
            receiver,
            subscription: subscription.to_owned(),
            not_cumulative,
            topics: names,
            has_place: durable && !one_id,
            partitioned: AtomicBool::new(false),
        });
        let child: Arc<dyn Child> = inner.clone();
        client.adopt(Arc::downgrade(&child), &inner.receiver.counters)?;
        if inner.has_place && inner.topics.len() == 1 {
            receiver::watch(&inner, &options);
        }
        Ok(Consumer { inner })
    }
}

/// Returns why cumulative acknowledgement is not possible; `None` if it is.
fn not_cumulative(options: &Resolved, several_topics: bool, one_id: bool) -> Option<&'static str> {
    if options.subscription_type.is_shared() {
        Some(
            "a cumulative acknowledgement is for exclusive and failover subscriptions: consumers that share one are \
              given messages in between",
        )
    } else if several_topics {
        Some(
            "the server does not tell the topic of a message to a consumer of several, so nobody knows what comes before \
              it: use a consumer of each topic",
        )
    } else if one_id {
        Some("messages of a topic that is not persistent all have the same id, so none comes before another")
    } else {
        None
    }
}

type Parameter = (&'static str, String);

/// Returns the endpoint, its list of topics as a query parameter, and the topic that names the consumer.
fn endpoint_of(topics: Topics, subscription: &str) -> Result<(Endpoint, Option<Parameter>, TopicName)> {
    let subscription = subscription.to_owned();
    match topics {
        Topics::One(topic) => Ok((Endpoint::Consumer { topic: topic.clone(), subscription }, None, topic)),
        Topics::Several(topics) => {
            let Some(first) = topics.first().cloned() else {
                return Err(Error::invalid("the list of topics is empty"));
            };
            if let Some(comma) = topics.iter().find(|topic| topic.local_name().contains(',')) {
                return Err(Error::invalid(format!("{comma}: a topic with a comma cannot be in a list")));
            }
            let list = topics.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            Ok((Endpoint::MultiTopicConsumer { subscription }, Some((Query::TOPICS, list)), first))
        }
        Topics::Pattern(pattern) => {
            let full = match (pattern.contains("://"), pattern.matches('/').count()) {
                (true, _) => pattern.clone(),
                (false, 2) => format!("persistent://{pattern}"),
                (false, _) => format!("persistent://public/default/{pattern}"),
            };
            let Some(rest) = full.strip_prefix("persistent://") else {
                return Err(Error::invalid(format!(
                    "pattern {pattern:?}: expected persistent://tenant/namespace/pattern"
                )));
            };
            let parts: Vec<&str> = rest.splitn(3, '/').collect();
            let [tenant, namespace, name] = parts[..] else {
                return Err(Error::invalid(format!(
                    "pattern {pattern:?}: expected persistent://tenant/namespace/pattern"
                )));
            };
            let topic = TopicName::new(Persistence::Persistent, tenant, namespace, &name.replace('/', "."))?;
            Ok((Endpoint::MultiTopicConsumer { subscription }, Some((Query::TOPICS_PATTERN, full)), topic))
        }
    }
}
