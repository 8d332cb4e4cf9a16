//! The headers that an application has sent with every request: fixed ones, and those of a function.

use std::fmt;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use crate::error::{Error, ErrorKind, Result};
use crate::headers_supplier::HeadersSupplier;
use crate::options::{Resolved, header_map, of_lines};

/// What is added to each request.
#[derive(Clone)]
pub(crate) struct Headers {
    fixed: HeaderMap,
    supplier: Option<Arc<dyn HeadersSupplier>>,
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.fixed.keys()).entries(self.supplier.as_ref().map(|_| "(function)")).finish()
    }
}

impl Headers {
    pub(crate) fn new(options: &Resolved) -> Result<Headers> {
        let fixed = of_lines(options.headers.as_deref().unwrap_or_default())?;
        Ok(Headers { fixed, supplier: options.given.headers_supplier.clone() })
    }

    /// Returns whether a credential may be among them.
    pub(crate) fn authorize(&self) -> bool {
        self.supplier.is_some() || self.fixed.contains_key(AUTHORIZATION)
    }

    /// Those of the function take the place of fixed ones of the same name, and both that of ours.
    pub(crate) async fn add_to(&self, headers: &mut HeaderMap) -> Result<()> {
        headers.extend(self.fixed.clone());
        if let Some(supplier) = self.supplier.clone() {
            let failed =
                |why: String| Error::new(ErrorKind::Authentication, format!("the headers function failed: {why}"));
            let asked = tokio::task::spawn_blocking(move || supplier.headers().map_err(|error| error.to_string()));
            let given = asked.await.map_err(|_| failed("it panicked".into()))?.map_err(failed)?;
            let given = given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            headers.extend(header_map(given).map_err(failed)?);
        }
        Ok(())
    }
}
