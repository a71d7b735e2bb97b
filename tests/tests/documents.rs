//! What lies beside the code is held to it: links, units, the README's transcript.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The workspace's directory.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the workspace")
}

/// Every Markdown file that people are led to.
fn pages() -> Vec<PathBuf> {
    let mut directories = vec![
        root().to_owned(),
        root().join("docs"),
        root().join("systemd"),
    ];
    directories.push(root().join("examples"));
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        directories.push(entry.unwrap().path());
    }
    directories
        .into_iter()
        .filter(|path| path.is_dir())
        .flat_map(|directory| fs::read_dir(directory).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

#[test]
fn relative_links_lead_somewhere() {
    let mut links = 0;
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            links += 1;
            if !page.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(links > 10, "links are found at all");
    assert!(broken.is_empty(), "not there:\n{}", broken.join("\n"));
}

/// The first string literal behind each of the ways in which the code names an error's code.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    [
        "Failure::new(",
        "missing(",
        "code: \"",
        "said.add(",
        "codes.insert(",
        "Problem::new(",
        "finding(",
    ]
    .into_iter()
    .flat_map(move |marker| text.split(marker).skip(1).map(move |rest| (marker, rest)))
    .filter_map(|(marker, rest)| {
        if marker.ends_with('"') {
            return rest.split('"').next();
        }
        let call = &rest[..rest.find(')').unwrap_or(rest.len())];
        call.split('"').skip(1).step_by(2).find(|word| {
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        })
    })
}

#[test]
fn every_error_code_is_listed() {
    let listed = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let mut found = 0;
    let mut missing = Vec::new();
    for (path, text) in sources(&root().join("daemon/src")) {
        for code in codes(&text) {
            found += 1;
            if !listed.contains(&format!("| `{code}` |")) {
                missing.push(format!("{}: {code}", path.display()));
            }
        }
    }
    assert!(found > 20, "codes are found at all");
    assert!(
        missing.is_empty(),
        "not in docs/errors.md:\n{}",
        missing.join("\n")
    );
}

#[test]
fn the_page_of_codes_is_made_from_the_catalogue() {
    let file = root().join("docs/errors.md");
    let page = fs::read_to_string(&file).unwrap();
    let (head, rest) = page.split_once("| Code | What happened").unwrap();
    let (table, tail) = rest.split_once("\n\n").unwrap();
    let made = wharf_daemon::catalogue::page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, format!("{head}{made}\n{tail}")).unwrap();
        return;
    }
    assert_eq!(
        format!("| Code | What happened{table}\n"),
        made,
        "see the page's first lines"
    );
}

#[test]
fn the_journal_s_catalog_is_made_from_the_code() {
    let file = root().join("systemd/wharf.catalog");
    let made = wharf_daemon::journal::catalog();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, made).unwrap();
        return;
    }
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        made,
        "UPDATE_DOCS=1 makes it anew"
    );
}

/// The rows of a page's table, held against what they are made from.
fn table_is(page: &str, start: &str, made: &str) {
    let file = root().join(page);
    let text = fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once(start).unwrap();
    let (table, tail) = rest.split_once("\n\n").unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, format!("{head}{start}{made}\n{tail}")).unwrap();
        return;
    }
    assert_eq!(format!("{table}\n"), made, "UPDATE_DOCS=1 makes it anew");
}

/// What is open and why is said where the probes are, and held by what they find; what is tried by
/// those who mean ill is said where the test program `hostile` has it from.
#[test]
fn the_page_of_isolation_has_every_probe_and_every_hostility() {
    let probes = wharf_tests::PROBES
        .iter()
        .map(|probe| format!("| {} | {} | {} |\n", probe.name, probe.tries, probe.said()));
    let start = "| Probe | What it tries | In bubblewrap and in units |\n|---|---|---|\n";
    table_is("docs/isolation.md", start, &probes.collect::<String>());
    let hostilities = wharf_tests::HOSTILITIES.iter().map(|one| one.row());
    let start = "| Test | Class | What it tries | What comes of it |\n|---|---|---|---|\n";
    table_is("docs/isolation.md", start, &hostilities.collect::<String>());
}

#[test]
fn every_code_of_the_catalogue_is_used() {
    let sources = sources(&root().join("daemon/src"));
    for entry in wharf_daemon::catalogue::ALL {
        let quoted = format!("\"{}\"", entry.code);
        let is_there = sources
            .iter()
            .any(|(path, text)| !path.ends_with("catalogue.rs") && text.contains(&quoted));
        assert!(is_there, "{} is used nowhere", entry.code);
    }
}

/// Every Rust file below a directory, without its tests.
fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            found.push((path, text.to_owned()));
        }
    }
    found
}

#[test]
fn the_readme_shows_a_real_push() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(
        !readme.contains("TRANSCRIPT"),
        "README.md still has its placeholder"
    );
    assert!(
        readme.contains("remote: success:"),
        "README.md shows a push"
    );
}

/// `systemd-analyze` reads the units as systemd would, where it is installed.
#[test]
fn units_are_valid() {
    let directory = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for entry in fs::read_dir(root().join("systemd")).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let Some(kind @ ("service" | "socket")) = extension else {
            continue;
        };
        // The check wants the programs to exist; nothing is installed where tests run.
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            kind == "socket" || text.contains("=/usr/bin/wharf"),
            "{} starts something of ours",
            path.display()
        );
        let unit = directory.path().join(path.file_name().unwrap());
        let text = text
            .lines()
            .map(|line| match line.split_once("=/usr/bin/wharf") {
                Some((key, rest)) => {
                    let arguments = rest.split_once(' ').unwrap_or_default().1;
                    format!("{key}=/bin/true {arguments}\n")
                }
                None => format!("{line}\n"),
            });
        fs::write(&unit, text.collect::<String>()).unwrap();
        units.push(unit);
    }
    assert!(units.len() >= 2, "units are found at all");
    let checked = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(&units)
        .output();
    let Ok(output) = checked else {
        println!("no systemd-analyze here: the units are not checked");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let about_ours: Vec<&str> = said.lines().filter(|line| line.contains("wharf")).collect();
    assert!(output.status.success() && about_ours.is_empty(), "{said}");
}

#[test]
fn scripts_are_bash_without_mistakes() {
    let mut scripts: Vec<PathBuf> = fs::read_dir(root().join("scripts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sh"))
        .collect();
    scripts.push(root().join(".ci/run"));
    for script in scripts {
        let output = Command::new("bash")
            .arg("-n")
            .arg(&script)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Two pages are what people read in the tests of the same names in `tests/tests/ssh`.
#[test]
fn stories_are_told_as_they_were_seen() {
    for name in ["story", "shop"] {
        told_as_seen(name);
    }
}

fn told_as_seen(name: &str) {
    let snapshot = root().join(format!("tests/tests/ssh/snapshots/{name}.snap"));
    let snapshot = fs::read_to_string(snapshot).unwrap();
    let told = snapshot.splitn(3, "---\n").nth(2).unwrap();
    let mut page = String::new();
    for chapter in told.split("# ").skip(1) {
        let (title, lines) = chapter.split_once('\n').unwrap();
        page.push_str(&format!(
            "\n## {title}\n\n```console\n{}\n```\n",
            lines.trim()
        ));
    }
    let file = root().join(format!("docs/{name}.md"));
    let whole = fs::read_to_string(&file).unwrap();
    let (head, tail) = whole.split_once("\n## ").unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, format!("{head}{page}")).unwrap();
        return;
    }
    assert_eq!(format!("\n## {tail}"), page, "see the page's first lines");
}
