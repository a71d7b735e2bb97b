//! Links that open an environment for a time, and the cookies that they become.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use data_encoding::BASE64;
use ed25519_dalek::{Signature, VerifyingKey};
use http::{
    HeaderMap, HeaderValue, Method, Request, Uri,
    header::{COOKIE, Entry},
};
use wharf_wire::grant::{NAME, Token, said};

use crate::name::Name;

/// The most good tokens that are remembered of an environment.
const REMEMBERED: usize = 256;
/// The most cookies that are tried of one request: a sibling's application can set some for us.
const TRIED: usize = 4;

/// What opens one environment.
#[derive(Debug)]
pub(super) struct Grants {
    key: VerifyingKey,
    name: Name,
    /// Those that were good, until the route changes: a check takes longer than most answers.
    good: Mutex<HashSet<Token>>,
}

impl Grants {
    /// Takes the key as it stands in a route.
    pub(super) fn new(key: &str, name: &Name) -> Option<Self> {
        let bytes = BASE64.decode(key.as_bytes()).ok()?;
        let key = VerifyingKey::from_bytes(bytes.as_slice().try_into().ok()?).ok()?;
        Some(Self {
            key,
            name: name.clone(),
            good: Mutex::default(),
        })
    }

    /// Whether a token opens this environment now.
    pub(super) fn opens(&self, token: &Token) -> bool {
        token.expires > now() && (self.remembers(token) || self.is_signed(token))
    }

    fn remembers(&self, token: &Token) -> bool {
        let good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.contains(token)
    }

    fn is_signed(&self, token: &Token) -> bool {
        let (project, environment) = self.name.parts();
        let said = said(project, environment, token.expires);
        let signature = Signature::from_bytes(&token.signature);
        if self.key.verify_strict(said.as_bytes(), &signature).is_err() {
            return false;
        }
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if good.len() >= REMEMBERED {
            good.clear();
        }
        good.insert(*token);
        true
    }
}

/// What is wrong with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// Its time is over.
    Expired,
    /// It is of another environment, or of nobody.
    Foreign,
}

/// Why a token that does not open does not.
pub(super) fn state(token: &Token) -> LinkState {
    match token.expires > now() {
        true => LinkState::Foreign,
        false => LinkState::Expired,
    }
}

/// A link that was followed.
#[derive(Debug)]
pub(super) struct Link {
    /// None where what it brings is no token.
    pub(super) token: Option<Token>,
    /// The same address without it, on the same host.
    pub(super) rest: HeaderValue,
}

impl Link {
    pub(super) fn state(&self) -> LinkState {
        self.token.as_ref().map_or(LinkState::Foreign, state)
    }
}

/// The link that a request follows, if it does.
pub(super) fn link<B>(request: &Request<B>) -> Option<Link> {
    let uri = request.uri();
    let query = uri.query().filter(|query| query.contains(NAME))?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    let token = query.split('&').find_map(value)?;
    Some(Link {
        token: Token::parse(token),
        rest: HeaderValue::try_from(on_this_host(&without(uri.path(), query))).ok()?,
    })
}

/// The value of a part that brings a token.
fn value(part: &str) -> Option<&str> {
    part.strip_prefix(NAME)?.strip_prefix('=')
}

/// A path with a query that brings no token.
fn without(path: &str, query: &str) -> String {
    let rest: Vec<&str> = query
        .split('&')
        .filter(|part| value(part).is_none())
        .collect();
    match rest.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", rest.join("&")),
    }
}

/// A browser takes two slashes, of either kind, for the beginning of another host's address.
fn on_this_host(target: &str) -> String {
    let more = target.get(1..).unwrap_or_default();
    match more.starts_with(['/', '\\']) {
        true => format!("/.{target}"),
        false => target.to_owned(),
    }
}

/// The tokens that a request's cookies hold.
pub(super) fn held(headers: &HeaderMap) -> impl Iterator<Item = Token> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs
        .filter_map(|pair| Token::parse(value(pair.trim())?))
        .take(TRIED)
}

/// The cookie that keeps a token, for as long as it opens.
pub(super) fn cookie(token: &Token, is_https: bool) -> HeaderValue {
    let seconds = token.expires.saturating_sub(now());
    let secure = if is_https { "; Secure" } else { "" };
    let text = format!(
        "{NAME}={}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}",
        token.text()
    );
    HeaderValue::try_from(text).expect("letters, digits and marks")
}

