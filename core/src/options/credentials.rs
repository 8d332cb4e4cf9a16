//! The authentication methods among the options, and the check that at most one is given.

use super::{AuthTokenIn, OAuth2AuthMethod, Options, refuse};
use crate::error::{Error, Result};

const OAUTH2: &[&str] = &[
    "oauth2_issuer_url",
    "oauth2_token_endpoint",
    "oauth2_key_file",
    "oauth2_client_id",
    "oauth2_client_secret",
    "oauth2_audience",
    "oauth2_scope",
];
/// How a token is fetched. None of these is an authentication method by itself.
const OAUTH2_DETAILS: &[&str] = &[
    "oauth2_well_known_path",
    "oauth2_auth_method",
    "oauth2_ca_file",
    "oauth2_timeout",
    "oauth2_refresh",
    "oauth2_allow_http",
];
const BASIC: &[&str] = &["basic_user", "basic_password", "basic_password_file"];
const PLUGIN: &[&str] = &["auth_plugin", "auth_params"];
/// The options of each method. The token supplier, which is not a key of the table, is another method.
const WAYS: [&[&str]; 5] = [&["auth_token"], &["auth_token_file"], OAUTH2, BASIC, PLUGIN];
const SUPPLIER: &str = "a token supplier";
/// Alternative options of one method: a handle with one of them does not inherit the other.
const ALTERNATIVES: [(&str, &str); 4] = [
    ("basic_password", "basic_password_file"),
    ("oauth2_key_file", "oauth2_client_id"),
    ("oauth2_key_file", "oauth2_client_secret"),
    ("oauth2_issuer_url", "oauth2_token_endpoint"),
];

impl Options {
    fn uses(&self, way: &[&str]) -> bool {
        way.iter().any(|key| self.is_set(key))
    }

    pub(crate) fn uses_oauth2(&self) -> bool {
        self.uses(OAUTH2)
    }

    /// Returns everything that determines which OAuth2 token is fetched, and how.
    pub(crate) fn of_issuer(&self) -> Options {
        let decides = |key: &str| key.starts_with("oauth2_") || key.starts_with("tls_") || key.contains("proxy");
        let picked = self.values.iter().filter(|(key, _)| decides(key)).map(|(key, value)| (*key, value.clone()));
        Options { values: picked.collect(), ..Options::default() }
    }

    /// Removes and returns `auth_plugin` and `auth_params`, if both are given.
    pub(crate) fn take_plugin(&mut self) -> Option<(String, String)> {
        let plugin = self.get::<str>("auth_plugin").zip(self.get::<str>("auth_params"))?;
        self.values.retain(|key, _| !PLUGIN.contains(key));
        Some(plugin)
    }

