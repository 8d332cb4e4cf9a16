//! One-shot producing: sends messages to one URL, and returns their receipts.

use std::time::Duration;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::message::{OutgoingMessage, Receipt};
use crate::options::Options;
use crate::topic::ProducerUrl;

/// How long the close of a connection with nothing in flight may take.
const CLOSE: Duration = Duration::from_secs(2);

/// Sends messages to the topic of a producer URL over a connection of their own, and closes it in any case.
///
/// The URL is `ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic`, with the server's query parameters if
/// any. `options` are those of connections and producers, authentication and TLS among them; they take precedence over
/// the URL's parameters. Returns one result for each message, in order; the call itself fails if the connection fails.
/// Any number of calls may run at once.
///
/// ```no_run
/// # async fn run() -> stargate_core::Result<()> {
/// use stargate_core::Options;
///
/// let url = "ws://localhost:8080/ws/v2/producer/persistent/public/default/orders";
/// for result in stargate_core::produce(url, ["one pizza", "two pizzas"], Options::new()).await? {
///     println!("stored as {}", result?.message_id());
/// }
/// # Ok(())
/// # }
/// ```
pub async fn produce<M: Into<OutgoingMessage>>(
    url: &str,
    messages: impl IntoIterator<Item = M>,
    options: Options,
) -> Result<Vec<Result<Receipt>>> {
    let named = |error: Error| error.during("produce to");
    let url: ProducerUrl = url.parse().map_err(named)?;
    let mut all = options;
    for (name, value) in &url.parameters {
        all.set_parameter(name, value).map_err(named)?;
    }
    let client = Client::new(&url.service.to_string(), all.of_connection()).map_err(named)?;
    let producer = client.producer(url.topic.to_string(), all).await?;
    let results = producer.send_all(messages).await;
    // Every message has its result, so nothing is lost with the connection.
    let _ = client.close(CLOSE).await;
    Ok(results)
}
