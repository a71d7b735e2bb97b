//! What a layer is addressed by.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use wharf_config::name::RelPath;

use super::walk::{Look, look, walk};
use super::{FORMAT, LayerError};
use crate::execute::beneath;
use crate::execute::slug_key::hex;

/// All that a step depends on by its own word.
#[derive(Debug)]
pub(super) struct About {
    /// Its command.
    pub(super) run: String,
    /// What it finds in its environment.
    pub(super) environment: BTreeMap<String, String>,
    /// Runtimes and their versions.
    pub(super) runtimes: BTreeMap<String, String>,
    /// Files and directories.
    pub(super) inputs: Vec<RelPath>,
}

/// A layer's name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// SHA-256, in hex.
    pub(super) key: String,
    /// Inputs that are not there.
    pub(super) absent: Vec<RelPath>,
}

#[derive(Serialize)]
struct Ingredients<'a> {
    format: u32,
    run: &'a str,
    environment: &'a BTreeMap<String, String>,
    runtimes: &'a BTreeMap<String, String>,
    inputs: Vec<(&'a str, Option<String>)>,
}

/// The key of what a step makes in the work directory as it is now.
pub(super) fn key(about: &About, work: &Path, stop: &AtomicBool) -> Result<Key, LayerError> {
    let mut inputs = Vec::new();
    let mut absent = Vec::new();
    for input in &about.inputs {
        let content = content(work, input, stop)?;
        if content.is_none() {
            absent.push(input.clone());
        }
        inputs.push((input.as_str(), content));
    }
    let ingredients = Ingredients {
        format: FORMAT,
        run: &about.run,
        environment: &about.environment,
        runtimes: &about.runtimes,
        inputs,
    };
    let bytes = serde_json::to_vec(&ingredients).expect("strings and maps with string keys");
    Ok(Key {
        key: hex(&Sha256::digest(bytes)),
        absent,
    })
}

/// A digest of a file, a link or a directory with all in it; none where nothing is.
fn content(work: &Path, input: &RelPath, stop: &AtomicBool) -> Result<Option<String>, LayerError> {
    let path = work.join(input.as_path());
    let mut digest = Sha256::new();
    if !input.is_top() {
        // No link on the way to it is followed.
        match beneath::parent(work, input.as_path()) {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(error) => return Err(LayerError::at("look at", &path)(error)),
        }
        let found = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => look(&found.map_err(LayerError::at("look at", &path))?),
        };
        add(&mut digest, "", &found, &path, stop)?;
        if !matches!(found, Look::Directory { .. }) {
            return Ok(Some(hex(&digest.finalize())));
        }
    }
    for (name, found) in walk(&path, stop)? {
        add(&mut digest, &name, &found, &path.join(&name), stop)?;
    }
    Ok(Some(hex(&digest.finalize())))
}

/// Each part has its length before it: no two trees have equal bytes.
fn add(
    digest: &mut Sha256,
    name: &str,
    found: &Look,
    path: &Path,
    stop: &AtomicBool,
) -> Result<(), LayerError> {
    let mut part = |kind: u8, bytes: &[u8]| {
        digest.update([kind]);
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    };
    part(b'n', name.as_bytes());
    match found {
        Look::Directory { mode } => part(b'd', &mode.to_le_bytes()),
        Look::Special => part(b's', &[]),
        Look::Link(_) => {
            let target = std::fs::read_link(path).map_err(LayerError::at("read", path))?;
            part(b'l', target.as_os_str().as_bytes());
        }
        Look::File(stamp) => {
            part(b'm', &stamp.mode.to_le_bytes());
            part(b'f', &stamp.bytes.to_le_bytes());
            digest_file(digest, path, stop)?;
        }
    }
    Ok(())
}

/// Adds the content of a file that is no link.
pub(super) fn digest_file(
    digest: &mut Sha256,
    path: &Path,
    stop: &AtomicBool,
) -> Result<u64, LayerError> {
    let failed = || LayerError::at("read", path);
    let mut file = File::open(path).map_err(failed())?;
    let mut buffer = vec![0; 128 * 1024];
    let mut bytes = 0;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(LayerError::Stopped);
        }
        match file.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(count) => {
                digest.update(&buffer[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed()(error)),
        }
    }
}
