//! Translates `authPlugin` and `authParams` of Pulsar's `client.conf` into options.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::options::Options;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Plugin {
    Token,
    OAuth2,
    Basic,
    Tls,
}

/// The names of the OAuth2 plugin's parameters in Pulsar's clients for Java and C++, with the option of each here.
const OAUTH2: &[(&str, &str)] = &[
    ("issuerUrl", "oauth2_issuer_url"),
    ("issuer_url", "oauth2_issuer_url"),
    ("privateKey", "oauth2_key_file"),
    ("private_key", "oauth2_key_file"),
    ("clientId", "oauth2_client_id"),
    ("client_id", "oauth2_client_id"),
    ("clientSecret", "oauth2_client_secret"),
    ("client_secret", "oauth2_client_secret"),
    ("audience", "oauth2_audience"),
    ("scope", "oauth2_scope"),
    ("wellKnownMetadataPath", "oauth2_well_known_path"),
    ("well_known_metadata_path", "oauth2_well_known_path"),
    ("trustCertsFilePath", "oauth2_ca_file"),
    ("trust_certs_file_path", "oauth2_ca_file"),
];
const BASIC: &[(&str, &str)] = &[("userId", "basic_user"), ("username", "basic_user"), ("password", "basic_password")];
const TLS: &[(&str, &str)] = &[("tlsCertFile", "tls_cert_file"), ("tlsKeyFile", "tls_key_file")];
const TOKEN: &[(&str, &str)] = &[("token", "auth_token")];

impl Plugin {
    fn parse(name: &str) -> Result<Plugin> {
        let class = name.strip_prefix("org.apache.pulsar.client.impl.auth.").unwrap_or(name);
        match class {
            "token" | "AuthenticationToken" => Ok(Plugin::Token),
            "oauth2" | "oauth2.AuthenticationOAuth2" => Ok(Plugin::OAuth2),
            "basic" | "AuthenticationBasic" => Ok(Plugin::Basic),
            "tls" | "AuthenticationTls" => Ok(Plugin::Tls),
            _ => Err(Error::option(
                "auth_plugin",
                format!(
                    "{name:?} is not supported; expected token, oauth2, basic or tls, or the class \
                 name of one of them, such as org.apache.pulsar.client.impl.auth.AuthenticationToken"
                ),
            )),
        }
    }

    fn parameters(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Plugin::Token => TOKEN,
            Plugin::OAuth2 => OAUTH2,
            Plugin::Basic => BASIC,
            Plugin::Tls => TLS,
        }
    }

    /// Returns the format of `authParams`, for errors.
    fn shape(self) -> &'static str {
        match self {
            Plugin::Token => "token:..., file:///path or {\"token\": ...}",
            Plugin::OAuth2 => "JSON with issuerUrl, privateKey and audience",
            Plugin::Basic => "{\"userId\": ..., \"password\": ...}",
            Plugin::Tls => "tlsCertFile:/path,tlsKeyFile:/path",
        }
    }
}

/// Returns `options` with `auth_plugin` and `auth_params` replaced by the options that they represent.
pub(crate) fn expand(options: Options) -> Result<Options> {
    let mut expanded = options;
    let Some((name, params)) = expanded.take_plugin() else { return Ok(expanded) };
    for (key, value) in plugin_options(&name, &params)? {
        if expanded.is_set(key) {
            return Err(Error::invalid(format!("{key} and auth_params exclude each other: give it in one of them")));
        }
        expanded.set(key, &value)?;
    }
    Ok(expanded)
}

/// Returns the options that `authPlugin` and `authParams` of Pulsar's `client.conf` represent, each with its value.
///
/// ```
/// let options = stargate_core::plugin_options("tls", "tlsCertFile:/cert.pem,tlsKeyFile:/key.pem").unwrap();
/// assert_eq!(options[0], ("tls_cert_file", "/cert.pem".to_owned()));
/// ```
pub fn plugin_options(plugin: &str, params: &str) -> Result<Vec<(&'static str, String)>> {
    let plugin = Plugin::parse(plugin)?;
    let options = parse(plugin, params.trim())?;
    for (key, value) in &options {
        Options::new().set(key, value).map_err(|error| bad(plugin, error.message()))?;
    }
    Ok(options)
}

/// Returns an error that does not quote the parameters, because they contain secrets.
fn bad(plugin: Plugin, why: &str) -> Error {
    Error::option("auth_params", format!("{why}; expected {}", plugin.shape()))
}

fn parse(plugin: Plugin, params: &str) -> Result<Vec<(&'static str, String)>> {
    let pairs = match (plugin, serde_json::from_str::<Value>(params)) {
        (_, Ok(Value::Object(fields))) => fields_of(plugin, fields)?,
        (Plugin::OAuth2, _) => return Err(bad(plugin, "it is not a JSON object")),
        (Plugin::Token, _) if params.starts_with("file:") => {
            return Ok(vec![("auth_token_file", path_of(params).to_owned())]);
        }
        (Plugin::Token, _) => {
            return Ok(vec![("auth_token", params.strip_prefix("token:").unwrap_or(params).to_owned())]);
        }
        (Plugin::Basic | Plugin::Tls, _) => {
            let pair =
                |text: &str| text.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.to_owned()));
            params.split(',').map(pair).collect::<Option<_>>().ok_or_else(|| bad(plugin, "a part has no colon"))?
        }
    };
    options_of(plugin, pairs)
}

fn fields_of(plugin: Plugin, fields: Map<String, Value>) -> Result<Vec<(String, String)>> {
    fields
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            _ => Err(bad(plugin, &format!("{name:?} is not a text"))),
        })
        .collect()
}