/// Removes links and cookies of ours from a request.
pub(super) fn clean<B>(request: &mut Request<B>) {
    let uri = request.uri();
    if let Some(query) = uri.query().filter(|query| query.contains(NAME)) {
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = without(uri.path(), query).parse().ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    clean_cookies(request.headers_mut());
}

fn clean_cookies(headers: &mut HeaderMap) {
    let is_ours = |line: &HeaderValue| contains(line.as_bytes(), NAME.as_bytes());
    if !headers.get_all(COOKIE).iter().any(is_ours) {
        return;
    }
    let Entry::Occupied(entry) = headers.entry(COOKIE) else {
        return;
    };
    let (_, lines) = entry.remove_entry_mult();
    let kept: Vec<HeaderValue> = lines.filter_map(|line| others(&line)).collect();
    for line in kept {
        headers.append(COOKIE, line);
    }
}

/// A line of cookies without ours; none where nothing is left.
fn others(line: &HeaderValue) -> Option<HeaderValue> {
    let is_ours = |pair: &&[u8]| {
        let pair = pair.trim_ascii();
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.trim_ascii() == NAME.as_bytes()
    };
    let pairs = line.as_bytes().split(|byte| *byte == b';');
    let rest: Vec<&[u8]> = pairs
        .filter(|pair| !is_ours(pair))
        .map(<[u8]>::trim_ascii)
        .collect();
    let rest = rest.join(&b"; "[..]);
    HeaderValue::from_bytes(&rest)
        .ok()
        .filter(|line| !line.is_empty())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    fn token(key: &SigningKey, environment: &str, expires: u64) -> Token {
        Token {
            expires,
            signature: key
                .sign(said("shop", environment, expires).as_bytes())
                .to_bytes(),
        }
    }

    #[test]
    fn a_token_opens_its_own_environment_for_its_own_time() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = BASE64.encode(key.verifying_key().as_bytes());
        let name = Name::new("shop", "main").expect("a name");
        let grants = Grants::new(&public, &name).expect("a key");
        let later = now() + 60;
        let good = token(&key, "main", later);
        // Once by its signature, then from memory.
        assert!(grants.opens(&good) && grants.opens(&good));
        assert!(!grants.opens(&token(&key, "main", now())));
        assert!(!grants.opens(&token(&key, "other", later)));
        assert!(!grants.opens(&token(&SigningKey::from_bytes(&[8; 32]), "main", later)));
        let longer = Token {
            expires: later + 1,
            ..good
        };
        assert!(!grants.opens(&longer));
        assert_eq!(state(&longer), LinkState::Foreign);
        assert_eq!(state(&token(&key, "main", 5)), LinkState::Expired);
        assert!(Grants::new("AAAA", &name).is_none());
    }

    #[test]
    fn the_way_on_is_the_same_address_on_the_same_host() {
        for (asked, expected) in [
            ("/a?wharf-grant=x", "/a"),
            ("/a?b=1&wharf-grant=x&c", "/a?b=1&c"),
            ("/?x-wharf-grant=1&wharf-grant=x", "/?x-wharf-grant=1"),
            ("//evil.test/?wharf-grant=x", "/.//evil.test/"),
            ("/\\evil.test/?wharf-grant=x", "/./\\evil.test/"),
            ("http://main.test/a?wharf-grant=x", "/a"),
        ] {
            let request = Request::get(asked).body(()).expect("a request");
            assert_eq!(link(&request).expect("a link").rest, expected, "{asked}");
        }
        for asked in [
            "/a?b",
            "/wharf-grant=x",
            "/?wharf-grants=x",
            "/?a=wharf-grant=x",
        ] {
            let request = Request::get(asked).body(()).expect("a request");
            assert!(link(&request).is_none(), "{asked}");
        }
        let post = Request::post("/?wharf-grant=x")
            .body(())
            .expect("a request");
        assert!(link(&post).is_none());
    }

    #[test]
    fn nothing_of_ours_reaches_an_application() {
        let mut request = Request::post("http://main.test/a?b=1&wharf-grant=x")
            .header(COOKIE, "a=1; wharf-grant=x; b=\"2; c\"")
            .header(COOKIE, "wharf-grant=y;wharf-grant = z")
            .header(COOKIE, "not-wharf-grant=1")
            .body(())
            .expect("a request");
        clean(&mut request);
        assert_eq!(request.uri(), "http://main.test/a?b=1");
        let cookies: Vec<_> = request.headers().get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=\"2; c\"", "not-wharf-grant=1"]);
    }
}