    /// Returns one option of each authentication method that is given.
    fn ways(&self) -> Vec<&'static str> {
        let given = WAYS.iter().filter_map(|way| way.iter().find(|key| self.is_set(key)).copied());
        given.chain(self.token_supplier.is_some().then_some(SUPPLIER)).collect()
    }

    pub(crate) fn authenticates(&self) -> bool {
        !self.ways().is_empty()
    }

    /// Removes from `self`, which contains `own` options and those of `base`, what another authentication method
    /// replaces.
    pub(super) fn keep_one_way(&mut self, own: &Options, base: &Options) {
        if !own.authenticates() {
            self.token_supplier = base.token_supplier.clone();
            return;
        }
        let mut replaced: Vec<&str> =
            WAYS.iter().filter(|way| !own.uses(way)).flat_map(|way| way.iter().copied()).collect();
        if !own.uses(OAUTH2) && !own.uses(PLUGIN) {
            replaced.extend(OAUTH2_DETAILS);
        }
        for (one, other) in ALTERNATIVES {
            replaced.extend(own.is_set(one).then_some(other));
            replaced.extend(own.is_set(other).then_some(one));
        }
        for key in replaced {
            if !own.is_set(key) {
                self.values.remove(key);
            }
        }
    }

    /// Checks that there is at most one authentication method, of which a part may be inherited.
    pub(crate) fn check_one_way(&self) -> Result<()> {
        if let [one, other, ..] = self.ways()[..] {
            return refuse(one, format!("{one} and {other} exclude each other: give one way to authenticate"));
        }
        if self.is_set("auth_plugin") != self.is_set("auth_params") {
            return refuse("auth_plugin", "auth_plugin and auth_params need each other: give both or none");
        }
        Ok(())
    }

    /// Checks that there is at most one authentication method, and that it is complete.
    pub(super) fn check_credentials(&self) -> Result<()> {
        self.check_one_way()?;
        self.check_basic()?;
        self.check_oauth2()
    }

    fn check_basic(&self) -> Result<()> {
        if !self.uses(BASIC) {
            return Ok(());
        }
        let Some(user) = self.get::<str>("basic_user") else {
            return refuse("basic_password", "basic_password needs basic_user");
        };
        if self.get::<AuthTokenIn>("auth_token_in") == Some(AuthTokenIn::Query) {
            return refuse(
                "auth_token_in",
                "auth_token_in=query is for tokens: basic_user can only be sent in a header",
            );
        }
        if user.contains(':') {
            return Err(Error::option("basic_user", "a user of HTTP Basic authentication has no colon in its name"));
        }
        match (self.is_set("basic_password"), self.is_set("basic_password_file")) {
            (true, true) => {
                refuse("basic_password", "basic_password and basic_password_file exclude each other: give one of them")
            }
            (false, false) => refuse("basic_user", "basic_user needs basic_password or basic_password_file"),
            _ => Ok(()),
        }
    }

    fn check_oauth2(&self) -> Result<()> {
        if !self.uses(OAUTH2) {
            let detail = OAUTH2_DETAILS.iter().find(|key| self.is_set(key) && !self.uses(PLUGIN));
            return match detail {
                Some(key) => refuse(key, format!("{key} needs OAuth2: give oauth2_key_file, or oauth2_client_id")),
                None => Ok(()),
            };
        }
        let by_certificate =
            self.get::<OAuth2AuthMethod>("oauth2_auth_method") == Some(OAuth2AuthMethod::TlsClientAuth);
        let (key_file, id) = (self.is_set("oauth2_key_file"), self.is_set("oauth2_client_id"));
        let secret = self.is_set("oauth2_client_secret");
        if key_file && (id || secret) {
            let other = if id { "oauth2_client_id" } else { "oauth2_client_secret" };
            return refuse(
                "oauth2_key_file",
                format!("oauth2_key_file and {other} exclude each other: give one of them"),
            );
        }
        if !key_file && !id {
            return refuse(
                "oauth2_key_file",
                "OAuth2 needs oauth2_key_file, or oauth2_client_id with oauth2_client_secret",
            );
        }
        if by_certificate && !self.has_pem("tls_cert") {
            return refuse(
                "oauth2_auth_method",
                "oauth2_auth_method=tls_client_auth needs tls_cert_file and tls_key_file",
            );
        }
        if by_certificate && secret {
            return refuse(
                "oauth2_auth_method",
                "oauth2_auth_method=tls_client_auth sends no secret: leave out oauth2_client_secret",
            );
        }
        if !key_file && !secret && !by_certificate {
            return refuse("oauth2_client_id", "oauth2_client_id needs oauth2_client_secret");
        }
        if !key_file && !self.is_set("oauth2_issuer_url") && !self.is_set("oauth2_token_endpoint") {
            return refuse("oauth2_client_id", "oauth2_client_id needs oauth2_issuer_url or oauth2_token_endpoint");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Roles;
    use crate::options::tests::assert_documented;

    fn client() -> Options {
        Options::new().oauth2_issuer_url("https://idp").oauth2_client_id("id").oauth2_client_secret("s3cret")
    }

    #[test]
    fn two_ways_to_authenticate_are_an_error_that_names_both() {
        let supplier = || Options::new().token_supplier(|| Ok::<_, Error>("t".to_owned()));
        for (options, one, other) in [
            (Options::new().auth_token("s3cret").auth_token_file("f"), "auth_token ", "auth_token_file"),
            (Options::new().auth_token("s3cret").oauth2_key_file("f"), "auth_token", "oauth2_key_file"),
            (Options::new().auth_token_file("f").basic_user("u"), "auth_token_file", "basic_user"),
            (client().basic_user("u").basic_password("s3cret"), "oauth2_issuer_url", "basic_user"),
            (client().auth_plugin("token").auth_params("s3cret"), "oauth2_issuer_url", "auth_plugin"),
            (supplier().basic_user("u").basic_password("s3cret"), "basic_user", "a token supplier"),
            (supplier().auth_token("s3cret"), "auth_token", "a token supplier"),
        ] {
            let error = options.check(Roles::CONNECTION).unwrap_err();
            assert_documented(&error);
            let error = error.to_string();
            assert!(error.contains(one) && error.contains(other) && error.contains("exclude each other"), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_way_that_is_not_complete_says_what_is_missing() {
        let certificate = || client().oauth2_auth_method(OAuth2AuthMethod::TlsClientAuth);
        for (options, says) in [
            (Options::new().basic_user("u"), "needs basic_password or basic_password_file"),
            (Options::new().basic_password("p"), "needs basic_user"),
            (Options::new().basic_user("u:v").basic_password("p"), "no colon"),
            (Options::new().basic_user("u").basic_password("p").auth_token_in(AuthTokenIn::Query), "only be sent in"),
            (Options::new().basic_user("u").basic_password("p").basic_password_file("f"), "give one of them"),
            (Options::new().auth_plugin("token"), "need each other"),
            (Options::new().auth_params("token:t"), "need each other"),
            (Options::new().oauth2_scope("s"), "needs oauth2_key_file, or oauth2_client_id"),
            (Options::new().oauth2_refresh(0.5), "oauth2_refresh needs OAuth2"),
            (Options::new().auth_token("t").oauth2_allow_http(true), "oauth2_allow_http needs OAuth2"),
            (client().oauth2_key_file("f"), "oauth2_key_file and oauth2_client_id exclude each other"),
            (Options::new().oauth2_client_id("i").oauth2_issuer_url("u"), "needs oauth2_client_secret"),
            (Options::new().oauth2_client_id("i").oauth2_client_secret("s"), "oauth2_issuer_url or"),
            (certificate(), "needs tls_cert_file"),
            (certificate().tls_cert_file("c").tls_key_file("k"), "leave out oauth2_client_secret"),
        ] {
            let error = options.check(Roles::CONNECTION).unwrap_err();
            assert_documented(&error);
            let error = error.to_string();
            assert!(error.contains(says), "{says}: {error}");
        }
        assert!(client().check(Roles::CONNECTION).is_ok());
        assert!(
            Options::new()
                .oauth2_key_file("f")
                .oauth2_timeout(std::time::Duration::from_secs(1))
                .check(Roles::CONNECTION)
                .is_ok()
        );
    }

    #[test]
    fn a_way_of_its_own_replaces_the_inherited_one_whole() {
        let merged = Options::new().auth_token("t").or(&client().oauth2_refresh(0.5));
        assert_eq!(merged, Options::new().auth_token("t"));
        let merged = client().or(&Options::new().basic_user("u").basic_password("p"));
        assert_eq!(merged, client());
        let inherited = Options::new().or(&client());
        assert_eq!(inherited, client());
    }

    #[test]
    fn a_part_of_the_same_way_replaces_its_alternative_only() {
        let base = Options::new().oauth2_issuer_url("https://idp").oauth2_key_file("f").oauth2_audience("a");
        let merged = Options::new().oauth2_client_id("id").oauth2_client_secret("s").or(&base);
        assert_eq!(merged, client().oauth2_client_secret("s").oauth2_audience("a"));
        let base = Options::new().basic_user("u").basic_password("p");
        let merged = Options::new().basic_password_file("f").or(&base);
        assert_eq!(merged, Options::new().basic_user("u").basic_password_file("f"));
    }
}
