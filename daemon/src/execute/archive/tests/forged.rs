//! Archives as somebody makes them who means ill.

use tar::{Builder, EntryType, Header as TarHeader};

use super::*;

/// An archive as somebody makes it who means ill.
struct Forged {
    header: serde_json::Value,
    rows: Vec<(String, What)>,
    entries: Vec<(String, EntryType, u32, &'static str)>,
}

impl Forged {
    /// One directory with one file, and all of it as it should be.
    fn new() -> Forged {
        let mut forged = Forged {
            header: serde_json::Value::Null,
            rows: vec![],
            entries: vec![],
        };
        forged.add("d", EntryType::Directory, 0o755, "");
        forged.add("d/f", EntryType::Regular, 0o644, "content");
        forged.header = serde_json::json!({
            "archive": VERSION, "project": "shop", "commit": null,
            "key": ingredients().key(), "ingredients": ingredients(),
            "digest": forged.digest(), "entries": 2, "files": 1, "bytes": 7,
        });
        forged
    }

    fn add(&mut self, path: &str, kind: EntryType, mode: u32, content: &'static str) {
        let is = match kind {
            EntryType::Directory => What::Directory { mode },
            EntryType::Symlink => What::Link {
                target: content.into(),
            },
            _ => What::File {
                mode,
                bytes: content.len() as u64,
                digest: hex(&Sha256::digest(content)),
            },
        };
        self.rows.push((path.into(), is));
        self.entries
            .push((format!("app/{path}"), kind, mode, content));
    }

    /// As a whole slug, with the right counts and digest.
    fn counted(mut self) -> Forged {
        self.header["entries"] = self.rows.len().into();
        let files = self
            .entries
            .iter()
            .filter(|entry| entry.1 != EntryType::Directory);
        self.header["files"] = files.clone().count().into();
        let bytes: usize = files.map(|entry| entry.3.len()).sum();
        self.header["bytes"] = bytes.into();
        self.header["digest"] = self.digest().into();
        self
    }

