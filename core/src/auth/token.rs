//! Tokens that the application supplies: fixed, in a file, or from a function.

use std::path::PathBuf;
use std::sync::Arc;

use super::{blocking, failed};
use crate::error::Result;
use crate::options::Resolved;
use crate::token_supplier::TokenSupplier;

/// The source of a connection's token.
#[derive(Clone)]
pub(crate) enum TokenSource {
    Fixed(Arc<str>),
    File(PathBuf),
    Supplier(Arc<dyn TokenSupplier>),
}

impl TokenSource {
    pub(super) fn new(options: &Resolved) -> Option<TokenSource> {
        if let Some(supplier) = &options.given.token_supplier {
            return Some(TokenSource::Supplier(supplier.clone()));
        }
        let fixed = options.auth_token.as_ref().map(|token| TokenSource::Fixed(token.trim().into()));
        fixed.or_else(|| options.auth_token_file.as_ref().map(|path| TokenSource::File(path.into())))
    }

    /// Returns the name of the source, for errors.
    fn name(&self) -> String {
        match self {
            TokenSource::Fixed(_) => "the token".into(),
            TokenSource::File(path) => format!("the token file {}", path.display()),
            TokenSource::Supplier(_) => "the token supplier".into(),
        }
    }

    /// Returns the report of a timeout during [`TokenSource::token`].
    pub(super) fn unfinished(&self) -> String {
        match self {
            TokenSource::Fixed(_) => "the token was not ready".into(),
            TokenSource::File(_) => format!("{} could not be read", self.name()),
            TokenSource::Supplier(_) => "the token supplier gave no token".into(),
        }
    }

    /// Returns the token, without `Bearer`. Each call reads the file or calls the function.
    pub(super) async fn token(&self) -> Result<String> {
        let token = match self {
            TokenSource::Fixed(token) => token.to_string(),
            TokenSource::File(path) => {
                let what = format!("reading {}", self.name());
                let path = path.clone();
                blocking(&what, move || std::fs::read_to_string(path).map_err(Into::into)).await?
            }
            TokenSource::Supplier(supplier) => {
                let supplier = supplier.clone();
                blocking(&self.name(), move || supplier.token()).await?
            }
        };
        let token = token.trim();
        match is_token(token) {
            true => Ok(token.to_owned()),
            false => {
                Err(failed("the token is empty or has characters that no token has; it is given without \"Bearer\""))
            }
        }
    }
}

/// Returns whether `text` may follow `Bearer`.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
