//! Who may look: asked of every request before its environment answers it, or wakes for it.

mod address;
mod grant;
mod password;

use std::{collections::BTreeMap, net::IpAddr};

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{
        AUTHORIZATION, CACHE_CONTROL, LOCATION, REFERRER_POLICY, SET_COOKIE, WWW_AUTHENTICATE,
    },
};
use ipnet::IpNet;
use wharf_wire::route::{Access, Who};

use crate::{body::Body, headers, name::Name, page::Page};
use grant::{Grants, Link};
use password::{Credentials, Good, Hash};

pub(crate) use grant::LinkState;
pub use password::Passwords;

/// Where certificate authorities look for their challenges.
const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// Who may look at one environment.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    who: Open,
    grants: Option<Grants>,
    proxies: Vec<IpNet>,
}

/// Who needs no link.
#[derive(Debug, Default)]
enum Open {
    #[default]
    Everyone,
    Machine,
    /// Nobody.
    Granted,
    Names(Names),
    Networks(Vec<IpNet>),
}

#[derive(Debug)]
struct Names {
    hashes: BTreeMap<String, Hash>,
    good: Good,
    /// What a browser is asked for.
    challenge: HeaderValue,
}

/// A request that may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    /// Somebody who may look.
    Visitor,
    /// A certificate authority, or whoever says so: they meet no door, and wake nobody.
    Authority,
}

impl Doors {
    /// Makes the doors of an environment; else what is wrong with them.
    pub(crate) fn new(access: Access, name: &Name) -> Result<Self, &'static str> {
        let grants = match access.key {
            None => None,
            Some(key) => Some(Grants::new(&key, name).ok_or("the key of its links is no key")?),
        };
        let who = match access.who {
            Who::Everyone => Open::Everyone,
            Who::Machine => Open::Machine,
            Who::Networks(networks) => Open::Networks(networks),
            Who::Names(names) if names.is_empty() => Open::Granted,
            Who::Names(names) => {
                let hash = |(name, hash): (String, String)| Some((name, Hash::parse(hash)?));
                let hashes: Option<_> = names.into_iter().map(hash).collect();
                let challenge = format!("Basic realm=\"{name}\", charset=\"UTF-8\"");
                Open::Names(Names {
                    hashes: hashes.ok_or("a password's hash is not bcrypt's")?,
                    good: Good::default(),
                    challenge: HeaderValue::try_from(challenge).expect("names are plain"),
                })
            }
        };
        Ok(Self {
            who,
            grants,
            proxies: access.proxies,
        })
    }

    /// Whether a peer is believed about what it says of a request: which address it came from, and
    /// how. Those are proxies on this machine, and the ones that the operator named.
    pub(crate) fn believes(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        peer.is_loopback() || self.proxies.iter().any(|network| network.contains(&peer))
    }

    /// Whether everybody may look.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.who, Open::Everyone)
    }

    /// Where a request comes from, as far as anybody is believed about it.
    pub(crate) fn from(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        address::of(peer, headers, &self.proxies)
    }

    /// Lets a request in, or answers it.
    ///
    /// # Errors
    /// The answer: a page that says how to get in, or the way on for who has just shown a link.
    pub(crate) async fn pass<B>(
        &self,
        passwords: &Passwords,
        peer: IpAddr,
        request: &Request<B>,
    ) -> Result<Passed, Response<Body>> {
        if is_challenge(request) {
            return Ok(Passed::Authority);
        }
        let link = grant::link(request);
        if link.is_none() && matches!(self.who, Open::Everyone) {
            return Ok(Passed::Visitor);
        }
        if let Some(way_on) = link.as_ref().and_then(|link| self.way_on(link, request)) {
            return Err(way_on);
        }
        match self.knock(passwords, peer, request).await {
            Ok(()) => Ok(Passed::Visitor),
            // Who has come with a link is told about that first.
            Err(turned) => Err(match &link {
                Some(link) if self.takes_links() => {
                    Page::bad_link(link.state()).answer(request.headers())
                }
                _ => turned,
            }),
        }
    }

    /// Removes from a request what is Wharf's own and nothing for the application: links, and names
    /// and passwords that are for these doors.
    pub(crate) fn clean<B>(&self, request: &mut Request<B>) {
        grant::clean(request);
        if let Open::Names(names) = &self.who
            && let Some(said) = request.headers().get(AUTHORIZATION)
            && Credentials::read(said).is_some_and(|said| names.hashes.contains_key(&said.name))
        {
            request.headers_mut().remove(AUTHORIZATION);
        }
    }

    /// Whether links open these doors.
    fn takes_links(&self) -> bool {
        self.grants.is_some() && !matches!(self.who, Open::Networks(_))
    }

    /// Where somebody goes on who has shown a link that opens: the same address without it, with a
    /// cookie.
    fn way_on<B>(&self, link: &Link, request: &Request<B>) -> Option<Response<Body>> {
        let grants = self.grants.as_ref().filter(|_| self.takes_links())?;
        let token = link.token.filter(|token| grants.opens(token))?;
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::SEE_OTHER;
        let cookie = grant::cookie(&token, headers::is_https(request.headers()));
        for (name, value) in [
            (LOCATION, link.rest.clone()),
            (SET_COOKIE, cookie),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ] {
            answer.headers_mut().insert(name, value);
        }
        Some(answer)
    }

    /// Whether a request needs nothing more to come in.
    async fn knock<B>(
        &self,
        passwords: &Passwords,
        peer: IpAddr,
        request: &Request<B>,
    ) -> Result<(), Response<Body>> {
        let headers = request.headers();
        let from = || self.from(peer, headers);
        let turned = match &self.who {
            Open::Everyone => return Ok(()),
            Open::Machine => {
                if from().is_some_and(|from| from.is_loopback()) {
                    return Ok(());
                }
                Page::not_yours()
            }
            Open::Networks(networks) => {
                return match from() {
                    Some(from) if networks.iter().any(|network| network.contains(&from)) => Ok(()),
                    _ => Err(Page::not_from_there().answer(headers)),
                };
            }
            Open::Granted => Page::not_yours(),
            Open::Names(names) => {
                if self.has_cookie(request) {
                    return Ok(());
                }
                return names.ask(passwords, from(), request).await;
            }
        };
        if self.has_cookie(request) {
            return Ok(());
        }
        Err(match grant::held(headers).next() {
            Some(token) => Page::bad_link(grant::state(&token)),
            None => turned,
        }
        .answer(headers))
    }

    fn has_cookie<B>(&self, request: &Request<B>) -> bool {
        self.grants
            .as_ref()
            .is_some_and(|grants| grant::held(request.headers()).any(|token| grants.opens(&token)))
    }
}

