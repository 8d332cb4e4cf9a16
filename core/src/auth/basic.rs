//! HTTP Basic authentication (RFC 7617), in the form that Pulsar's `AuthenticationProviderBasic` expects.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{blocking, failed};
use crate::error::Result;
use crate::options::Resolved;

/// A user and the source of its password.
#[derive(Clone)]
pub(crate) struct Basic {
    user: Arc<str>,
    password: Password,
}

#[derive(Clone)]
enum Password {
    Fixed(Arc<str>),
    File(PathBuf),
}

impl Basic {
    pub(super) fn new(options: &Resolved) -> Option<Basic> {
        let fixed = options.basic_password.as_deref().map(|password| Password::Fixed(password.into()));
        let password =
            fixed.or_else(|| options.basic_password_file.as_ref().map(|path| Password::File(path.into())))?;
        Some(Basic { user: options.basic_user.as_deref()?.into(), password })
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// Returns the report of a timeout during [`Basic::header`].
    pub(super) fn unfinished(&self) -> String {
        format!("{} could not be read", self.name())
    }

    /// Returns the name of the password's source, for errors.
    fn name(&self) -> String {
        match &self.password {
            Password::Fixed(_) => "the password".into(),
            Password::File(path) => format!("the password file {}", path.display()),
        }
    }

    /// Returns the value of the `Authorization` header. A file is read each time.
    pub(super) async fn header(&self) -> Result<String> {
        let password = match &self.password {
            Password::Fixed(password) => password.to_string(),
            Password::File(path) => {
                let what = format!("reading {}", self.name());
                let path = path.clone();
                let text = blocking(&what, move || std::fs::read_to_string(path).map_err(Into::into)).await?;
                let password = text.trim_end_matches(['\r', '\n']);
                if password.is_empty() {
                    return Err(failed(format!("{} is empty (option basic_password_file)", self.name())));
                }
                password.to_owned()
            }
        };
        Ok(format!("Basic {}", STANDARD.encode(format!("{}:{password}", self.user))))
    }
}
