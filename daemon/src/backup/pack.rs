//! Writes the archive. The daemon may run meanwhile: the database is copied as one moment has it, files
//! of applications as they are when they are read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rustix::fs::Stat;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType};
use wharf_config::place::Place;

use super::{DATABASE, END, End, FORM, MANIFEST, Manifest, STATE, Slugs, WholeError, parts};
use crate::disk::{self, at};
use crate::execute::walk::tarred::{self, header};
use crate::execute::walk::{Found, Visit, walk};
use crate::store::backup;
use crate::store::migrate::VERSION;
use crate::store::now;
use crate::store::paths::Paths;

/// What was written.
#[derive(Debug)]
pub struct Packed {
    /// The archive's length.
    pub bytes: u64,
    /// What is not in it and why, a line each.
    pub left_out: Vec<String>,
}

/// Writes an archive at an absolute path, which takes its name when it is whole. Only its owner may read it: secrets are
/// in it. Blocks.
///
/// # Errors
/// [`WholeError`]; then there is no archive of that name, or the one that was there.
pub fn pack(place: &Place, paths: &Paths, slugs: Slugs, to: &Path) -> Result<Packed, WholeError> {
    let beside = |ending: &str| {
        let mut name = to.file_name().unwrap_or_default().to_owned();
        name.push(ending);
        to.with_file_name(name)
    };
    let (unfinished, copy) = (beside(".new"), beside(".db.new"));
    let packed = backup::copy(&paths.database(), &copy)
        .map_err(WholeError::from)
        .and_then(|()| write(place, paths, slugs, &copy, &unfinished))
        .and_then(|packed| {
            std::fs::rename(&unfinished, to).map_err(at("rename", &unfinished))?;
            disk::sync_directory(to.parent().unwrap_or(Path::new("/")))?;
            Ok(packed)
        });
    for file in [&copy, &unfinished] {
        disk::remove_file(file)?;
    }
    packed
}

fn write(
    place: &Place,
    paths: &Paths,
    slugs: Slugs,
    database: &Path,
    to: &Path,
) -> Result<Packed, WholeError> {
    disk::remove_file(to)?;
    disk::create_private(to)?;
    let file = File::options().write(true).open(to);
    let file = file.map_err(at("write", to))?;
    let manifest = Manifest {
        backup: FORM,
        wharf: env!("CARGO_PKG_VERSION").to_owned(),
        schema: VERSION,
        made: now(),
        slugs: slugs == Slugs::Taken,
        config: place.config.clone(),
        state: place.state.clone(),
    };
    let mut archive = Archive {
        tar: Builder::new(Hashing::new(BufWriter::new(file))),
        entries: 0,
        left_out: Vec::new(),
    };
    let all = parts(place, paths);
    let is_wanted = |path: &PathBuf| slugs == Slugs::Taken || *path != paths.slugs();
    let written = archive.ours(MANIFEST, &manifest).and_then(|()| {
        for part in all.iter().filter(|part| is_wanted(&part.path)) {
            walk(&part.path, &part.name, &mut archive)?;
        }
        let file = File::open(database)?;
        let stat = rustix::fs::fstat(&file)?;
        archive.found(Path::new(DATABASE), &stat, Found::File(file))?;
        archive.end()
    });
    let left_out = written.map_err(at("write", to))?;
    disk::sync_file(to)?;
    let bytes = std::fs::metadata(to).map_err(at("look at", to))?.len();
    Ok(Packed { bytes, left_out })
}

/// The archive that is being written.
struct Archive {
    tar: Builder<Hashing>,
    entries: u64,
    left_out: Vec<String>,
}

impl Archive {
    /// Adds something of our own.
    fn ours(&mut self, name: &str, what: &impl serde::Serialize) -> io::Result<()> {
        let text = serde_json::to_vec(what)?;
        let mut header = header(EntryType::Regular, 0o600, 0);
        header.set_size(text.len() as u64);
        self.entries += 1;
        self.tar.append_data(&mut header, name, text.as_slice())
    }

    /// Ends it; what was left out.
    fn end(mut self) -> io::Result<Vec<String>> {
        let digest = self.tar.get_ref().digest.clone().finalize();
        let end = End {
            digest: data_encoding::HEXLOWER.encode(&digest),
            entries: self.entries,
        };
        self.ours(END, &end)?;
        self.tar.into_inner()?.flush()?;
        Ok(self.left_out)
    }
}

impl Visit for Archive {
    fn found(&mut self, path: &Path, stat: &Stat, found: Found) -> io::Result<()> {
        self.entries += 1;
        if tarred::append(&mut self.tar, path, stat, found)?.missing > 0 {
            self.left_out(path, tarred::SHORTER);
        }
        Ok(())
    }

    fn skips(&self, path: &Path) -> Option<&'static str> {
        let why = "servers write there; snapshots have it, and wharf db dump writes it out";
        is_of_services(path).then_some(why)
    }

    fn left_out(&mut self, path: &Path, why: &str) {
        self.left_out.push(format!("{}: {why}", path.display()));
    }
}

/// Whether a directory of an archive is that of an environment's services: copied while they run, their files would
/// not fit together.
fn is_of_services(path: &Path) -> bool {
    let names: Vec<_> = path.iter().collect();
    matches!(names.as_slice(), [state, mounts, _, _, services]
        if *state == STATE && *mounts == "mounts" && *services == "services")
}

/// Hashes all that passes.
struct Hashing {
    inner: BufWriter<File>,
    digest: Sha256,
}

impl Hashing {
    fn new(inner: BufWriter<File>) -> Hashing {
        Hashing {
            inner,
            digest: Sha256::new(),
        }
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
