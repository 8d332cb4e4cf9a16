//! TLS: which servers the client trusts, and the certificate that it presents.

use std::sync::Arc;

use once_cell::race::OnceBox;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::options::Resolved;

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

/// Returns the TLS configuration of `options`. Reads files once, here, and reports their errors at once.
pub(crate) fn client_config(options: &Resolved) -> Result<Arc<ClientConfig>> {
    let mut config = identified(trusting(trusted(options)?)?, options)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Returns the TLS configuration for an `https://` proxy, to which the client does not present its certificate.
pub(crate) fn proxy_config(options: &Resolved) -> Result<Arc<ClientConfig>> {
    let roots = match Pem::of("proxy_ca", &None, &options.proxy_ca_file)? {
        Some(pem) => Some(roots_from(&pem)?),
        None => trusted(options)?,
    };
    let mut config = trusting(roots)?.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Returns the authorities that verify the servers' certificates; `None` with `tls_insecure`.
fn trusted(options: &Resolved) -> Result<Option<RootCertStore>> {
    if options.tls_insecure {
        return Ok(None);
    }
    match Pem::of("tls_ca", &options.tls_ca, &options.tls_ca_file)? {
        Some(pem) => roots_from(&pem).map(Some),
        None => system_roots().map(|roots| Some(roots.clone())),
    }
}

/// Returns a configuration that trusts the certificates that `roots` verify, or all without roots.
fn trusting(roots: Option<RootCertStore>) -> Result<Builder> {
    // The provider is passed explicitly: a library must neither rely on nor install the process default.
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::invalid("TLS could not be set up").caused_by(error))?;
    Ok(match roots {
        Some(roots) => builder.with_root_certificates(roots),
        None => builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustEverything(provider))),
    })
}

/// Returns the TLS configuration for an OAuth2 issuer, which has its own authorities. `tls_insecure` does not apply to
/// it, because the issuer receives the client's secret.
pub(crate) fn issuer_config(options: &Resolved, with_certificate: bool) -> Result<Arc<ClientConfig>> {
    let roots = match Pem::of("oauth2_ca", &None, &options.oauth2_ca_file)? {
        Some(pem) => roots_from(&pem)?,
        None => system_roots()?.clone(),
    };
    let builder = trusting(Some(roots))?;
    let mut config = match with_certificate {
        true => identified(builder, options)?,
        false => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Adds the client's certificate, if it has one.
fn identified(builder: Builder, options: &Resolved) -> Result<ClientConfig> {
    let certificate = Pem::of("tls_cert", &options.tls_cert, &options.tls_cert_file)?;
    let key = Pem::of("tls_key", &options.tls_key, &options.tls_key_file)?;
    let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(builder.with_no_client_auth()) };
    builder.with_client_auth_cert(certificates(&certificate)?, private_key(&key)?).map_err(|error| key.bad(error))
}

/// The PEM of an option, given as a file or as a text.
struct Pem {
    option: String,
    /// The option, and the file if it is one. The text itself is not shown.
    source: String,
    text: Zeroizing<Vec<u8>>,
}

impl Pem {
    /// Reads the option `key`, a text, or `key` with `_file`.
    fn of(key: &str, text: &Option<String>, file: &Option<String>) -> Result<Option<Pem>> {
        if let Some(text) = text {
            let text = Zeroizing::new(text.as_bytes().to_vec());
            return Ok(Some(Pem { option: key.to_owned(), source: format!("option {key:?}"), text }));
        }
        let Some(path) = file else { return Ok(None) };
        let option = format!("{key}_file");
        let source = format!("option {option:?}: {path}");
        let mut pem = Pem { option, source, text: Zeroizing::default() };
        pem.text = Zeroizing::new(std::fs::read(path).map_err(|error| pem.bad(error))?);
        Ok(Some(pem))
    }

    fn bad(&self, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        self.error("cannot be used").caused_by(error)
    }

    fn error(&self, why: &str) -> Error {
        Error::invalid(format!("{} {why}", self.source)).see_option(&self.option)
    }
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_slice_iter(&pem.text).collect::<std::result::Result<Vec<_>, _>>();
    let found = read.map_err(|error| pem.bad(error))?;
    if found.is_empty() {
        return Err(pem.error("holds no PEM certificate"));
    }
    Ok(found)
}

fn private_key(pem: &Pem) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&pem.text).map_err(|error| match memchr::memmem::find(&pem.text, b"ENCRYPTED") {
        Some(_) => pem.error(
            "cannot be used: the key is encrypted, and there is no option for its passphrase; `openssl pkey -in FILE` \
             writes it plain",
        ),
        None => pem.bad(error),
    })
}

fn roots_from(pem: &Pem) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| pem.bad(error))?;
    }
    Ok(roots)
}

/// Returns the system's trust roots, read once. A failure is not cached, so that the client recovers once the system is
/// repaired. Concurrent threads each read them: after a fork, a child would wait for a thread that exists only in its
/// parent.
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

/// The verifier for `tls_insecure`: it checks signatures, but not identities.
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
