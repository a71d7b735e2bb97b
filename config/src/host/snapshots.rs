//! `[snapshots]`: where copies of environments' data are kept.

use std::path::PathBuf;

use super::read::Merge;
use crate::{
    project::read::absolute,
    reader::{Item, Table},
};

/// Where snapshots go, and what opens the place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshots {
    /// Where each project has its repository; none: in the state.
    pub store: Option<SnapshotStore>,
    /// A file with the variables that open an S3-compatible store, one a line.
    pub credentials_file: Option<PathBuf>,
    /// The private key with which `sftp` logs in; none: as ssh does by itself.
    pub identity_file: Option<PathBuf>,
    /// The host keys that `sftp` believes; none: as ssh does by itself.
    pub known_hosts_file: Option<PathBuf>,
}

/// A place that holds a repository for each project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotStore {
    /// A directory of this host's.
    Directory(PathBuf),
    /// A directory of another host's, by ssh.
    Sftp {
        /// Whose account.
        user: Option<String>,
        /// Which host.
        host: String,
        /// Its port; none: ssh's own.
        port: Option<u16>,
        /// The directory there.
        path: String,
    },
    /// A bucket of a store that speaks as S3 does, with a path in it.
    S3(String),
}

/// How `wharfd check` prints what counts where nobody wrote anything.
pub(super) const SHOWN: [(&str, &str); 4] = [
    ("snapshots.store", "none: below the state"),
    ("snapshots.credentials_file", "none"),
    ("snapshots.identity_file", "none"),
    ("snapshots.known_hosts_file", "none"),
];

/// Reads the section.
pub(super) fn merge(table: &Table<'_>, m: &mut Merge<'_>) {
    let item = table.get("store");
    m.key(item, "snapshots.store", store, |h, v| {
        h.snapshots.store = Some(v)
    });
    let item = table.get("credentials_file");
    m.key(item, "snapshots.credentials_file", absolute, |h, v| {
        h.snapshots.credentials_file = Some(v)
    });
    let item = table.get("identity_file");
    m.key(item, "snapshots.identity_file", plain_path, |h, v| {
        h.snapshots.identity_file = Some(v)
    });
    let item = table.get("known_hosts_file");
    m.key(item, "snapshots.known_hosts_file", plain_path, |h, v| {
        h.snapshots.known_hosts_file = Some(v)
    });
}

fn store(item: &Item<'_>) -> Option<SnapshotStore> {
    item.parsed("\"/srv/wharf-snapshots\"", SnapshotStore::parse)
}

/// A path that stands in a command of ssh's, which is split at spaces and quotes.
fn plain_path(item: &Item<'_>) -> Option<PathBuf> {
    let path = absolute(item)?;
    match path.to_str().is_some_and(is_plain) {
        true => Some(path),
        false => {
            let why = "may have letters, digits and / . _ - @ only";
            item.bad(why, "link it to a plainer name");
            None
        }
    }
}

fn is_plain(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"/._-@".contains(&b);
    !text.is_empty() && text.bytes().all(good)
}

impl SnapshotStore {
    /// Reads a directory, `sftp:[USER@]HOST:/PATH`, `sftp://[USER@]HOST[:PORT]//PATH`, or
    /// `s3:https://HOST/BUCKET[/PATH]`.
    ///
    /// # Errors
    /// What is wrong with it; it shows nothing of a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WHAT: &str =
            "must be an absolute directory, sftp:USER@HOST:/PATH or s3:https://HOST/BUCKET";
        if let Some(address) = text.strip_prefix("s3:") {
            return s3(address);
        }
        if let Some(address) = text.strip_prefix("sftp://") {
            let (place, path) = address.split_once('/').ok_or(WHAT)?;
            let (account, port) = match place.rsplit_once(':') {
                Some((account, port)) => (account, Some(port.parse().map_err(|_| WHAT)?)),
                None => (place, None),
            };
            return sftp(account, port, path);
        }
        if let Some(address) = text.strip_prefix("sftp:") {
            let (account, path) = address.split_once(':').ok_or(WHAT)?;
            return sftp(account, None, path);
        }
        let path = PathBuf::from(text);
        let up = path.components().any(|part| part.as_os_str() == "..");
        match path.is_absolute() && !up {
            true => Ok(Self::Directory(path)),
            false => Err(WHAT),
        }
    }
}

fn sftp(account: &str, port: Option<u16>, path: &str) -> Result<SnapshotStore, &'static str> {
    let (user, host) = match account.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, account),
    };
    let word =
        |text: &str| is_plain(text) && !text.starts_with(['-', '/']) && !text.contains(['/', '@']);
    if !word(host) || !user.is_none_or(word) {
        return Err("has no plain user and host");
    }
    if !path.starts_with('/') || !is_plain(path) || path.split('/').any(|part| part == "..") {
        return Err("needs an absolute path of letters, digits and / . _ - @ there");
    }
    Ok(SnapshotStore::Sftp {
        user: user.map(str::to_owned),
        host: host.to_owned(),
        port,
        path: path.trim_end_matches('/').to_owned(),
    })
}

fn s3(address: &str) -> Result<SnapshotStore, &'static str> {
    let rest = address
        .strip_prefix("https://")
        .or_else(|| address.strip_prefix("http://"))
        .ok_or("must begin with s3:https:// (or s3:http://)")?;
    if rest.contains('@') {
        return Err("must hold no password: write them into snapshots.credentials_file");
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-:[]".contains(&b);
    let parts: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
    let named = parts.len() >= 2 && parts.iter().all(|part| !part.is_empty() && *part != "..");
    match named && rest.bytes().all(plain) {
        true => Ok(SnapshotStore::S3(address.trim_end_matches('/').to_owned())),
        false => Err("must be s3:https://HOST/BUCKET, with a path behind it or none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_store_is_read() {
        let read = |text: &str| SnapshotStore::parse(text).unwrap();
        let directory = SnapshotStore::Directory("/srv/snapshots".into());
        assert_eq!(read("/srv/snapshots"), directory);
        let there = |user: Option<&str>, port| SnapshotStore::Sftp {
            user: user.map(str::to_owned),
            host: "store.example.com".into(),
            port,
            path: "/srv/wharf".into(),
        };
        assert_eq!(
            read("sftp:wharf@store.example.com:/srv/wharf"),
            there(Some("wharf"), None)
        );
        assert_eq!(
            read("sftp://store.example.com:2222//srv/wharf/"),
            there(None, Some(2222))
        );
        let bucket = SnapshotStore::S3("https://s3.example.com/wharf/shop".into());
        assert_eq!(read("s3:https://s3.example.com/wharf/shop/"), bucket);
    }

    #[test]
    fn what_would_be_another_word_of_a_command_is_refused() {
        for text in [
            "",
            "relative",
            "/srv/../etc",
            "sftp:host",
            "sftp:host:relative",
            "sftp:-oProxyCommand=x:/srv",
            "sftp:a b@host:/srv",
            "sftp:host:/srv/a b",
            "sftp:host:/srv/'x'",
            "sftp:host:/srv/../x",
            "sftp://host:port//srv",
            "s3:ftp://host/bucket",
            "s3:https://host",
            "s3:https://key:secret@host/bucket",
            "s3:https://host//bucket",
            "s3:https://host/a b",
            "rest:https://host/",
        ] {
            assert!(SnapshotStore::parse(text).is_err(), "{text}");
        }
    }
}