    fn digest(&self) -> String {
        let mut digest = crate::execute::freeze::digest::SlugDigest::default();
        for ((path, is), entry) in self.rows.iter().zip(&self.entries) {
            let path = path.as_bytes();
            match is {
                What::Directory { mode } => digest.directory(path, *mode),
                What::Link { target } => digest.link(path, target.as_bytes()),
                What::File { mode, bytes, .. } => {
                    digest.file(path, *mode, *bytes);
                    digest.content(entry.3.as_bytes());
                }
            }
        }
        digest.finish()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut list = serde_json::to_vec(&self.header).unwrap();
        for (path, is) in &self.rows {
            let row = serde_json::json!({ "path": path, "is": is });
            list.push(b'\n');
            list.extend(serde_json::to_vec(&row).unwrap());
        }
        list.push(b'\n');
        let mut out = Builder::new(Vec::new());
        append(&mut out, LIST, EntryType::Regular, 0o644, &list);
        for (path, kind, mode, content) in &self.entries {
            append(&mut out, path, *kind, *mode, content.as_bytes());
        }
        out.into_inner().unwrap()
    }
}

/// Writes an entry whatever its name is, as no crate would.
fn append(out: &mut Builder<Vec<u8>>, path: &str, kind: EntryType, mode: u32, content: &[u8]) {
    let mut header = TarHeader::new_gnu();
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
    let content = match is_link {
        true => {
            header.set_link_name_literal(content).unwrap();
            &[]
        }
        false => content,
    };
    header.set_size(content.len() as u64);
    header.set_cksum();
    out.append(&header, content).unwrap();
}

#[test]
fn what_is_forged_is_refused_by_name() {
    use EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink};
    type Forge = fn(&mut Forged);
    let slug = Slug::new();
    assert!(slug.import(&Forged::new().bytes()[..]).is_ok());
    fs::remove_dir_all(slug.path("scratch/new")).unwrap();
    let table: [(Forge, &str, &str); 28] = [
        (
            |f| f.add("../out", Regular, 0o644, "x"),
            "archive-refused",
            "../out in the archive leads out of the slug",
        ),
        (
            |f| f.add("d/../../out", Regular, 0o644, "x"),
            "archive-refused",
            "d/../../out in the archive leads out of the slug",
        ),
        (
            |f| f.add("/out", Regular, 0o644, "x"),
            "archive-refused",
            "/out in the archive is an absolute path",
        ),
        (
            |f| f.add("e//x", Regular, 0o644, "x"),
            "archive-refused",
            "e//x in the archive is no path",
        ),
        (
            |f| f.entries[1].0 = "app/../../out".into(),
            "archive-refused",
            "app/../../out in the archive stands where its list has app/d/f",
        ),
        (
            |f| f.entries[1].0 = "/out".into(),
            "archive-refused",
            "/out in the archive stands where its list has app/d/f",
        ),
        (
            |f| f.entries[1].0 = "manifest.jsonl".into(),
            "archive-refused",
            "manifest.jsonl in the archive stands where its list has app/d/f",
        ),
        (
            |f| {
                f.add("l", Symlink, 0o777, "/tmp");
                f.add("l/out", Regular, 0o644, "x")
            },
            "archive-refused",
            "l/out in the archive lies in l, which is no directory of it",
        ),
        (
            |f| f.add("none/x", Regular, 0o644, "x"),
            "archive-refused",
            "none/x in the archive lies in none, which is no directory of it",
        ),
        (
            |f| f.add("d/f/x", Regular, 0o644, "x"),
            "archive-refused",
            "d/f/x in the archive lies in d/f, which is no directory of it",
        ),
        (
            |f| f.add("x", Char, 0o644, ""),
            "archive-refused",
            "app/x in the archive is a device",
        ),
        (
            |f| f.add("x", Block, 0o644, ""),
            "archive-refused",
            "app/x in the archive is a device",
        ),
        (
            |f| f.add("x", Fifo, 0o644, ""),
            "archive-refused",
            "app/x in the archive is a named pipe",
        ),
        (
            |f| f.add("x", Link, 0o644, "app/d/f"),
            "archive-refused",
            "app/x in the archive is a hard link",
        ),
        (
            |f| f.add("x", Regular, 0o4755, "x"),
            "archive-refused",
            "x in the archive is setuid or setgid (mode 4755)",
        ),
        (
            |f| f.add("x", Directory, 0o2755, ""),
            "archive-refused",
            "x in the archive is setuid or setgid (mode 2755)",
        ),
        (
            |f| f.add("x", Regular, 0o200, "x"),
            "archive-refused",
            "x in the archive has mode 200, which no slug has",
        ),
        (
            |f| f.entries[1].2 = 0o4644,
            "archive-refused",
            "app/d/f in the archive has not the type, mode, size or target that its list says",
        ),
        (
            |f| f.entries[1].1 = Symlink,
            "archive-refused",
            "app/d/f in the archive has not the type, mode, size or target that its list says",
        ),
        (
            |f| f.entries[1].3 = "content and more",
            "archive-refused",
            "app/d/f in the archive has not the type, mode, size or target that its list says",
        ),
        (
            |f| f.add("d/f", Regular, 0o644, "x"),
            "archive-refused",
            "d/f in the archive is there twice",
        ),
        (
            |f| f.add("a", Regular, 0o644, "x"),
            "archive-refused",
            "a in the archive does not belong after d/f",
        ),
        (
            |f| f.entries.push(("app/more".into(), Regular, 0o644, "x")),
            "archive-refused",
            "app/more in the archive is not in its list",
        ),
        (
            |f| drop(f.entries.pop()),
            "archive-damaged",
            "the archive ends too early, before d/f",
        ),
        (
            |f| f.add("x", Symlink, 0o777, ""),
            "archive-refused",
            "x in the archive is a link to nowhere",
        ),
        (
            |f| f.rows.push((".".into(), What::Directory { mode: 0o755 })),
            "archive-refused",
            ". in the archive is no path",
        ),
        (|f| f.add(&"x".repeat(90), Regular, 0o666, "x"), "", ""),
        (
            |f| f.add("x", EntryType::Continuous, 0o644, "x"),
            "archive-refused",
            "app/x in the archive is no file, directory or link",
        ),
    ];
    for (forge, code, why) in table {
        let mut forged = Forged::new();
        forge(&mut forged);
        let bytes = forged.counted().bytes();
        if code.is_empty() {
            assert!(slug.import(&bytes[..]).is_ok());
            fs::remove_dir_all(slug.path("scratch/new")).unwrap();
            continue;
        }
        assert_eq!(slug.why(&bytes), (code, why.to_owned()));
    }
}

