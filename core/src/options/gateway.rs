//! The rules for combining options about TLS and headers.

use super::{Options, Resolved, of_lines, refuse};
use crate::error::Result;

/// Each may also be a file, under the key with `_file`.
const PEM: [&str; 3] = ["tls_ca", "tls_cert", "tls_key"];

impl Options {
    /// Returns whether a PEM text is given, directly or as a file.
    pub(super) fn has_pem(&self, key: &str) -> bool {
        self.is_set(key) || self.is_set(&format!("{key}_file"))
    }

    /// Removes from `self`, which contains `own` and inherited options, the file for an own text, and the reverse.
    pub(super) fn keep_one_source(&mut self, own: &Options) {
        for text in PEM {
            let file = format!("{text}_file");
            match (own.is_set(text), own.is_set(&file)) {
                (true, false) => drop(self.values.remove(file.as_str())),
                (false, true) => drop(self.values.remove(text)),
                _ => {}
            }
        }
    }

    pub(super) fn check_tls(&self, insecure: bool) -> Result<()> {
        for text in PEM {
            if self.is_set(text) && self.is_set(&format!("{text}_file")) {
                return refuse(text, format!("{text} and {text}_file exclude each other: give one of them"));
            }
        }
        if self.has_pem("tls_cert") != self.has_pem("tls_key") {
            return refuse(
                "tls_cert_file",
                "tls_cert_file and tls_key_file (or tls_cert and tls_key) need each other: give both or none",
            );
        }
        if insecure && self.has_pem("tls_ca") {
            return refuse(
                "tls_insecure",
                "tls_insecure trusts every certificate, so tls_ca_file and tls_ca have no effect: give one of them",
            );
        }
        Ok(())
    }
}

impl Resolved {
    pub(super) fn check_headers(&self) -> Result<()> {
        let headers = of_lines(self.headers.as_deref().unwrap_or_default())?;
        if self.given.authenticates() && headers.contains_key("authorization") {
            return refuse(
                "headers",
                "headers has Authorization, which the other option for authentication sends too: give one of them",
            );
        }
        if self.cookies && headers.contains_key("cookie") {
            return refuse("headers", "headers has Cookie, which the option cookies sends too: give one of them");
        }
        Ok(())
    }
}
