//! The cluster and its brokers.

use hyper::Method;

use super::Admin;
use crate::error::{Error, ErrorKind, Result};

impl Admin {
    /// Returns the names of the clusters that this one knows, its own included.
    pub async fn clusters(&self) -> Result<Vec<String>> {
        self.call("list the clusters", Method::GET, "clusters").json().await
    }

    /// Returns the version of Pulsar that a broker runs, such as `4.0.8`.
    pub async fn broker_version(&self) -> Result<String> {
        self.call("ask for the version", Method::GET, "brokers/version").text().await
    }

    /// Asks a broker to write a message and read it back. Returns an error if it cannot. This may take seconds.
    pub async fn check_health(&self) -> Result<()> {
        let call = self.call("check the health of the broker", Method::GET, "brokers/health");
        match call.text().await?.as_str() {
            "ok" => Ok(()),
            other => Err(call.named(Error::new(ErrorKind::Broker, format!("it says {other:?}")))),
        }
    }
}
