//! Who somebody is: the kernel's word on who calls, and whose word beside it is believed.
//!
//! Behind the one account of a git host are many people. That account says who each of them is, in
//! a variable or by their key; anybody else may say what they like.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;

use ssh_key::{Certificate, HashAlg, PublicKey};
use wharf_config::host::Host;
use wharf_config::project::Project;
use wharf_wire::hook::{CLAIMS, Claim, KEY};
use wharf_wire::view::Actor;

use crate::plan::rights::Person;

/// The source of an actor whom the kernel names.
pub const UID: &str = "uid";
/// Who it is where somebody is named and the name cannot be used.
const UNKNOWN: &str = "unknown";
const ROOT: u32 = 0;

/// A user of this host, as the kernel and the user database know them.
#[derive(Debug)]
pub struct Account {
    uid: u32,
    name: String,
    group: Option<u32>,
    groups: OnceLock<Vec<String>>,
}

impl Account {
    /// Asks the user database. Blocks.
    pub fn of(uid: u32) -> Account {
        let user = uzers::get_user_by_uid(uid);
        Account {
            uid,
            name: user.as_ref().map_or_else(
                || uid.to_string(),
                |user| user.name().to_string_lossy().into_owned(),
            ),
            group: user.map(|user| user.primary_group_id()),
            groups: OnceLock::new(),
        }
    }

    /// The account itself, where nobody is named whose word would count.
    pub fn actor(&self) -> Actor {
        Actor {
            name: self.name.clone(),
            source: UID.into(),
        }
    }

    /// Whether it may ask for what concerns the whole host: root and the daemon's own account.
    pub fn owns_host(&self) -> bool {
        self.uid == ROOT || self.uid == own_uid()
    }

    /// The names of its groups. Blocks the first time.
    fn groups(&self) -> &[String] {
        let read = || {
            let group = self.group?;
            let groups = uzers::get_user_groups(&self.name, group)?;
            let names = groups
                .iter()
                .map(|g| g.name().to_string_lossy().into_owned());
            Some(names.collect())
        };
        self.groups.get_or_init(|| read().unwrap_or_default())
    }
}

/// Who acts in a project: the first that is claimed, where the account's word counts, else the account.
pub fn actor(account: &Account, claims: &[Claim], host: &Host, project: &Project) -> Actor {
    let Some(claimed) = claimed(claims) else {
        return account.actor();
    };
    if is_believed(account, host, &project.repository) {
        return claimed;
    }
    tracing::debug!(
        WHARF_PROJECT = %project.name,
        WHARF_ACTOR = account.name,
        source = claimed.source,
        "a claim of {} is not believed",
        account.name
    );
    account.actor()
}

/// The same as far as it counts for their rights. May block.
pub fn person(account: &Account, actor: &Actor) -> Person {
    let is_account = actor.source == UID;
    Person {
        name: actor.name.clone(),
        // Names of the git host are not names of this host's users.
        groups: match is_account {
            true => account.groups().to_vec(),
            false => Vec::new(),
        },
        operator: is_account && account.uid == ROOT,
    }
}

/// What the first claim says. Whoever is named in a way that cannot be used is nobody that is known,
/// and not the account itself, which may do more.
fn claimed(claims: &[Claim]) -> Option<Actor> {
    let first = claims.first()?;
    let name = match first.source.as_str() {
        KEY => fingerprint(&first.name),
        source if CLAIMS.contains(&source) => {
            Some(first.name.clone()).filter(|name| is_plain(name))
        }
        _ => None,
    };
    let known = CLAIMS.iter().chain([&KEY]);
    let source = known.into_iter().find(|known| **known == first.source);
    Some(Actor {
        name: name.unwrap_or_else(|| UNKNOWN.to_owned()),
        source: source.map_or(UNKNOWN, |source| source).to_owned(),
    })
}

/// Whether an account may name others: the host's git accounts, or where nobody listed them the
/// daemon's and the repository's owner. root could become anybody anyway.
fn is_believed(account: &Account, host: &Host, repository: &Path) -> bool {
    if account.uid == ROOT {
        return true;
    }
    match &host.accounts {
        Some(accounts) => accounts.contains(&account.name),
        None => {
            let owner = repository.metadata().map(|of| of.uid());
            account.uid == own_uid() || owner.is_ok_and(|owner| owner == account.uid)
        }
    }
}

/// Whether a name that somebody claims may be recorded and shown.
fn is_plain(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._@+-".contains(&b);
    (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
}

/// As `ssh-keygen -l` prints it; a certificate's is that of its key.
fn fingerprint(key: &str) -> Option<String> {
    let key = match PublicKey::from_openssh(key) {
        Ok(key) => key,
        Err(_) => Certificate::from_openssh(key)
            .ok()?
            .public_key()
            .clone()
            .into(),
    };
    Some(key.fingerprint(HashAlg::Sha256).to_string())
}

pub(crate) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests;
