mod forged;

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::list::{Row, What};
use super::*;
use crate::execute::slug_key::{Ingredients, hex};
use crate::settings::PROTECTED;

fn ingredients() -> Ingredients {
    Ingredients {
        format: FORMAT,
        tree: "4b825dc642cb6eb9a060e54bf8d69288fbee4904".into(),
        patches: vec![],
        steps: vec!["make".into()],
        assets: vec![],
        mounts: vec![],
        runtimes: [].into(),
        variables: [].into(),
        secrets: [].into(),
        trust_domain: PROTECTED.into(),
    }
}

struct Slug {
    home: tempfile::TempDir,
}

impl Slug {
    fn new() -> Slug {
        let home = tempfile::tempdir().unwrap();
        let slug = Slug { home };
        for directory in ["scratch", "slug/a/deep", "slug/empty"] {
            fs::create_dir_all(slug.path(directory)).unwrap();
        }
        let long = format!("slug/a/{}", "n".repeat(200));
        for (path, content, mode) in [
            ("slug/a/deep/x", "1234567890", 0o644),
            ("slug/a.b", "", 0o444),
            ("slug/bin", "#!/bin/sh\n", 0o755),
            (&long, "long", 0o600),
        ] {
            fs::write(slug.path(path), content).unwrap();
            slug.chmod(path, mode);
        }
        for directory in ["slug", "slug/a", "slug/a/deep", "slug/empty"] {
            slug.chmod(directory, 0o755);
        }
        symlink("./deep//x", slug.path("slug/a/link")).unwrap();
        symlink(format!("/{}", "t".repeat(300)), slug.path("slug/far")).unwrap();
        slug
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn export(&self) -> Vec<u8> {
        let (slug, stop) = (self.path("slug"), CancellationToken::new());
        let survey = survey(&slug, &self.path("scratch"), &stop).unwrap();
        let header = Header {
            archive: VERSION,
            project: "shop".into(),
            commit: None,
            key: ingredients().key(),
            ingredients: ingredients(),
            digest: survey.digest.clone(),
            entries: survey.entries,
            files: survey.files,
            bytes: survey.bytes,
        };
        let mut out = Vec::new();
        write(&mut out, &slug, &header, survey, &stop).unwrap();
        out
    }

    fn import(&self, archive: impl Read) -> Result<Unpacked, ArchiveError> {
        let scratch = self.path("scratch");
        unpack(archive, &scratch, &scratch.join("new"), |_| Go::On)
    }

    /// Why an archive is refused; all that it was to be stays below its directory.
    fn why(&self, archive: &[u8]) -> (&'static str, String) {
        let before = listing(self.home.path(), "scratch/new");
        let error = self.import(archive).unwrap_err();
        assert_eq!(listing(self.home.path(), "scratch/new"), before);
        let new = self.path("scratch/new");
        if new.exists() {
            fs::remove_dir_all(new).unwrap();
        }
        (error.code(), error.to_string())
    }
}

/// Every path below a directory but one.
fn listing(top: &Path, but: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![top.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path == top.join(but) {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                waiting.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_written_is_read_again() {
    let slug = Slug::new();
    let archive = slug.export();
    assert_eq!(archive, Slug::new().export());
    let Unpacked::Whole(header) = slug.import(&archive[..]).unwrap() else {
        panic!("all of it was wanted");
    };
    assert_eq!((header.entries, header.files), (9, 6));
    let relative = |top: &str| {
        let top = slug.path(top);
        let all = listing(&top, "-").into_iter().map(move |path| {
            let metadata = path.symlink_metadata().unwrap();
            let content = match (metadata.is_symlink(), metadata.is_dir()) {
                (true, _) => fs::read_link(&path).unwrap().display().to_string(),
                (_, true) => String::new(),
                _ => fs::read_to_string(&path).unwrap(),
            };
            let mode = metadata.permissions().mode();
            (path.strip_prefix(&top).unwrap().to_owned(), mode, content)
        });
        all.collect::<Vec<_>>()
    };
    assert_eq!(relative("scratch/new"), relative("slug"));
    let stop = CancellationToken::new();
    let again = survey(&slug.path("scratch/new"), &slug.path("scratch"), &stop).unwrap();
    assert_eq!(again.digest, header.digest);
    assert_eq!(fs::read_dir(slug.path("scratch")).unwrap().count(), 1);
}

#[test]
fn the_list_stands_first_and_says_each_file() {
    let archive = Slug::new().export();
    let mut archive = tar::Archive::new(&archive[..]);
    let mut entries = archive.entries().unwrap();
    let mut list = String::new();
    let mut first = entries.next().unwrap().unwrap();
    first.read_to_string(&mut list).unwrap();
    let rows: Vec<Row> = list
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let paths: Vec<&str> = rows.iter().map(|row| row.path.as_str()).collect();
    let long = format!("a/{}", "n".repeat(200));
    let walked = [
        "a", "a/deep", "a/deep/x", "a/link", &long, "a.b", "bin", "empty", "far",
    ];
    assert_eq!(paths, walked);
    assert_eq!(
        rows[2].is,
        What::File {
            mode: 0o644,
            bytes: 10,
            digest: hex(&Sha256::digest("1234567890")),
        }
    );
    for entry in entries {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!(header.mtime().unwrap(), TIME);
        assert_eq!(header.username_bytes(), Some(&b""[..]));
    }
}

#[test]
fn what_is_not_wanted_is_not_read() {
    let slug = Slug::new();
    let archive = slug.export();
    let scratch = slug.path("scratch");
    let unpacked = unpack(&archive[..], &scratch, &scratch.join("new"), |_| Go::No);
    assert!(matches!(unpacked.unwrap(), Unpacked::Unwanted(_)));
    assert_eq!(fs::read_dir(scratch).unwrap().count(), 0);
}

#[test]
fn an_archive_that_ends_early_is_refused_wherever_it_ends() {
    let slug = Slug::new();
    let archive = slug.export();
    // The last block of the end may be missing: tar itself writes one only at times.
    for length in (0..archive.len() - 1024).step_by(97) {
        let (code, why) = slug.why(&archive[..length]);
        let is_fit = ["archive-damaged", "archive-refused"].contains(&code);
        assert!(is_fit, "{length}: {code} {why}");
    }
}

#[test]
fn no_byte_of_a_file_may_change() {
    let slug = Slug::new();
    let archive = slug.export();
    let at = |text: &str| {
        let mut windows = archive.windows(text.len());
        windows.rposition(|part| part == text.as_bytes()).unwrap()
    };
    let mut changed = archive.clone();
    changed[at("1234567890") + 3] = b'X';
    assert_eq!(
        slug.why(&changed),
        (
            "archive-damaged",
            "a/deep/x in the archive is damaged: its content has another digest".into()
        )
    );
    let mut longer = archive.clone();
    longer.extend_from_slice(&[0; 512]);
    assert!(slug.import(&longer[..]).is_ok());
    fs::remove_dir_all(slug.path("scratch/new")).unwrap();
    longer.push(1);
    assert_eq!(
        slug.why(&longer),
        (
            "archive-refused",
            "this is no archive of a slug: something follows its end".into()
        )
    );
}
