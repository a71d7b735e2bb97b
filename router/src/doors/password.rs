//! Names and passwords: bcrypt is slow by design, so what was good is remembered, and the rest waits
//! in line.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
};

use data_encoding::BASE64;
use http::HeaderValue;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

/// The most passwords that wait for their check.
const WAITING: usize = 256;
/// The most of them from one address. A browser asks for a page's parts at once.
const WAITING_OF_ONE: usize = 16;
/// The most good credentials that are remembered of an environment.
const REMEMBERED: usize = 256;
/// The longest password that is looked at; bcrypt itself reads 72 bytes.
const LONGEST: usize = 1024;

/// The hash of a password, well formed.
#[derive(Debug, Clone)]
pub(super) struct Hash(String);

impl Hash {
    /// Reads what `htpasswd -B` prints.
    pub(super) fn parse(text: String) -> Option<Self> {
        text.parse::<bcrypt::HashParts>().ok().map(|_| Self(text))
    }
}

/// A name and a password, as a visitor said them.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) name: String,
    password: Vec<u8>,
    digest: [u8; 32],
}

impl Credentials {
    /// Reads an `Authorization` header; none where it is of another scheme.
    pub(super) fn read(header: &HeaderValue) -> Option<Self> {
        let (scheme, rest) = header.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let said = BASE64.decode(rest.trim().as_bytes()).ok()?;
        let colon = said.iter().position(|byte| *byte == b':')?;
        let password = &said[colon + 1..];
        if password.len() > LONGEST {
            return None;
        }
        Some(Self {
            name: String::from_utf8(said[..colon].to_vec()).ok()?,
            password: password.to_vec(),
            digest: Sha256::digest(&said).into(),
        })
    }
}

/// Credentials of one environment that were good. They go with its route, so a changed password
/// counts at once.
#[derive(Debug, Default)]
pub(super) struct Good(Mutex<HashSet<[u8; 32]>>);

impl Good {
    pub(super) fn has(&self, said: &Credentials) -> bool {
        self.all().contains(&said.digest)
    }

    fn add(&self, digest: [u8; 32]) {
        let mut all = self.all();
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(digest);
    }

    fn all(&self) -> MutexGuard<'_, HashSet<[u8; 32]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Too many wait already.
#[derive(Debug)]
pub(super) struct Busy;

/// Checks passwords: few at a time, and one of each address, so that who tries many keeps neither
/// the processors nor the others' turn.
#[derive(Debug)]
pub struct Passwords {
    working: Arc<Semaphore>,
    lines: Mutex<HashMap<Option<IpAddr>, Arc<Semaphore>>>,
}

impl Default for Passwords {
    fn default() -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self {
            working: Arc::new(Semaphore::new((processors / 2).clamp(1, 4))),
            lines: Mutex::default(),
        }
    }
}

impl Passwords {
    /// Whether a name has this password, and remembers it if so.
    pub(super) async fn check(
        &self,
        hashes: &BTreeMap<String, Hash>,
        good: &Good,
        from: Option<IpAddr>,
        said: Credentials,
    ) -> Result<bool, Busy> {
        let line = self.line(from)?;
        let turn = line.acquire_owned().await.map_err(|_| Busy)?;
        // The one before may have asked the same.
        if good.has(&said) {
            return Ok(true);
        }
        let known = hashes.get(&said.name);
        // A name that nobody has takes as long as one with another password.
        let Some(hash) = known.or_else(|| hashes.values().next()).cloned() else {
            return Ok(false);
        };
        let is_known = known.is_some();
        let working = Arc::clone(&self.working);
        let work = working.acquire_owned().await.map_err(|_| Busy)?;
        let (password, digest) = (said.password, said.digest);
        let checked = tokio::task::spawn_blocking(move || {
            let is_good = bcrypt::verify(password, &hash.0);
            // Held to here also where the visitor has hung up meanwhile.
            drop((turn, work));
            is_good
        });
        let is_good = matches!(checked.await, Ok(Ok(true))) && is_known;
        if is_good {
            good.add(digest);
        }
        Ok(is_good)
    }

    /// The line of an address.
    fn line(&self, from: Option<IpAddr>) -> Result<Arc<Semaphore>, Busy> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| Arc::strong_count(line) > 1);
        let waiting: usize = lines.values().map(|line| Arc::strong_count(line) - 1).sum();
        let line = lines
            .entry(from.map(household))
            .or_insert_with(|| Arc::new(Semaphore::new(1)));
        if waiting >= WAITING || Arc::strong_count(line) > WAITING_OF_ONE {
            return Err(Busy);
        }
        Ok(Arc::clone(line))
    }
}

/// Who has one address of IPv6 has 2^64.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Credentials {
        let header = format!("bAsIc {}", BASE64.encode(text.as_bytes()));
        Credentials::read(&HeaderValue::try_from(header).expect("plain")).expect("credentials")
    }

    fn hashes() -> BTreeMap<String, Hash> {
        let hash = bcrypt::hash("s3cret:x", 4).expect("a hash");
        [("guest".to_owned(), Hash::parse(hash).expect("a hash"))].into()
    }

    #[tokio::test]
    async fn a_good_password_is_remembered_and_a_wrong_one_is_not() {
        let (passwords, good, hashes) = (Passwords::default(), Good::default(), hashes());
        for (text, expected) in [
            ("guest:s3cret:y", false),
            ("nobody:s3cret:x", false),
            (":s3cret:x", false),
            ("guest:s3cret:x", true),
        ] {
            let checked = passwords.check(&hashes, &good, None, said(text)).await;
            assert_eq!(checked.ok(), Some(expected), "{text}");
            assert_eq!(good.has(&said(text)), expected, "{text}");
        }
    }

    #[test]
    fn no_address_takes_all_places() {
        let passwords = Passwords::default();
        let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        let held: Vec<_> = (0..WAITING_OF_ONE)
            .map(|_| passwords.line(address(1)))
            .collect();
        assert!(held.iter().all(Result::is_ok));
        assert!(passwords.line(address(1)).is_err());
        assert!(passwords.line(address(2)).is_ok());
        drop(held);
        assert!(passwords.line(address(1)).is_ok());
        let six = |last: u16| Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]));
        let held: Vec<_> = (0..20).map(|last| passwords.line(six(last))).collect();
        assert_eq!(
            held.iter().filter(|line| line.is_ok()).count(),
            WAITING_OF_ONE
        );
    }

    #[test]
    fn what_is_no_password_is_none() {
        for text in [
            "",
            "Basic",
            "Basic !",
            "Bearer Z3Vlc3Q6eA==",
            "Basic Z3Vlc3Q=",
        ] {
            assert!(
                Credentials::read(&HeaderValue::from_static(text)).is_none(),
                "{text}"
            );
        }
    }
}
