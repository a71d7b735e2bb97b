//! The push as the daemon is told of it: updates, options, and who it may be from.

use std::{env, ffi::OsString, io};

use wharf_wire::hook::{
    CLAIMS, Claim, KEY, MAX_CLAIM, MAX_PUSH_OPTION_BYTES, MAX_PUSH_OPTIONS, Push, RefUpdate,
};

use crate::input::{Input, InputError};
use crate::key;

/// All options together as JSON, so that they fit in a frame beside the rest.
const MAX_OPTIONS_JSON: usize = 24 * 1024;

/// Why the daemon cannot be told of a push.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    /// See [`InputError`].
    #[error(transparent)]
    Input(#[from] InputError),
    /// Too many `-o`, or too long ones.
    #[error("Wharf takes at most {MAX_PUSH_OPTIONS} push options of {MAX_PUSH_OPTION_BYTES} bytes")]
    Options,
    /// There is no repository where git says.
    #[error("the repository's own directory cannot be found")]
    NoRepository(#[source] io::Error),
    /// The path is not UTF-8.
    #[error("the repository's path on the host is not UTF-8")]
    RepositoryName,
}

impl PushError {
    /// What the pusher can do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            PushError::Input(error) => error.hint(),
            PushError::Options => "push again with fewer or shorter -o options",
            PushError::NoRepository(_) | PushError::RepositoryName => "tell whoever runs this host",
        }
    }
}

/// Puts together what git told the hook.
///
/// # Errors
/// [`PushError`] when it has no place in the protocol.
pub(crate) fn gather(input: &Input) -> Result<Push, PushError> {
    of(input.updates()?, options()?)
}

/// The same, where git tells updates and options by another way.
///
/// # Errors
/// As [`gather`].
pub(crate) fn of(updates: Vec<RefUpdate>, options: Vec<String>) -> Result<Push, PushError> {
    check(&options)?;
    let directory = env::var_os("GIT_DIR").unwrap_or_else(|| ".".into());
    let repository = std::fs::canonicalize(directory).map_err(PushError::NoRepository)?;
    Ok(Push {
        repository: repository
            .into_os_string()
            .into_string()
            .map_err(|_| PushError::RepositoryName)?,
        updates,
        options,
        claims: claims(),
    })
}

fn options() -> Result<Vec<String>, PushError> {
    let count = match env::var("GIT_PUSH_OPTION_COUNT") {
        Ok(count) => count.parse().map_err(|_| PushError::Options)?,
        Err(_) => 0,
    };
    if count > MAX_PUSH_OPTIONS {
        return Err(PushError::Options);
    }
    Ok((0..count)
        .filter_map(|n| env::var_os(format!("GIT_PUSH_OPTION_{n}")))
        .map(|option| option.to_string_lossy().into_owned())
        .collect())
}

fn check(options: &[String]) -> Result<(), PushError> {
    let json = serde_json::to_string(options).map_err(|_| PushError::Options)?;
    if options.len() > MAX_PUSH_OPTIONS
        || json.len() > MAX_OPTIONS_JSON
        || options.iter().any(|o| o.len() > MAX_PUSH_OPTION_BYTES)
    {
        return Err(PushError::Options);
    }
    Ok(())
}

fn claims() -> Vec<Claim> {
    let claim = |source: &str, name| Claim {
        source: source.to_owned(),
        name,
    };
    let named = CLAIMS.iter().filter_map(|source| {
        let name = env::var_os(source).filter(|name| !name.is_empty())?;
        Some(claim(source, whole(name)))
    });
    let mut claims: Vec<Claim> = named.collect();
    if claims.is_empty() {
        let key = env::var_os(KEY).filter(|file| !file.is_empty());
        claims.extend(key.map(|file| claim(KEY, key::read(file.as_ref()).unwrap_or_default())));
    }
    claims
}

/// The name as it is, or nothing: a cut one might be somebody else's, and somebody who is not told
/// must not pass for the account itself.
fn whole(name: OsString) -> String {
    let name = name.into_string().unwrap_or_default();
    Some(name)
        .filter(|name| name.len() <= MAX_CLAIM)
        .unwrap_or_default()
}
