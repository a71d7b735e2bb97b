//! What the units leave open by the judgement of `systemd-analyze security`, each with its reason: the table
//! of docs/isolation.md is made from this list and from what it finds. Budget: a second.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

type Open = (
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
);
const DAEMON: &[&str] = &["wharfd"];
const ROUTER: &[&str] = &["wharf-router"];
const BOTH: &[&str] = &["wharf-router", "wharfd"];
const HELPER: &[&str] = &["wharf-helper"];
const ALL: &[&str] = &["wharf-helper", "wharf-router", "wharfd"];

/// Units, their settings, and the reason.
const OPEN: &[Open] = &[
    (
        DAEMON,
        &["ProcSubset="],
        "what the kernel grants (processes, watches, namespaces) and who listens on a port stands outside of processes' own \
         directories",
    ),
    (
        ALL,
        &["DeviceAllow="],
        "the clock, for reading: `ProtectClock` allows it",
    ),
    (
        ROUTER,
        &[
            "AmbientCapabilities=",
            "CapabilityBoundingSet=~CAP_NET_(BIND_SERVICE|BROADCAST|RAW)",
        ],
        "`CAP_NET_BIND_SERVICE` alone, for ports 80 and 443 where the operator wants them",
    ),
    (
        ALL,
        &["RestrictAddressFamilies=~AF_UNIX"],
        "the sockets of the daemon, the router and the applications",
    ),
    (
        BOTH,
        &[
            "RestrictAddressFamilies=~AF_(INET|INET6)",
            "PrivateNetwork=",
            "IPAddressDeny=",
        ],
        "visitors come by it, builds fetch packages, applications call whom they like",
    ),
    (
        BOTH,
        &["PrivateUsers="],
        "who calls is known by their user, and files belong to users of the host",
    ),
    (
        ALL,
        &["RootDirectory=/RootImage="],
        "runtimes, repositories and the state are the host's",
    ),
    (
        DAEMON,
        &["ProtectHome="],
        "repositories may lie in a git account's home; it is read-only",
    ),
    (
        DAEMON,
        &["UMask="],
        "what the daemon writes into a repository is its group's to read; what is secret has a mode of its own",
    ),
    (
        HELPER,
        &[
            "User=/DynamicUser=",
            "CapabilityBoundingSet=~CAP_SYS_ADMIN",
            "CapabilityBoundingSet=~CAP_SET(UID|GID|PCAP)",
            "CapabilityBoundingSet=~CAP_(DAC_*|FOWNER|IPC_OWNER)",
            "CapabilityBoundingSet=~CAP_(CHOWN|FSETID|SETFCAP)",
            "SystemCallFilter=~@mount",
            "SystemCallFilter=~@privileged",
            "RestrictNamespaces=~user",
            "PrivateUsers=",
        ],
        "what it is root for: it lays out directories that are others', with their users mapped",
    ),
    (
        HELPER,
        &[
            "ProtectSystem=",
            "ProtectHome=",
            "PrivateTmp=",
            "PrivateDevices=",
            "PrivateMounts=",
            "ProtectProc=",
            "ProcSubset=",
            "ProtectKernelLogs=",
            "ProtectKernelModules=",
            "ProtectKernelTunables=",
            "ProtectControlGroups=",
        ],
        "each makes a namespace of mounts, and systemd has to see what it mounts",
    ),
    (
        HELPER,
        &["RestrictSUIDSGID="],
        "it takes away `openat2`, by which no path leads out of a directory",
    ),
    (
        HELPER,
        &["PrivateNetwork="],
        "it has no sockets but Unix ones, and every address is denied",
    ),
    (
        HELPER,
        &["UMask="],
        "what it lays out is for the users of jobs to read",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Units with their open settings; none where nothing can tell.
fn exposures() -> Option<BTreeSet<(String, String)>> {
    let mut found = BTreeSet::new();
    let mut units = 0;
    for entry in fs::read_dir(root().join("systemd")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "service") {
            continue;
        }
        units += 1;
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--json=short"])
            .arg(&path)
            .output()
            .ok()?;
        let rows: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        for row in rows.as_array().unwrap() {
            // What cannot be judged has neither.
            let is_open = row["set"] == false && row["exposure"].is_string();
            if is_open {
                let name = row["name"].as_str().unwrap().to_owned();
                let unit = path.file_stem().unwrap().to_string_lossy().into_owned();
                found.insert((unit, name));
            }
        }
    }
    assert!(units >= 2, "units are found at all");
    Some(found)
}

/// What each unit may be judged with at most, in tenths: 0 is closed, 100 is open.
const AT_MOST: [(&str, &str); 3] = [
    ("wharfd", "15"),
    ("wharf-router", "15"),
    ("wharf-helper", "50"),
];

#[test]
fn no_unit_is_more_open_than_it_has_to_be() {
    if exposures().is_none() {
        println!("no systemd-analyze of 250 or newer here: the units are not judged");
        return;
    }
    for (unit, most) in AT_MOST {
        let judged = Command::new("systemd-analyze")
            .args([
                "security",
                "--offline=true",
                "--no-pager",
                "--threshold",
                most,
            ])
            .arg(root().join(format!("systemd/{unit}.service")))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&judged.stdout);
        assert!(judged.status.success(), "{unit} is above {most}: {said}");
    }
}

#[test]
fn each_exposure_of_a_unit_has_its_reason() {
    let Some(found) = exposures() else {
        println!("no systemd-analyze of 250 or newer here: the units' exposures are not compared");
        return;
    };
    let pair = |unit: &&str, name: &&str| ((*unit).to_owned(), (*name).to_owned());
    let known: BTreeSet<_> = OPEN
        .iter()
        .flat_map(|(units, names, _)| {
            units
                .iter()
                .flat_map(move |unit| names.iter().map(move |name| pair(unit, name)))
        })
        .collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "open, and nothing says why: {new:?}");
    let closed: Vec<_> = known.difference(&found).collect();
    assert!(
        closed.is_empty(),
        "closed by now, and said to be open: {closed:?}"
    );
    let rows: String = OPEN
        .iter()
        .map(|(units, names, why)| {
            let names: Vec<_> = names
                .iter()
                .map(|name| format!("`{}`", name.replace('|', "\\|")))
                .collect();
            format!("| {} | {} | {why} |\n", names.join(", "), units.join(", "))
        })
        .collect();
    let file = root().join("docs/isolation.md");
    let page = fs::read_to_string(&file).unwrap();
    let start = "| Setting | Unit | Why it is open |\n|---|---|---|\n";
    let (head, rest) = page.split_once(start).unwrap();
    let (table, tail) = rest.split_once("\n## ").unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, format!("{head}{start}{rows}\n## {tail}")).unwrap();
        return;
    }
    assert_eq!(table, rows, "UPDATE_DOCS=1 makes it anew");
}
