//! Where the token of a connection comes from: fixed, a file, or a function of the application.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::options::Options;
use crate::token_supplier::TokenSupplier;

/// The way in which a connection authenticates itself.
#[derive(Clone)]
pub(crate) enum Auth {
    None,
    Token(Arc<str>),
    File(PathBuf),
    Supplier(Arc<dyn TokenSupplier>),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Auth::None => "None",
            Auth::Token(_) => "Token",
            Auth::File(_) => "File",
            Auth::Supplier(_) => "Supplier",
        })
    }
}

impl Auth {
    pub(crate) fn new(options: &Options) -> Auth {
        match (&options.token_supplier, options.text("auth_token"), options.path("auth_token_file")) {
            (Some(supplier), _, _) => Auth::Supplier(supplier.clone()),
            (_, Some(token), _) => Auth::Token(token.trim().into()),
            (_, _, Some(path)) => Auth::File(path),
            _ => Auth::None,
        }
    }

    /// What to add to the words of a server that answers 401.
    pub(crate) fn explain(&self, status: u16) -> &'static str {
        match self {
            _ if status != 401 => "",
            Auth::None => "; no token was given (option auth_token or auth_token_file)",
            _ => "; the token that was given is not accepted",
        }
    }

    /// What has not happened while [`Auth::header`] is waited for.
    pub(crate) fn unfinished(&self) -> String {
        match self {
            Auth::None | Auth::Token(_) => "the token was not ready".to_owned(),
            Auth::File(path) => format!("the token file {} could not be read", path.display()),
            Auth::Supplier(_) => "the token supplier gave no token".to_owned(),
        }
    }

    /// The value of the `Authorization` header.
    pub(crate) async fn header(&self) -> Result<Option<String>> {
        let token = match self {
            Auth::None => return Ok(None),
            Auth::Token(token) => token.to_string(),
            Auth::File(path) => {
                let shown = path.display().to_string();
                let path = path.clone();
                blocking(move || std::fs::read_to_string(path).map_err(Into::into))
                    .await
                    .map_err(|error| failed(format!("the token file {shown} could not be read: {error}")))?
            }
            Auth::Supplier(supplier) => {
                let supplier = supplier.clone();
                blocking(move || supplier.token())
                    .await
                    .map_err(|error| failed(format!("the token supplier failed: {error}")))?
            }
        };
        let token = token.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(failed(
                "the token is empty or has characters that no token has; it is given without \"Bearer\"",
            ));
        }
        Ok(Some(format!("Bearer {token}")))
    }
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Authentication, message)
}

type Outcome = std::result::Result<String, Box<dyn std::error::Error + Send + Sync>>;

async fn blocking(work: impl FnOnce() -> Outcome + Send + 'static) -> std::result::Result<String, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err("it panicked".into()),
    }
}
