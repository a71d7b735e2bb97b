//! Looks an archive through before anything is touched: its form, each name in it, and its digest.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::{Component, Path};

use sha2::{Digest as _, Sha256};
use tar::{Archive, EntryType};

use super::{CONFIG, DATABASE, END, End, FORM, MANIFEST, Manifest, OURS, STATE, WholeError};
use crate::disk::at;
use crate::store::migrate::VERSION;
use crate::store::paths::Paths;

/// A good archive.
#[derive(Debug)]
pub struct Looked {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What its files take.
    pub bytes: u64,
}

/// Reads an archive whole. Blocks.
///
/// # Errors
/// What is wrong with it.
pub fn look(path: &Path, paths: &Paths) -> Result<Looked, WholeError> {
    let bad = |why: String| WholeError::Bad {
        path: path.to_owned(),
        why,
    };
    let mut file = File::open(path).map_err(at("open", path))?;
    if !file.metadata().map_err(at("look at", path))?.is_file() {
        return Err(bad("it is not a regular file".to_owned()));
    }
    let (looked, end, at_byte) = entries(&file, paths).map_err(bad)?;
    file.rewind().map_err(at("read", path))?;
    let mut digest = Sha256::new();
    let mut before = BufReader::with_capacity(1 << 16, file).take(at_byte);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match before.read(&mut buffer).map_err(at("read", path))? {
            0 => break,
            read => digest.update(&buffer[..read]),
        }
    }
    match data_encoding::HEXLOWER.encode(&digest.finalize()) == end.digest {
        true => Ok(looked),
        false => Err(bad("it is damaged: its digest is another one".to_owned())),
    }
}

/// Goes through the entries; where the last one begins.
fn entries(file: &File, paths: &Paths) -> Result<(Looked, End, u64), String> {
    let unread = |error: std::io::Error| format!("it is no whole tar archive: {error}");
    let mut archive = Archive::new(file);
    let (mut manifest, mut bytes, mut count, mut end) = (None, 0_u64, 0_u64, None);
    let mut has_database = false;
    for entry in archive.entries_with_seek().map_err(unread)? {
        let mut entry = entry.map_err(unread)?;
        let name = entry.path().map_err(unread)?.into_owned();
        if end.is_some() {
            return Err("something follows its end".to_owned());
        }
        let mut ours = String::new();
        let mut read_ours = |entry: &mut tar::Entry<'_, _>| {
            let read = std::io::Read::take(entry, OURS).read_to_string(&mut ours);
            read.map(|_| ours.clone()).map_err(unread)
        };
        if manifest.is_none() {
            if name != Path::new(MANIFEST) {
                return Err("it is no backup of Wharf's: no manifest stands first".to_owned());
            }
            manifest = Some(read_manifest(&read_ours(&mut entry)?)?);
        } else if name == Path::new(END) {
            let begins = entry.raw_header_position();
            let read: Result<End, _> = serde_json::from_str(&read_ours(&mut entry)?);
            let read = read.map_err(|error| format!("its end cannot be read: {error}"))?;
            end = Some((read, begins));
            continue;
        } else {
            is_good(&name, entry.header().entry_type(), paths)?;
            has_database |= name == Path::new(DATABASE);
            bytes = bytes.saturating_add(entry.size());
        }
        count += 1;
    }
    let manifest = manifest.ok_or("it is empty")?;
    let (end, begins) = end.ok_or("it is not whole: its end is missing")?;
    if end.entries != count {
        return Err(format!("it has {count} entries, and had {}", end.entries));
    }
    if !has_database {
        return Err("no database is in it".to_owned());
    }
    Ok((Looked { manifest, bytes }, end, begins))
}

fn read_manifest(text: &str) -> Result<Manifest, String> {
    #[derive(serde::Deserialize)]
    struct Form {
        backup: u32,
        wharf: String,
    }
    let unread = |error| format!("its manifest cannot be read: {error}");
    let form: Form = serde_json::from_str(text).map_err(unread)?;
    if form.backup != FORM {
        let (found, wharf) = (form.backup, form.wharf);
        return Err(format!(
            "Wharf {wharf} wrote it in form {found}, this one reads {FORM}"
        ));
    }
    let manifest: Manifest = serde_json::from_str(text).map_err(unread)?;
    if manifest.schema > VERSION {
        return Err(format!(
            "a newer Wharf ({}) wrote it: install that release",
            manifest.wharf
        ));
    }
    Ok(manifest)
}

/// Only what we write: below a known directory, and nothing but files, directories and links.
fn is_good(name: &Path, kind: EntryType, paths: &Paths) -> Result<(), String> {
    let shown = name.display();
    let is_plain = name
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let of_state = || {
        let known = paths.backed_up();
        let mut known = known.iter().filter_map(|path| path.file_name());
        let part = name.components().nth(1).map(|part| part.as_os_str());
        known.any(|known| Some(known) == part) && name.components().nth(2).is_some()
    };
    let is_database = name == Path::new(DATABASE);
    let is_known = match name.components().next() {
        Some(Component::Normal(first)) if first == CONFIG => name.components().nth(1).is_some(),
        Some(Component::Normal(first)) if first == STATE => of_state() || is_database,
        _ => false,
    };
    if !is_plain || !is_known {
        return Err(format!("no backup of Wharf's has a path like {shown}"));
    }
    match kind {
        EntryType::Regular => Ok(()),
        EntryType::Directory | EntryType::Symlink if !is_database => Ok(()),
        _ => Err(format!("{shown} is no file, directory or link")),
    }
}
