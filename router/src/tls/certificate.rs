//! A certificate with its key, as files hold them.

use std::{
    fs::OpenOptions,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustix::fs::OFlags;
use tokio_rustls::rustls::{
    self, InconsistentKeys,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    sign::CertifiedKey,
};
use wharf_wire::secure::Pair;
use x509_cert::{
    Certificate as Parsed,
    der::Decode as _,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// More than any chain has, in bytes.
const MOST: u64 = 1024 * 1024;

/// A certificate that visitors may be shown.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Where it came from.
    pub from: Pair,
    /// The hosts that it is for, lower case; one that begins with `*.` is for every name that has one
    /// label more.
    pub names: Vec<String>,
    /// When it ends.
    pub until: SystemTime,
    pub(super) certified: Arc<CertifiedKey>,
}

/// Why a pair of files is no certificate that could be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The system's word.
    #[error("{0} cannot be read")]
    Unreadable(PathBuf, #[source] io::Error),
    /// Too large, or no regular file.
    #[error("{0} is no file of at most 1 MiB")]
    NotAFile(PathBuf),
    /// There is no certificate in it.
    #[error("{0} holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate(PathBuf, #[source] Option<pem::Error>),
    /// There is no key in it.
    #[error("{0} holds no private key in PEM that is not encrypted")]
    NoKey(PathBuf, #[source] pem::Error),
    /// It is no X.509.
    #[error("{0} holds something that is no certificate")]
    Malformed(PathBuf, #[source] x509_cert::der::Error),
    /// Of a kind that TLS has no use for.
    #[error("the key in {0} cannot be used")]
    BadKey(PathBuf, #[source] rustls::Error),
    /// Two that do not belong together.
    #[error("the key in {key} is not that of the first certificate in {chain}")]
    Strangers {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's.
        key: PathBuf,
    },
}

impl Certificate {
    /// Reads both files. Blocks.
    ///
    /// # Errors
    /// What is wrong with which.
    pub fn read(from: &Pair) -> Result<Self, CertificateError> {
        let chain = chain(&from.chain)?;
        let (names, until) = said(&chain[0])
            .map_err(|source| CertificateError::Malformed(from.chain.clone(), source))?;
        let key = PrivateKeyDer::from_pem_slice(&bytes(&from.key)?)
            .map_err(|source| CertificateError::NoKey(from.key.clone(), source))?;
        let certified = CertifiedKey::from_der(chain, key, &ring::default_provider());
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::Strangers {
                    chain: from.chain.clone(),
                    key: from.key.clone(),
                }
            }
            other => CertificateError::BadKey(from.key.clone(), other),
        })?;
        Ok(Self {
            from: from.clone(),
            names,
            until,
            certified: Arc::new(certified),
        })
    }

    /// Whether it is for a host, which is in lower case.
    pub fn covers(&self, host: &str) -> bool {
        let above = host.split_once('.').map(|(_, above)| above);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(wild) => above == Some(wild),
            None => name == host,
        })
    }

    /// Whether another one is the same, byte for byte.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let none = |source| CertificateError::NoCertificate(path.to_owned(), source);
    let bytes = bytes(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|source| none(Some(source)))?;
    match chain.is_empty() {
        true => Err(none(None)),
        false => Ok(chain),
    }
}

/// Whose a certificate is, and until when.
fn said(
    certificate: &CertificateDer<'_>,
) -> Result<(Vec<String>, SystemTime), x509_cert::der::Error> {
    let parsed = Parsed::from_der(certificate)?;
    let parsed = parsed.tbs_certificate();
    let names = parsed.get_extension::<SubjectAltName>()?;
    let names = names.map(|(_, names)| names.0).unwrap_or_default();
    let name = |name: GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.to_string().to_ascii_lowercase()),
        _ => None,
    };
    let until = parsed.validity().not_after.to_system_time();
    Ok((names.into_iter().filter_map(name).collect(), until))
}

/// A file's bytes. Whatever has the name, nobody waits for it.
fn bytes(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let failed = |source| CertificateError::Unreadable(path.to_owned(), source);
    let waits = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(waits).open(path);
    let file = file.map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MOST {
        return Err(CertificateError::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
