//! `[router.tls]`: how visitors come by TLS.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{Host, read::Merge};
use crate::{
    plain::quoted,
    problem::Problem,
    reader::{Item, Table},
};

/// How visitors come by TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where; none: by plain HTTP only.
    pub listen: Option<SocketAddr>,
    /// Certificates with their keys; the first one is for who asks for none of their names.
    pub certificates: Vec<Certificate>,
    /// Whether who comes by plain HTTP is sent to `https://`.
    pub redirect: bool,
    /// For how long browsers are told to come by TLS only; none: nothing is said.
    pub hsts: Option<Duration>,
}

/// A certificate and its key, as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, then those that vouch for it.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// More certificates than that are for another program.
const MOST: usize = 200;
/// The names that certbot gives the two files.
const FILES: [&str; 2] = ["fullchain.pem", "privkey.pem"];
/// How a list is written.
const EXAMPLE: &str = "[\"/etc/wharf/tls/example.com\"]";
/// Longer than anybody should bind browsers; what lists for browsers ask for is a year.
const LONGEST: Duration = Duration::from_secs(2 * 366 * 24 * 60 * 60);

/// How `wharfd check` prints what counts where nobody wrote anything.
pub(super) const SHOWN: [(&str, &str); 4] = [
    ("router.tls.listen", "\"off\""),
    ("router.tls.certificates", "[]"),
    ("router.tls.redirect", "true"),
    ("router.tls.hsts", "\"off\""),
];

impl Default for Tls {
    fn default() -> Self {
        Self {
            listen: None,
            certificates: Vec::new(),
            redirect: true,
            hsts: None,
        }
    }
}

/// Reads the section.
pub(super) fn merge(table: &Table<'_>, m: &mut Merge<'_>) {
    m.key(table.get("listen"), "router.tls.listen", listen, |h, v| {
        h.tls.listen = v
    });
    let key = "router.tls.certificates";
    m.key(table.get("certificates"), key, certificates, |h, v| {
        h.tls.certificates = v
    });
    let read = |i: &Item<'_>| i.boolean();
    m.key(
        table.get("redirect"),
        "router.tls.redirect",
        read,
        |h, v| h.tls.redirect = v,
    );
    m.key(table.get("hsts"), "router.tls.hsts", hsts, |h, v| {
        h.tls.hsts = v
    });
}

/// What no file alone can say.
pub(super) fn problems(host: &Host) -> Option<Problem> {
    let listen = host.tls.listen?;
    let key = "router.tls.listen";
    let setting = host.settings.iter().find(|setting| setting.key == key);
    let file = setting.and_then(|setting| setting.from.as_ref());
    let file = file.map_or_else(String::new, |file| file.display().to_string());
    if host.tls.certificates.is_empty() {
        let message = format!("{key} is set, and router.tls.certificates is not");
        let hint = format!(
            "name the directories that hold fullchain.pem and privkey.pem: certificates = {EXAMPLE}"
        );
        return Some(Problem::new(file, "missing-key", message).hint(hint));
    }
    let is_shared = listen == host.listen && listen.port() != 0;
    is_shared.then(|| {
        let message = format!("{key} is the address of router.listen, {listen}");
        let hint =
            "two programs of a browser speak there: usually 443 is for TLS, and 80 for what is not";
        Problem::new(file, "bad-value", message).hint(hint)
    })
}

fn listen(item: &Item<'_>) -> Option<Option<SocketAddr>> {
    item.parsed("\"0.0.0.0:443\"", |text| match text {
        "off" => Ok(None),
        text => text.parse().map(Some).map_err(
            |_| "must be an address and a port, such as 0.0.0.0:443 or [::]:443, or \"off\"",
        ),
    })
}

/// Directories as certbot fills them, or tables that name both files.
fn certificates(item: &Item<'_>) -> Option<Vec<Certificate>> {
    let list = item.list(MOST, EXAMPLE)?;
    list.iter().map(certificate).collect()
}

fn certificate(item: &Item<'_>) -> Option<Certificate> {
    if !item.is_table() {
        let directory = path(item)?;
        let [chain, key] = FILES.map(|name| directory.join(name));
        return Some(Certificate { chain, key });
    }
    let table = item.table("")?;
    let [chain, key] = ["chain", "key"].map(|name| table.get(name));
    let message = "a certificate is two files: `chain` and `key`".to_owned();
    let hint = "{ chain = \"/etc/wharf/tls/fullchain.pem\", key = \"/etc/wharf/tls/privkey.pem\" }";
    let absent: Vec<&'static str> = [("chain", &chain), ("key", &key)]
        .into_iter()
        .filter_map(|(name, item)| item.is_none().then_some(name))
        .collect();
    if !absent.is_empty() {
        table.missing(&absent, message, hint);
    }
    let [chain, key] = [chain, key].map(|item| item.as_ref().and_then(path));
    table.finish();
    Some(Certificate {
        chain: chain?,
        key: key?,
    })
}

fn path(item: &Item<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(item.text("\"/etc/wharf/tls/example.com\"")?);
    if path.is_absolute() {
        return Some(path);
    }
    item.bad("must be an absolute path", "write it from / on");
    None
}

/// For how long, `"0s"`: browsers are to forget it, or `"off"`.
fn hsts(item: &Item<'_>) -> Option<Option<Duration>> {
    item.parsed("\"180d\"", |text| {
        if text == "off" {
            return Ok(None);
        }
        match humantime::parse_duration(text) {
            Ok(age) if age <= LONGEST => Ok(Some(age)),
            Ok(_) => Err("must be at most 2 years, or \"off\"".to_owned()),
            Err(_) => Err(format!("{} is not a time, such as \"180d\"", quoted(text))),
        }
    })
}
