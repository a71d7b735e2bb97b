//! The list of a layer: what was made, and what was removed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::LayerError;
use crate::execute::slug_key::hex;

/// The list's file in a layer's directory.
const LIST: &str = "list";
/// Bytes of it, at most.
const LARGEST: u64 = 512 << 20;

/// What a step made of a tree.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// What it made or changed: parents before what they hold.
    pub(super) made: Vec<Made>,
    /// What it removed: what directories hold after them.
    pub(super) removed: Vec<String>,
}

/// One name that was made or changed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Made {
    /// From the top of the tree.
    pub(super) path: String,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a name is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Kind {
    /// A directory with these bits.
    Directory { mode: u32 },
    /// A link to there.
    Link { target: String },
    /// A file, whose content is in the layer under its number.
    File {
        number: usize,
        mode: u32,
        bytes: u64,
        digest: String,
        /// Nanoseconds since 1970-01-01 UTC: compilers compare them.
        modified: u64,
    },
}

impl Manifest {
    /// The content of a file, by its number.
    pub(super) fn content(layer: &Path, number: usize) -> PathBuf {
        layer.join(format!("{number:06}"))
    }

    /// Writes the list into a layer's directory, with its own digest.
    pub(super) fn write(&self, layer: &Path) -> Result<(), LayerError> {
        let list = serde_json::to_vec(self).expect("strings and numbers");
        let mut bytes = format!("{}\n", hex(&Sha256::digest(&list))).into_bytes();
        bytes.extend_from_slice(&list);
        let path = layer.join(LIST);
        std::fs::write(&path, bytes).map_err(LayerError::at("write", &path))
    }

    /// Reads the list of a layer; none where there is no such layer.
    pub(super) fn read(layer: &Path) -> Result<Option<Manifest>, LayerError> {
        if layer.symlink_metadata().is_err() {
            return Ok(None);
        }
        let path = layer.join(LIST);
        let is_good = path.metadata().is_ok_and(|meta| meta.len() <= LARGEST);
        let bytes = match is_good {
            true => std::fs::read(&path).map_err(|_| LayerError::Damaged)?,
            false => return Err(LayerError::Damaged),
        };
        let (digest, list) = bytes.split_at_checked(65).ok_or(LayerError::Damaged)?;
        if format!("{}\n", hex(&Sha256::digest(list))).as_bytes() != digest {
            return Err(LayerError::Damaged);
        }
        let manifest = serde_json::from_slice(list).map_err(|_| LayerError::Damaged)?;
        Ok(Some(manifest))
    }
}
