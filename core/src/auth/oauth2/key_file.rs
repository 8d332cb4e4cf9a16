//! The key file of Pulsar's official clients: the client's identity at its OAuth2 issuer.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::auth::plugin::path_of;
use crate::auth::{blocking, failed};
use crate::error::{Error, Result};

/// The client's identity at the issuer.
#[derive(Clone, Deserialize)]
pub(super) struct Identity {
    pub(super) client_id: String,
    pub(super) client_secret: Option<String>,
    pub(super) issuer_url: Option<String>,
    pub(super) scope: Option<String>,
}

impl Identity {
    pub(super) fn new(client_id: String, client_secret: Option<String>) -> Identity {
        Identity { client_id, client_secret, issuer_url: None, scope: None }
    }
}

/// The source of the identity.
#[derive(Clone)]
pub(super) enum KeyFile {
    Path(String),
    /// The content of a `data:` URL.
    Inline(Identity),
}

/// Omits the content of a `data:` URL.
impl fmt::Display for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyFile::Path(path) => f.write_str(path),
            KeyFile::Inline(_) => f.write_str("data:..."),
        }
    }
}

impl KeyFile {
    pub(super) fn new(text: &str) -> Result<KeyFile> {
        let Some(data) = text.strip_prefix("data:") else { return Ok(KeyFile::Path(path_of(text).to_owned())) };
        let bad =
            |why: &str| Error::option("oauth2_key_file", format!("{why}; expected data:application/json;base64,..."));
        let (kind, data) = data.split_once(',').ok_or_else(|| bad("the data: URL has no comma"))?;
        if kind != "application/json;base64" {
            return Err(bad("the data: URL is of another kind"));
        }
        let bytes = STANDARD.decode(data.trim()).map_err(|_| bad("the data: URL is not base64"))?;
        let text = String::from_utf8(bytes).map_err(|_| bad("the data: URL is not UTF-8"))?;
        parse(&text).map(KeyFile::Inline).map_err(|why| bad(&why))
    }

    /// Returns the identity. Reads a file each time, so that it may be replaced.
    pub(super) async fn read(&self) -> Result<Identity> {
        let path = match self {
            KeyFile::Inline(identity) => return Ok(identity.clone()),
            KeyFile::Path(path) => path.clone(),
        };
        let what = format!("reading the OAuth2 key file {path}");
        let text = blocking(&what, move || std::fs::read_to_string(path).map_err(Into::into)).await?;
        parse(&text).map_err(|why| failed(format!("the OAuth2 key file {self} cannot be used: {why}")))
    }
}

/// Parses a key file. An error states the position, and nothing of the file's content.
fn parse(text: &str) -> std::result::Result<Identity, String> {
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            "it is not a JSON object with the text \"client_id\", or another of its fields is no text".into()
        }
        _ => format!("it is not JSON, at line {} column {}", error.line(), error.column()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(json: &str) -> String {
        format!("data:application/json;base64,{}", STANDARD.encode(json))
    }

    #[test]
    fn paths_and_data_urls_are_key_files() {
        for text in ["/k.json", "file:///k.json", "file:/k.json"] {
            assert_eq!(KeyFile::new(text).unwrap().to_string(), "/k.json");
        }
        let inline =
            KeyFile::new(&data(r#"{"type": "sn_service_account", "client_id": "i", "client_secret": "s3cret"}"#));
        let KeyFile::Inline(identity) = inline.unwrap() else { panic!("it is a path") };
        assert_eq!((identity.client_id.as_str(), identity.client_secret.as_deref()), ("i", Some("s3cret")));
    }

    #[test]
    fn a_key_file_that_is_none_says_why_and_shows_no_secret() {
        for (text, says) in [
            ("data:s3cret".to_owned(), "no comma"),
            ("data:text/plain,s3cret".to_owned(), "another kind"),
            ("data:application/json;base64,s3cret!".to_owned(), "not base64"),
            (data(r#"{"client_secret": "s3cret"}"#), "\"client_id\""),
            (data(r#"{"client_id": "i", "client_secret": ["s3cret"]}"#), "no text"),
            (data("s3cret"), "not JSON, at line 1"),
        ] {
            let error = KeyFile::new(&text).err().unwrap().to_string();
            assert!(error.contains(says), "{says}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
