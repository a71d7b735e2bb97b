//! Which certificate a visitor is shown.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use tokio_rustls::rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::certificate::Certificate;

/// What there is to choose from; replaced as a whole, for every handshake that begins afterwards.
#[derive(Debug, Default)]
pub(super) struct Choice(RwLock<Arc<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    /// By name; those that begin with `*.` among them. More than one where keys are of two kinds.
    named: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// For who asks for no name, or for one that none is for.
    first: Option<Arc<CertifiedKey>>,
}

impl Choice {
    /// Offers these from now on, and no others.
    pub(super) fn put<'a>(&self, certificates: impl Iterator<Item = &'a Certificate>) {
        let mut shelf = Shelf::default();
        for certificate in certificates {
            let certified = &certificate.certified;
            shelf.first.get_or_insert_with(|| Arc::clone(certified));
            for name in &certificate.names {
                let named = shelf.named.entry(name.clone()).or_default();
                named.push(Arc::clone(certified));
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shelf);
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shelf = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        let named = hello.server_name().and_then(|name| shelf.find(name));
        let Some(named) = named else {
            return shelf.first.clone();
        };
        let fits = |one: &&Arc<CertifiedKey>| {
            let schemes = hello.signature_schemes();
            one.key.choose_scheme(schemes).is_some()
        };
        named.iter().find(fits).or(named.first()).cloned()
    }
}

impl Shelf {
    /// A name's own ones; else those for all names beside it.
    fn find(&self, name: &str) -> Option<&Vec<Arc<CertifiedKey>>> {
        let name = name.to_ascii_lowercase();
        self.named.get(&name).or_else(|| {
            let (_, above) = name.split_once('.')?;
            self.named.get(&format!("*.{above}"))
        })
    }
}
