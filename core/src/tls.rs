//! TLS: which servers are trusted, and with which certificate the client shows itself.

use std::path::Path;
use std::sync::Arc;

use once_cell::race::OnceBox;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, Result};
use crate::options::Resolved;

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

/// The TLS configuration that `options` ask for. Files are read here once; what is wrong with them is said at once.
pub(crate) fn client_config(options: &Resolved) -> Result<Arc<ClientConfig>> {
    // The provider is passed on: a library must neither rely on nor install the default of the process.
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::invalid("TLS could not be set up").caused_by(error))?;
    let builder = if options.tls_insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustEverything(provider)))
    } else {
        builder.with_root_certificates(match &options.tls_ca_file {
            Some(path) => roots_from("tls_ca_file", Path::new(path))?,
            None => system_roots()?.clone(),
        })
    };
    let mut config = identified(builder, options)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The TLS configuration for an OAuth2 issuer, whose authorities are its own. `tls_insecure` does not apply to it, since it
/// gets the client's secret.
pub(crate) fn issuer_config(options: &Resolved, with_certificate: bool) -> Result<Arc<ClientConfig>> {
    let roots = match &options.oauth2_ca_file {
        Some(path) => roots_from("oauth2_ca_file", Path::new(path))?,
        None => system_roots()?.clone(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::invalid("TLS could not be set up").caused_by(error))?
        .with_root_certificates(roots);
    let mut config = match with_certificate {
        true => identified(builder, options)?,
        false => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// With the client's certificate, if it has one.
fn identified(builder: Builder, options: &Resolved) -> Result<ClientConfig> {
    let (Some(certificate), Some(key)) = (&options.tls_cert_file, &options.tls_key_file) else {
        return Ok(builder.with_no_client_auth());
    };
    let (certificate, key) = (Path::new(certificate), Path::new(key));
    builder
        .with_client_auth_cert(certificates("tls_cert_file", certificate)?, private_key(key)?)
        .map_err(|error| bad_file("tls_key_file", key, error))
}

fn bad_file(option: &str, path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::invalid(format!("option {option:?}: {} cannot be used", path.display())).caused_by(error)
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>);
    let found = read.map_err(|error| bad_file(option, path, error))?;
    if found.is_empty() {
        return Err(Error::invalid(format!("option {option:?}: {} holds no PEM certificate", path.display())));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let bad = |error: &dyn std::fmt::Display| {
        Error::invalid(format!("option \"tls_key_file\": {} cannot be used: {error}", path.display()))
    };
    let pem = zeroize::Zeroizing::new(std::fs::read(path).map_err(|error| bad(&error))?);
    let encrypted = memchr::memmem::find(&pem, b"ENCRYPTED").is_some();
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match encrypted {
        true => bad(
            &"the key is encrypted, and there is no option for its passphrase; `openssl pkey -in FILE` writes it plain",
        ),
        false => bad(&error),
    })
}

fn roots_from(option: &str, path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(option, path)? {
        roots.add(certificate).map_err(|error| bad_file(option, path, error))?;
    }
    Ok(roots)
}

/// The system's trust roots, read once; a failure is not kept, so that a mended system heals. Threads that come at the same
/// time read them each for itself, since a child after a fork would wait for a thread that its parent has.
fn system_roots() -> Result<&'static RootCertStore> {
    static ROOTS: OnceBox<RootCertStore> = OnceBox::new();
    ROOTS.get_or_try_init(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added > 0 {
            return Ok(Box::new(roots));
        }
        let why = found.errors.first().map(ToString::to_string).unwrap_or_default();
        Err(Error::invalid(format!("the system has no trust roots ({why}); name a CA with tls_ca_file")))
    })
}

/// The verifier of `tls_insecure`: signatures are checked, identities are not.
#[derive(Debug)]
struct TrustEverything(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustEverything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