#[test]
fn what_an_archive_says_of_itself_is_held_against_it() {
    type Forge = fn(&mut serde_json::Value);
    let slug = Slug::new();
    let table: [(Forge, &str, &str); 13] = [
        (
            |h| h["archive"] = 9.into(),
            "archive-version",
            "the archive has version 9, and this Wharf reads 1",
        ),
        (
            |h| h["new"] = 9.into(),
            "archive-refused",
            "this is no archive of a slug: the first line of its list cannot be read: unknown field `new`",
        ),
        (
            |h| h["ingredients"]["format"] = 1.into(),
            "archive-version",
            "the archive's slug has format 1, and this Wharf makes 2",
        ),
        (
            |h| h["ingredients"]["tree"] = "0".repeat(40).into(),
            "archive-key",
            "the archive says that its slug is",
        ),
        (
            |h| h["key"] = "0".repeat(64).into(),
            "archive-key",
            "the archive says that its slug is 000000",
        ),
        (
            |h| h["key"] = "../../x".into(),
            "archive-refused",
            "this is no archive of a slug: the first line",
        ),
        (
            |h| h["digest"] = "0".repeat(64).into(),
            "archive-damaged",
            "the archive's files make another digest than it names",
        ),
        (
            |h| h["digest"] = "x".into(),
            "archive-refused",
            "this is no archive of a slug: its list names no digest",
        ),
        (
            |h| h["project"] = "../x".into(),
            "archive-refused",
            "this is no archive of a slug: its list names no project",
        ),
        (
            |h| h["commit"] = "main".into(),
            "archive-refused",
            "this is no archive of a slug: its list names no commit",
        ),
        (
            |h| h["bytes"] = (11_u64 << 30).into(),
            "archive-too-large",
            "the archive's slug is too large: more than 10737418240 bytes",
        ),
        (
            |h| h["bytes"] = 6.into(),
            "archive-too-large",
            "the archive's slug is too large: more than 6 bytes, as it says",
        ),
        (
            |h| h["entries"] = 3.into(),
            "archive-refused",
            "this is no archive of a slug: its list has not as many entries as it says",
        ),
    ];
    for (forge, code, why) in table {
        let mut forged = Forged::new();
        forge(&mut forged.header);
        let (found, said) = slug.why(&forged.bytes());
        assert!(found == code && said.starts_with(why), "{found} {said}");
    }
}

#[test]
fn what_claims_to_be_endless_is_not_read() {
    let slug = Slug::new();
    // A name of two gigabytes, which the crate would keep in memory.
    let mut out = Builder::new(Vec::new());
    let mut header = TarHeader::new_gnu();
    header.as_gnu_mut().unwrap().name[..13].copy_from_slice(b"././@LongLink");
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(2 << 30);
    header.set_cksum();
    out.get_mut().extend_from_slice(header.as_bytes());
    let start = out.into_inner().unwrap();
    let start = &start[..512];
    let (code, why) = slug
        .import(start.chain(std::io::repeat(b'x')))
        .map_err(|error| (error.code(), error.to_string()))
        .unwrap_err();
    assert_eq!(code, "archive-refused");
    assert_eq!(
        why,
        "this is no archive of a slug: a header of it has no end"
    );

    let mut out = Builder::new(Vec::new());
    let mut header = TarHeader::new_gnu();
    header.set_path(LIST).unwrap();
    header.set_size(2 << 30);
    header.set_cksum();
    out.get_mut().extend_from_slice(header.as_bytes());
    let list = out.into_inner().unwrap();
    let (code, _) = slug.why(&list[..512]);
    assert_eq!(code, "archive-too-large");

    for junk in [&b""[..], b"hello", &[0; 4096], &[b'x'; 4096]] {
        let (code, why) = slug.why(junk);
        assert!(code.starts_with("archive-"), "{code} {why}");
    }
}
