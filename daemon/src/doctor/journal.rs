//! Whether the journal outlives a reboot: it is the history that operators read.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use wharf_wire::view::Finding;

/// Where systemd's files are, what counts most first.
const DIRECTORIES: [&str; 3] = ["etc/systemd", "run/systemd", "usr/lib/systemd"];
/// More of a file than is looked at.
const MOST: u64 = 64 << 10;

/// Looks below a root directory, which is `/`; says nothing where systemd does not run.
pub(super) fn findings(root: &Path) -> Vec<Finding> {
    if !root.join("run/systemd/system").exists() {
        return Vec::new();
    }
    vec![judge(root)]
}

fn judge(root: &Path) -> Finding {
    let kept = root.join("var/log/journal");
    let storage = storage(root);
    let storage = storage.as_ref().map(|(word, file)| (word.as_str(), file));
    match storage {
        Some((word @ ("volatile" | "none"), file)) => {
            let what = match word {
                "none" => "nothing",
                _ => "everything until the next reboot only",
            };
            Finding::warning(
                "journal",
                format!(
                    "the journal keeps {what}: Storage={word} in {}",
                    file.display()
                ),
                "mkdir -p /etc/systemd/journald.conf.d && \
                 printf '[Journal]\\nStorage=persistent\\n' > /etc/systemd/journald.conf.d/zz-wharf.conf && \
                 systemctl restart systemd-journald",
            )
        }
        Some(("persistent", _)) => persistent(),
        _ if kept.is_dir() => persistent(),
        _ => Finding::warning(
            "journal",
            format!(
                "the journal is gone after a reboot: there is no {}",
                kept.display()
            ),
            "mkdir -p /var/log/journal && systemd-tmpfiles --create --prefix /var/log/journal && \
             journalctl --flush",
        ),
    }
}

fn persistent() -> Finding {
    Finding::good("journal", "the journal outlives a reboot")
}

/// What the files say of `Storage`, and which: the main file, then all drop-ins by their names.
fn storage(root: &Path) -> Option<(String, PathBuf)> {
    let at = |name: &str| DIRECTORIES.map(|directory| root.join(directory).join(name));
    let main = at("journald.conf").into_iter().find(|file| file.exists());
    let mut drop_ins = BTreeMap::new();
    for directory in at("journald.conf.d") {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        for path in entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "conf"))
        {
            // One in /etc takes the place of one of the same name elsewhere.
            drop_ins
                .entry(path.file_name().map(ToOwned::to_owned))
                .or_insert(path);
        }
    }
    let files = main.into_iter().chain(drop_ins.into_values());
    files.rev().find_map(|file| Some((said(&file)?, file)))
}

/// The last value that a file has for `Storage`.
fn said(file: &Path) -> Option<String> {
    let mut text = String::new();
    let opened = fs::File::open(file).ok()?;
    opened.take(MOST).read_to_string(&mut text).ok()?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let mut values = pairs.filter(|(key, _)| key.trim() == "Storage");
    let (_, value) = values.next_back()?;
    Some(value.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_wire::view::Severity;

    fn put(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_journal_that_does_not_last_is_named_with_the_file_that_says_so() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(findings(root), [], "without systemd there is none");
        fs::create_dir_all(root.join("run/systemd/system")).unwrap();
        let found = || findings(root).remove(0);
        put(
            root,
            "usr/lib/systemd/journald.conf",
            "[Journal]\n#Storage=persistent\n",
        );
        let volatile = found();
        assert_eq!(volatile.severity, Severity::Warning);
        assert!(
            volatile.message.ends_with("var/log/journal"),
            "{volatile:?}"
        );
        fs::create_dir_all(root.join("var/log/journal")).unwrap();
        assert_eq!(found().severity, Severity::Good);
        put(
            root,
            "etc/systemd/journald.conf",
            "[Journal]\nStorage=persistent\n",
        );
        put(
            root,
            "usr/lib/systemd/journald.conf.d/50-small.conf",
            "[Journal]\nStorage = volatile\n",
        );
        let said = found();
        assert!(said.message.contains("Storage=volatile in "), "{said:?}");
        put(
            root,
            "etc/systemd/journald.conf.d/60.conf",
            "[Journal]\nStorage=none\n",
        );
        assert!(found().message.contains("keeps nothing"));
        put(root, "etc/systemd/journald.conf.d/60.conf", "");
        put(root, "etc/systemd/journald.conf.d/50-small.conf", "");
        assert_eq!(found().severity, Severity::Good);
    }
}
