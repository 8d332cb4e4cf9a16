//! `mock`: a broker in memory, for tests.

use clap::Args;
use stargate_core::mock::{Mock, MockError, MockOptions};

use crate::exit::{Ended, Failure};
use crate::{signal, stdout};

#[derive(Args)]
pub(crate) struct MockBroker {
    /// The port at 127.0.0.1; 0 is any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Create a topic with partitions; may be repeated
    #[arg(long, value_name = "TOPIC=N", value_parser = partitioned)]
    partitioned: Vec<(String, u32)>,
}

fn partitioned(text: &str) -> Result<(String, u32), String> {
    let parts = text.rsplit_once('=').and_then(|(topic, number)| Some((topic.to_owned(), number.parse().ok()?)));
    parts.ok_or_else(|| "expected TOPIC=N".to_owned())
}

/// Serves until Ctrl-C, which is its good end.
pub(crate) fn run(wanted: &MockBroker) -> Ended {
    let options = MockOptions { port: wanted.port, ..MockOptions::default() };
    let mock = Mock::start(options)
        .map_err(|error| Failure::failed(format!("port {}: {error}; --port names another", wanted.port)))?;
    for (topic, partitions) in &wanted.partitioned {
        let unusable = |error: MockError| Failure::usage(format!("--partitioned {topic}={partitions}: {error}"));
        mock.create_partitioned(topic, *partitions).map_err(unusable)?;
    }
    let done = stdout::print(format!("{}\n", mock.url()).as_bytes())?;
    signal::wait().map_err(|error| Failure::failed(format!("signals cannot be waited for: {error}")))?;
    mock.stop();
    Ok(done)
}