fn options_of(plugin: Plugin, pairs: Vec<(String, String)>) -> Result<Vec<(&'static str, String)>> {
    let mut options = Vec::new();
    for (name, value) in pairs {
        // The kind of flow, for which only client credentials exist, and the method, which is "basic".
        if (plugin, name.as_str()) == (Plugin::OAuth2, "type") && value == "client_credentials" {
            continue;
        }
        let known = plugin.parameters().iter().find(|(known, _)| *known == name);
        let Some((_, key)) = known else {
            let value = if name == "type" { format!(" {value:?}") } else { String::new() };
            return Err(bad(plugin, &format!("the parameter {name:?}{value} is not supported")));
        };
        // An official client treats an empty parameter as absent.
        if !value.is_empty() {
            let value = if key.ends_with("_file") { path_of(&value).to_owned() } else { value };
            options.push((*key, value));
        }
    }
    let missing = |key: &str| !options.iter().any(|(given, _)| *given == key);
    match plugin {
        Plugin::Token if missing("auth_token") => Err(bad(plugin, "the token is missing")),
        Plugin::Basic if missing("basic_user") || missing("basic_password") => {
            Err(bad(plugin, "the user or the password is missing"))
        }
        Plugin::Tls if missing("tls_cert_file") || missing("tls_key_file") => {
            Err(bad(plugin, "the certificate or the key is missing"))
        }
        _ => Ok(options),
    }
}

/// Returns the path in a `file:` URL, or else the text as it is.
pub(super) fn path_of(text: &str) -> &str {
    text.strip_prefix("file://").or_else(|| text.strip_prefix("file:")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(plugin: &str, params: &str) -> Result<Options> {
        expand(Options::new().auth_plugin(plugin).auth_params(params))
    }

    #[test]
    fn every_spelling_of_the_official_clients_is_taken() {
        const CLASS: &str = "org.apache.pulsar.client.impl.auth.";
        let oauth2 = Options::new().oauth2_issuer_url("https://idp").oauth2_key_file("/k.json").oauth2_audience("a");
        let inline = Options::new().oauth2_issuer_url("https://idp").oauth2_client_id("i").oauth2_client_secret("s");
        let (token, basic) = (Options::new().auth_token("t"), Options::new().basic_user("u").basic_password("p:q"));
        let tls = Options::new().tls_cert_file("/c.pem").tls_key_file("/k.pem");
        let rows = [
            ("token", "token:t", &token),
            ("AuthenticationToken", "t", &token),
            ("AuthenticationToken", r#"{"token": "t"}"#, &token),
            ("token", "file:///t", &Options::new().auth_token_file("/t")),
            ("token", "file:/t", &Options::new().auth_token_file("/t")),
            ("basic", r#"{"userId": "u", "password": "p:q"}"#, &basic),
            ("AuthenticationBasic", r#"{"username": "u", "password": "p:q"}"#, &basic),
            ("basic", "username:u,password:p:q", &basic),
            ("tls", "tlsCertFile:/c.pem,tlsKeyFile:/k.pem", &tls),
            ("AuthenticationTls", r#"{"tlsCertFile": "/c.pem", "tlsKeyFile": "file:///k.pem"}"#, &tls),
            (
                "oauth2.AuthenticationOAuth2",
                r#"{"type": "client_credentials", "issuerUrl": "https://idp", "privateKey": "file:///k.json", "audience": "a"}"#,
                &oauth2,
            ),
            (
                "oauth2",
                r#"{"issuer_url": "https://idp", "private_key": "/k.json", "audience": "a", "scope": ""}"#,
                &oauth2,
            ),
            ("oauth2", r#"{"issuer_url": "https://idp", "client_id": "i", "client_secret": "s"}"#, &inline),
        ];
        for (plugin, params, expected) in rows {
            let plugin = if plugin.contains("Auth") { format!("{CLASS}{plugin}") } else { plugin.to_owned() };
            assert_eq!(&expanded(&plugin, params).unwrap(), expected, "{plugin} {params}");
        }
    }

    #[test]
    fn what_cannot_be_taken_is_named_and_no_secret_is_shown() {
        for (plugin, params, says) in [
            ("athenz", "s3cret", "\"athenz\" is not supported"),
            ("org.apache.pulsar.client.impl.auth.AuthenticationKeyStoreTls", "s3cret", "AuthenticationKeyStoreTls"),
            ("token", "token:", "not empty"),
            ("token", r#"{"tokens": "s3cret"}"#, "\"tokens\" is not supported"),
            ("token", "token:s3cret\u{e9}", "printable ASCII"),
            ("basic", "s3cret", "no colon"),
            ("basic", r#"{"userId": "u"}"#, "password is missing"),
            ("tls", "tlsCertFile:/c.pem", "key is missing"),
            ("oauth2", "s3cret", "not a JSON object"),
            ("oauth2", r#"{"client_secret": 5}"#, "\"client_secret\" is not a text"),
            ("oauth2", r#"{"type": "device_code"}"#, "\"device_code\" is not supported"),
            ("oauth2", r#"{"clientSecrets": "s3cret"}"#, "\"clientSecrets\" is not supported"),
        ] {
            let error = expanded(plugin, params).unwrap_err().to_string();
            assert!(error.contains(says), "{plugin} {params}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        let twice = Options::new().auth_plugin("tls").auth_params("tlsCertFile:/c,tlsKeyFile:/k").tls_key_file("/k");
        let error = expand(twice).unwrap_err().to_string();
        assert!(error.contains("tls_key_file and auth_params"), "{error}");
    }
}
