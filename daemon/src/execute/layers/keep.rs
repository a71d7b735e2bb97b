//! Keeping what a step made.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use wharf_config::name::RelPath;

use super::key::digest_file;
use super::manifest::{Kind, Made, Manifest};
use super::walk::{Look, Tree, walk};
use super::{LayerError, MOST_BYTES};
use crate::disk;
use crate::execute::housekeeping::names;
use crate::execute::slug_key::hex;
use crate::report;

/// What to keep, and where.
#[derive(Debug)]
pub(super) struct Keep<'a> {
    /// The work directory before the step.
    pub(super) before: &'a Tree,
    /// It as it is now; nothing works in it.
    pub(super) work: &'a Path,
    /// The directory of layers.
    pub(super) store: &'a Path,
    /// The layer's own, below it.
    pub(super) layer: &'a Path,
    /// What the step declared.
    pub(super) inputs: &'a [RelPath],
    /// Becomes true when somebody wants it to end.
    pub(super) stop: &'a AtomicBool,
}

/// Writes a layer: whole and durable under its name, or not at all. One that is there is replaced.
pub(super) fn keep(job: &Keep<'_>) -> Result<(), LayerError> {
    let after = walk(job.work, job.stop)?;
    let changes = changes(job, &after)?;
    disk::make_directory(job.store)?;
    let new = tempfile::Builder::new()
        .prefix(disk::UNWRITTEN)
        .tempdir_in(job.store)
        .map_err(LayerError::at("write", job.store))?;
    write(job, &after, changes, new.path())?;
    disk::sync_filesystem(new.path())?;
    if job.layer.symlink_metadata().is_ok() {
        // It was damaged, not wanted, or another build was faster.
        disk::remove_tree(job.layer)?;
    }
    fs::rename(new.path(), job.layer).map_err(LayerError::at("write", job.layer))?;
    // It is at its name now: nothing is left to remove.
    let _moved: PathBuf = new.keep();
    disk::sync_directory(job.store)?;
    Ok(())
}

struct Changes {
    made: Vec<String>,
    removed: Vec<String>,
}

/// What the step made, changed and removed; refused where that is not its own.
fn changes(job: &Keep<'_>, after: &Tree) -> Result<Changes, LayerError> {
    let is_input = |path: &str| {
        let path = RelPath::parse(path);
        path.is_ok_and(|path| job.inputs.iter().any(|input| input.holds(&path)))
    };
    let own = |path: &String, verb: &str| match is_input(path) {
        true => Ok(path.clone()),
        false => Err(LayerError::Unfit(format!(
            "it {verb} {path}, which is none of its inputs"
        ))),
    };
    let mut made = Vec::new();
    for (path, look) in after {
        match job.before.get(path) {
            Some(before) if before == look => {}
            Some(_) => made.push(own(path, "changes")?),
            None => made.push(path.clone()),
        }
    }
    let gone = job.before.keys().filter(|path| !after.contains_key(*path));
    let removed = gone.map(|path| own(path, "removes"));
    Ok(Changes {
        made,
        removed: removed.collect::<Result<_, _>>()?,
    })
}

fn write(job: &Keep<'_>, after: &Tree, changes: Changes, new: &Path) -> Result<(), LayerError> {
    let mut manifest = Manifest {
        made: Vec::with_capacity(changes.made.len()),
        removed: changes.removed,
    };
    let mut all = 0_u64;
    for (number, path) in changes.made.into_iter().enumerate() {
        let source = job.work.join(&path);
        let kind = match &after[&path] {
            Look::Directory { mode } => Kind::Directory { mode: *mode },
            Look::Special => {
                let why = format!("it leaves {path}, which is no file, link or directory");
                return Err(LayerError::Unfit(why));
            }
            Look::Link(_) => {
                let target = fs::read_link(&source).map_err(LayerError::at("read", &source))?;
                let target = target.into_os_string().into_string();
                let unfit = |_| LayerError::Unfit(format!("{path} leads to no name in UTF-8"));
                Kind::Link {
                    target: target.map_err(unfit)?,
                }
            }
            Look::File(stamp) => {
                all = all.saturating_add(stamp.bytes);
                if all > MOST_BYTES {
                    let most = report::size(MOST_BYTES);
                    return Err(LayerError::Unfit(format!("it makes more than {most}")));
                }
                let content = Manifest::content(new, number);
                copy(&source, &content, job.stop)?;
                let mut digest = Sha256::new();
                let bytes = digest_file(&mut digest, &content, job.stop)?;
                let metadata = source.symlink_metadata();
                let modified = metadata.and_then(|metadata| metadata.modified());
                Kind::File {
                    number,
                    mode: stamp.mode,
                    bytes,
                    digest: hex(&digest.finalize()),
                    modified: nanoseconds(modified.map_err(LayerError::at("look at", &source))?),
                }
            }
        };
        manifest.made.push(Made { path, kind });
    }
    manifest.write(new)
}

/// Copies a file that is no link; the kernel shares its blocks where the file system can.
fn copy(from: &Path, to: &Path, stop: &AtomicBool) -> Result<(), LayerError> {
    if stop.load(Ordering::Relaxed) {
        return Err(LayerError::Stopped);
    }
    let mut source = File::open(from).map_err(LayerError::at("read", from))?;
    let failed = || LayerError::at("write", to);
    let mut target = File::create_new(to).map_err(failed())?;
    target
        .set_permissions(fs::Permissions::from_mode(0o600))
        .map_err(failed())?;
    io::copy(&mut source, &mut target).map_err(failed())?;
    Ok(())
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or_default()
}

/// Removes all but the layers that were used last, and what a death left half written.
pub(super) fn forget_old(
    store: &Path,
    most: usize,
    going: impl Fn(&Path) -> PathBuf,
) -> Result<(), LayerError> {
    for entry in disk::entries(store).map_err(LayerError::at("look at", store))? {
        let entry = entry.map_err(LayerError::at("look at", store))?;
        // Whoever writes here waits for its turn.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            disk::remove_tree(&entry.path())?;
        }
    }
    let mut layers = Vec::new();
    for name in names(store).map_err(LayerError::at("look at", store))? {
        let path = store.join(name);
        let used = path.metadata().and_then(|metadata| metadata.modified());
        layers.push((used.map_err(LayerError::at("look at", &path))?, path));
    }
    layers.sort_unstable_by(|one, other| other.cmp(one));
    for (_, path) in layers.into_iter().skip(most) {
        let gone = going(&path);
        fs::rename(&path, &gone).map_err(LayerError::at("remove", &path))?;
        disk::remove_tree(&gone)?;
    }
    Ok(())
}
