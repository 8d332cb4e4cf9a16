//! Opens a producer: its options, its connection and its bounds.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;

use super::sink::ProducerSink;
use super::{BYTES_UNIT, Inner, Producer};
use crate::admin::Admin;
use crate::client::inner::{Child, ClientInner};
use crate::driver::{CommandSender, Driver};
use crate::duplicates::Duplicates;
use crate::encryption::Sealer;
use crate::error::{Error, Result};
use crate::log::Log;
use crate::operations::Operations;
use crate::options::{OnDisconnect, Options, Resolved, Roles};
use crate::proto::producer::{ProducerRole, Resend};
use crate::proto::session::Session;
use crate::query::Query;
use crate::stats::Counters;
use crate::status::{self, Reporter};
use crate::topic::{Endpoint, TopicName};

impl Producer {
    pub(crate) async fn open(client: &Arc<ClientInner>, topic: &str, options: &Options) -> Result<Producer> {
        let named = |error: Error| error.during("open producer").on_topic(topic);
        let topic_name: TopicName = topic.parse().map_err(named)?;
        client.check_open().map_err(named)?;
        let options = client.options_for(options, Roles::PRODUCER).map_err(named)?;
        let lazy = options.lazy;
        if options.effectively_once {
            let advisor = Admin::advisor(client, &options).map_err(named)?;
            if advisor.partitions(topic).await.is_ok_and(|partitions| partitions > 0) {
                let many = "effectively_once needs a topic without partitions: each partition counts for itself";
                return Err(named(Error::invalid(many)));
            }
        }
        let sealer = Producer::sealer(client, &topic_name, &options).await.map_err(named)?;
        let producer = Producer::spawn(client, topic_name, options, sealer).map_err(named)?;
        if !lazy {
            status::connected(&producer.inner.status)
                .await
                .map_err(|error| error.during("open producer").on_topic(&producer.inner.topic.to_string()))?;
        }
        Ok(producer)
    }

    async fn sealer(client: &Arc<ClientInner>, topic: &TopicName, options: &Resolved) -> Result<Option<Sealer>> {
        let Some(keys) = client.keys(options) else { return Ok(None) };
        Sealer::open(keys, options, Log::new(topic.to_string(), options.given.log.clone())).await.map(Some)
    }

    fn spawn(
        client: &Arc<ClientInner>,
        topic: TopicName,
        options: Resolved,
        sealer: Option<Sealer>,
    ) -> Result<Producer> {
        let mut route = client.route(Endpoint::Producer(topic.clone()), &options, Roles::PRODUCER)?;
        let topic = Arc::new(topic);
        let counters: Arc<Counters> = Arc::default();
        let resend = if options.effectively_once {
            // Larger than any id of an earlier run under this name, unless the clock was set back; then the broker
            // reports it.
            let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
            match options.initial_seq_id {
                Some(id) => Resend::Numbered { first: id.saturating_add(1), chosen: false },
                None => Resend::Numbered { first: clock, chosen: true },
            }
        } else {
            match options.on_disconnect {
                OnDisconnect::Resend => Resend::Again,
                OnDisconnect::Fail => Resend::Never,
            }
        };
        // The server's own bound applies with batching only, and must not be below ours.
        if !options.batch_enabled {
            route.query.unset(Query::MAX_PENDING_MESSAGES);
        }
        // The proxy cannot compress what it cannot read; the sealer has compressed it.
        if sealer.is_some() {
            route.query.unset(Query::COMPRESSION_TYPE);
        }
        let (commands, command_receiver) = CommandSender::new();
        let (reporter, status) = Reporter::new(client, &topic, 0, &options, &counters);
        let bytes_units =
            u32::try_from(options.max_pending_bytes.cast_unsigned().div_ceil(BYTES_UNIT as u64)).unwrap_or(u32::MAX);
        let messages = Arc::new(Semaphore::new(options.max_pending_msg as usize));
        let bytes = Arc::new(Semaphore::new(bytes_units as usize));
        let duplicates = match options.effectively_once {
            true => Some(Duplicates::new(client, &options, &topic)?),
            false => None,
        };
        let sink = ProducerSink {
            reporter,
            client: client.clone(),
            commands: commands.downgrade(),
            duplicates,
            futures: Vec::new(),
            inline: Vec::new(),
            room: None,
            callbacks: Vec::new(),
            jobs: Vec::new(),
            topic: topic.clone(),
            messages: messages.clone(),
            bytes: bytes.clone(),
        };
        route.query.unset(Query::INITIAL_SEQUENCE_ID);
        let role = ProducerRole::new(resend, options.initial_seq_id, counters.clone())
            .with_name(options.name.is_some())
            .with_key(sealer.as_ref().map(Sealer::connection_key));
        let session = Session::new(role, client.policy(&options, 0));
        let begun = Instant::now();
        client.runtime.spawn(Driver::run(session, command_receiver, sink, route, begun));
        let send_timeout = options.send_timeout;
        let inner = Arc::new(Inner {
            client: client.clone(),
            topic,
            commands,
            status: [status],
            messages,
            bytes,
            bytes_units,
            when_full: options.when_full,
            send_timeout: (!send_timeout.is_zero()).then_some(send_timeout),
            callbacks_due: Arc::default(),
            max_frame: options.max_message_frame_bytes as usize,
            sealer,
            begun,
            counters,
            operations: Operations::default(),
            told_left: AtomicBool::new(false),
        });
        let child: Arc<dyn Child> = inner.clone();
        client.adopt(Arc::downgrade(&child), &inner.counters)?;
        Ok(Producer { inner })
    }
}
