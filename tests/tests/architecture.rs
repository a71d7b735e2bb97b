//! Holds the absences of `docs/ARCHITECTURE.md`, by reading the source tree and cargo's own view of
//! what depends on what.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod tree;

use std::{fs, path::Path, process::Command};

use tree::{Source, crates, root, sources};

/// Names of everything that is linked into a package.
fn dependencies(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--edges",
            "normal,no-proc-macro",
        ])
        .args(["--prefix", "none", "--format", "{p}", "--package", package])
        .current_dir(root())
        .output()
        .expect("cargo runs this test, so it can be started");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<String> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect();
    assert!(
        names.iter().any(|name| name == package),
        "cargo tree lists the package itself"
    );
    names
}

/// Fails if anything for which `refused` holds is linked into `package`.
fn links_none(package: &str, refused: impl Fn(&str) -> bool) {
    let found: Vec<String> = dependencies(package)
        .into_iter()
        .filter(|name| refused(name))
        .collect();
    assert!(found.is_empty(), "{package} depends on {found:?}");
}

/// Fails if a source file names one of the `refused` paths, or anything below one.
fn names_none(files: &[Source], refused: &[&str]) {
    let found: Vec<String> = files
        .iter()
        .flat_map(|file| file.paths().into_iter().map(move |path| (file, path)))
        .filter(|(_, path)| refused.iter().any(|refused| tree::is_below(path, refused)))
        .map(|(file, path)| format!("{} names {path}", file.name()))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn hooks_know_no_runtime_no_git_library_and_no_configuration() {
    links_none("wharf-hooks", |name| {
        name == "tokio" || name == "wharf-config" || name == "toml" || name.starts_with("gix")
    });
}

/// git starts them twice a push. Without `make build` there are none to look at.
#[test]
fn hooks_are_small_and_static() {
    let Some(programs) = std::env::var_os("WHARF_BIN") else {
        println!("WHARF_BIN is not set: the hooks are not looked at");
        return;
    };
    for name in [
        "wharf-pre-receive",
        "wharf-proc-receive",
        "wharf-post-receive",
    ] {
        let program = Path::new(&programs).join(name);
        let bytes = fs::read(&program).unwrap();
        assert!(bytes.len() < 1 << 20, "{name} has {} bytes", bytes.len());
        let output = Command::new("ldd").arg(&program).output();
        if let Ok(output) = output {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            let is_static = said.contains("statically linked") || said.contains("not a dynamic");
            assert!(is_static, "{name} loads {said}");
        }
    }
}

#[test]
fn wire_config_and_sandbox_are_leaves() {
    for leaf in [
        "wharf-wire",
        "wharf-config",
        "wharf-fastcgi",
        "wharf-sandbox",
    ] {
        links_none(leaf, |name| name.starts_with("wharf-") && name != leaf);
    }
}

#[test]
fn the_plan_is_pure() {
    let libraries = ["tokio", "gix", "nix", "rustix", "rusqlite", "tempfile"];
    let effects = [
        "std::fs",
        "std::process",
        "std::thread",
        "std::env",
        "Instant",
        "SystemTime",
    ];
    let ours = ["crate::execute", "crate::run", "crate::store::database"];
    let plan = sources("daemon/src/plan");
    for refused in [&libraries[..], &effects[..], &ours[..]] {
        names_none(&plan, refused);
    }
}

#[test]
fn executing_never_touches_the_database() {
    names_none(
        &sources("daemon/src/execute"),
        &["rusqlite", "crate::store::database"],
    );
}

#[test]
fn the_router_knows_no_git() {
    links_none("wharf-router", |name| {
        name.starts_with("gix") || name == "git2"
    });
    for file in sources("router/src") {
        assert!(
            !file.literals().contains(&"git".to_owned()),
            "{} says \"git\"",
            file.name()
        );
    }
}

#[test]
fn the_helper_knows_nothing_that_people_write() {
    links_none("wharf-helper", |name| {
        [
            "wharf-config",
            "wharf-daemon",
            "wharf-cli",
            "rusqlite",
            "tar",
        ]
        .contains(&name)
            || name.starts_with("gix")
    });
    // It starts itself, for a namespace, and what makes accounts.
    for file in sources("helper/src") {
        let starts = file
            .paths()
            .iter()
            .any(|path| tree::is_below(path, "std::process::Command"));
        let may = ["helper/src/idmap.rs", "helper/src/users.rs"].contains(&file.name());
        assert_eq!(starts, may, "{}", file.name());
    }
}

/// What is root can be read in an afternoon.
#[test]
fn the_helper_is_small() {
    let files = sources("helper/src");
    let lines: usize = files.iter().map(tree::Source::lines_of_code).sum();
    assert!(lines > 500, "they are counted: {lines}");
    assert!(
        lines < 1_000,
        "wharf-helper has {lines} lines of code: what decides without acting belongs into sandbox/"
    );
}

/// Every name that `paths.rs` joins to the state directory is joined nowhere else in the daemon.
#[test]
fn state_paths_are_made_in_one_module() {
    let owner = "daemon/src/store/paths.rs";
    let files = sources("daemon/src");
    let names = files
        .iter()
        .find(|file| file.name() == owner)
        .unwrap_or_else(|| panic!("{owner} is not there"))
        .joined();
    assert!(
        names.len() >= 3,
        "{owner} joins the state directory's names, found {names:?}"
    );

    let found: Vec<String> = files
        .iter()
        .filter(|file| file.name() != owner && !file.is_test())
        .flat_map(|file| file.joined().into_iter().map(move |name| (file, name)))
        .filter(|(_, name)| {
            name.split('/')
                .any(|part| names.iter().any(|owned| part == owned))
        })
        .map(|(file, name)| format!("{} joins {name:?}, which {owner} owns", file.name()))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_crate_is_held_to_the_workspaces_lints() {
    for name in crates() {
        let manifest = fs::read_to_string(root().join(&name).join("Cargo.toml")).unwrap();
        let lints = manifest.split("[lints]").nth(1).unwrap_or_default();
        assert!(
            lints.trim_start().starts_with("workspace = true"),
            "{name}/Cargo.toml does not take the workspace's lints"
        );
        assert!(
            !manifest.contains("\"TODO\""),
            "{name}/Cargo.toml has no description"
        );
    }
}

/// `unsafe_code` is denied; an exception names the lint, so that it can be found.
#[test]
fn unsafe_code_is_allowed_in_five_small_modules() {
    let mut found: Vec<String> = crates()
        .iter()
        .flat_map(|name| sources(&format!("{name}/src")))
        .filter(|file| file.idents().iter().any(|ident| ident == "unsafe_code"))
        .map(|file| file.name().to_owned())
        .collect();
    found.sort();
    let known = [
        "daemon/src/run/descriptors.rs",
        // Calls that rustix does not have.
        "helper/src/idmap.rs",
        "helper/src/quota.rs",
        "sandbox/src/quota.rs",
        // What tries to escape makes the calls that no library offers.
        "tests/src/bin/escape/raw.rs",
    ];
    assert_eq!(found, known);
}

#[test]
fn no_file_is_so_long_that_it_must_hold_two_things() {
    for name in crates() {
        for file in sources(&format!("{name}/src"))
            .iter()
            .filter(|file| !file.is_test())
        {
            let lines = fs::read_to_string(root().join(file.name()))
                .unwrap()
                .lines()
                .count();
            assert!(
                lines <= 500,
                "{} has {lines} lines: look for the second noun",
                file.name()
            );
        }
    }
}
