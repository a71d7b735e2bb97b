//! Which script answers a request.

use std::{path::Path, sync::Arc};

use tracing::error;
use wharf_wire::route::FastCgi;

use crate::{
    guard::{Root, blocking},
    path::Plain,
    site::Site,
};

/// How many parts of a path may look like scripts.
const MOST: usize = 4;
/// The script of a directory.
const INDEX: &str = "index.php";

/// A script below the directory of scripts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Script {
    /// The directory, as the process sees it.
    pub(super) root: String,
    /// Its address, from the top.
    pub(super) name: String,
    /// What stands behind it in the address.
    pub(super) rest: String,
}

/// The script that a path names, else the front.
pub(super) async fn of(
    path: Option<&Plain>,
    site: &Arc<Site>,
    scripts: &FastCgi,
) -> Option<Script> {
    let root = scripts.root.to_str()?.to_owned();
    let named = match (site.files.as_ref(), path) {
        (Some(files), Some(path)) if may_name(path) => {
            let (files, path) = (files.root().clone(), path.decoded().to_owned());
            let found = blocking(move || Ok(named(&files, &path))).await;
            found.unwrap_or_else(|error| {
                error!(%error, "cannot look for a script");
                None
            })
        }
        _ => None,
    };
    let (name, rest) = match named {
        Some(named) => named,
        None => (
            format!("/{}", scripts.front.as_ref()?.to_str()?),
            String::new(),
        ),
    };
    Some(Script { root, name, rest })
}

/// Whether it is worth looking: nearly all paths name no script.
fn may_name(path: &Plain) -> bool {
    path.decoded().contains(".php") || path.decoded().ends_with('/')
}

/// The script that a path names, and what follows it.
fn named(files: &Root, path: &str) -> Option<(String, String)> {
    let is_script = |path: &str| files.is_script(Path::new(path.trim_start_matches('/')));
    let ends = path.match_indices(".php").map(|(at, end)| at + end.len());
    let whole = |end: &usize| matches!(path.as_bytes().get(*end), None | Some(b'/'));
    for end in ends.filter(whole).take(MOST) {
        let (name, rest) = path.split_at(end);
        if is_script(name) {
            return Some((name.to_owned(), rest.to_owned()));
        }
    }
    let index = format!("{path}{INDEX}");
    (path.ends_with('/') && is_script(&index)).then_some((index, String::new()))
}
