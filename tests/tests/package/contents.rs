//! What is in the package.

use std::process::Command;

use wharf_tests::run;

use crate::package;

#[test]
fn the_package_has_all_parts() {
    let list = run(Command::new("dpkg-deb").arg("--contents").arg(package()))
        .ok()
        .out;
    let files: Vec<(&str, &str)> = list
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(fields[1], "0/0", "{line}");
            (fields[0], fields[5])
        })
        .collect();
    for (mode, path) in [
        ("-rwxr-xr-x", "./usr/bin/wharf"),
        ("-rwxr-xr-x", "./usr/bin/wharfd"),
        ("-rwxr-xr-x", "./usr/bin/wharf-pre-receive"),
        ("-rw-r--r--", "./etc/wharf/wharfd.toml"),
        ("-rw-r--r--", "./usr/lib/systemd/system/wharfd.socket"),
        (
            "-rw-r--r--",
            "./usr/lib/systemd/system/wharf-helper.service",
        ),
        ("-rw-r--r--", "./usr/lib/sysusers.d/wharf.conf"),
        ("-rw-r--r--", "./usr/lib/tmpfiles.d/wharf.conf"),
        ("-rw-r--r--", "./usr/lib/systemd/catalog/wharf.catalog"),
        ("-rw-r--r--", "./usr/share/man/man1/wharf-project-add.1.gz"),
        ("-rw-r--r--", "./usr/share/man/man1/wharfd.1.gz"),
        (
            "-rw-r--r--",
            "./usr/share/bash-completion/completions/wharf",
        ),
        ("-rw-r--r--", "./usr/share/zsh/vendor-completions/_wharf"),
        (
            "-rw-r--r--",
            "./usr/share/fish/vendor_completions.d/wharf.fish",
        ),
        ("-rw-r--r--", "./usr/share/doc/wharf/docs/sysadmin.md"),
        (
            "-rwxr-xr-x",
            "./usr/share/doc/wharf/examples/shop/bin/migrate",
        ),
        ("-rw-r--r--", "./usr/share/wharf/bubblewrap.conf"),
    ] {
        assert!(files.contains(&(mode, path)), "{mode} {path}:\n{list}");
    }
    let others = files.iter().filter(|(mode, path)| {
        mode.contains('w')
            && (mode[4..].contains('w') || (mode.starts_with('-') && path.starts_with("./var")))
    });
    assert_eq!(others.count(), 0, "{list}");
}

#[test]
fn debian_s_own_judge_finds_nothing() {
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--fail-on", "error,warning"]);
    let said = run(lintian.arg(package())).ok();
    assert_eq!(said.out, "");
}
