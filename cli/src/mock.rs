//! `mock`: a broker in memory, for tests.

use stargate_core::mock::{Mock, MockError, MockOptions};

use crate::args;
use crate::exit::{Ended, Failure};
use crate::{signal, stdout};

/// Serves until Ctrl-C, which is its good end.
pub(crate) fn run(wanted: &args::Mock) -> Ended {
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