impl Names {
    async fn ask<B>(
        &self,
        passwords: &Passwords,
        from: Option<IpAddr>,
        request: &Request<B>,
    ) -> Result<(), Response<Body>> {
        let headers = request.headers();
        let said = headers.get(AUTHORIZATION).and_then(Credentials::read);
        let page = match said {
            None => Page::who_are_you(),
            Some(said) if self.good.has(&said) => return Ok(()),
            Some(said) => match passwords.check(&self.hashes, &self.good, from, said).await {
                Ok(true) => return Ok(()),
                Ok(false) => Page::who_are_you(),
                Err(password::Busy) => return Err(Page::too_many().answer(headers)),
            },
        };
        let mut answer = page.answer(headers);
        answer
            .headers_mut()
            .insert(WWW_AUTHENTICATE, self.challenge.clone());
        Err(answer)
    }
}

/// Whether an authority asks for a challenge. Nothing but a challenge's own name may follow, or a
/// path with dots would lead past the doors.
pub(crate) fn is_challenge<B>(request: &Request<B>) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    matches!(*request.method(), http::Method::GET | http::Method::HEAD)
        && request
            .uri()
            .path()
            .strip_prefix(CHALLENGES)
            .is_some_and(|name| !name.is_empty() && name.bytes().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_challenge_passes_by_the_doors() {
        let asks = |method: &str, uri: &str| {
            let request = Request::builder().method(method).uri(uri).body(());
            is_challenge(&request.expect("a request"))
        };
        assert!(asks("GET", "/.well-known/acme-challenge/aZ0_-"));
        assert!(asks("HEAD", "/.well-known/acme-challenge/a?x"));
        for uri in [
            "/.well-known/acme-challenge/",
            "/.well-known/acme-challenge/../../admin",
            "/.well-known/acme-challenge/a/b",
            "/.well-known/acme-challenge/%2e%2e",
            "/.well-known/acme-challenge",
            "/x/.well-known/acme-challenge/a",
        ] {
            assert!(!asks("GET", uri), "{uri}");
        }
        assert!(!asks("POST", "/.well-known/acme-challenge/a"));
    }
}
