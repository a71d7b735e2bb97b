//! A newer package in the middle of a push.

use std::{path::Path, process::Command};

use wharf_tests::run;

use crate::{
    host::{Host, SERVER},
    package,
};

/// The same package as one of a later version.
fn newer(directory: &Path) -> std::path::PathBuf {
    let tree = directory.join("tree");
    run(Command::new("dpkg-deb")
        .arg("--raw-extract")
        .arg(package())
        .arg(&tree))
    .ok();
    let control = tree.join("DEBIAN/control");
    let text = std::fs::read_to_string(&control).unwrap();
    let version = text
        .lines()
        .find(|line| line.starts_with("Version:"))
        .unwrap();
    std::fs::write(&control, text.replace(version, &format!("{version}+later"))).unwrap();
    let file = directory.join("later.deb");
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "-Znone", "--build"]);
    run(build.arg(&tree).arg(&file)).ok();
    file
}

#[test]
fn an_upgrade_loses_no_push_and_touches_no_application() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let later = newer(directory.path());
    let host = Host::serving(&[directory.path()]);
    let machine = &host.machine;
    let jobs = machine.jobs();
    let daemon = machine
        .runs("systemctl show --property MainPID wharfd wharf-router")
        .out;
    // The administrator's own.
    machine.runs("echo '#mine' >>/etc/wharf/wharfd.toml");

    // One is being built; another comes while the package is unpacked and its programs are started again.
    let build = "build = \"echo begun; until test -e /tmp/never; do sleep 0.05; i=$((i+1)); test $i -lt 60 || exit 0; done\"\nweb = \"exec python3 app.py\"\n";
    let first = host.begins_to_push(&[("wharf.toml", build), ("app.py", SERVER), ("said", "two")]);
    machine.waits_for("wharf activities -p shop | grep -i running");
    let mut visitor = machine.begins("until test -e /tmp/enough; do curl --silent --show-error --fail --max-time 20 http://main--shop.localhost:7080/ >>/tmp/pages 2>>/tmp/lost; done");
    machine.runs(&format!(
        "DEBIAN_FRONTEND=noninteractive apt-get install --yes {}",
        later.display()
    ));
    let told = first.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{said}");
    assert!(said.contains("main now serves r2"), "{said}");
    machine.waits_for("curl --silent --fail http://main--shop.localhost:7080/ | grep two");

    machine.runs("touch /tmp/enough");
    visitor.wait().unwrap();

    let now = machine
        .runs("systemctl show --property MainPID wharfd wharf-router")
        .out;
    assert!(
        now.lines()
            .zip(daemon.lines())
            .all(|(now, before)| now.is_empty() || now != before),
        "{now}"
    );
    machine.runs("dpkg-query --show wharf").has("+later");
    machine
        .runs("tail -n 1 /etc/wharf/wharfd.toml")
        .has("#mine");
    assert_eq!(machine.runs("cat /tmp/lost").out, "", "no visitor noticed");
    assert_ne!(
        machine.jobs(),
        jobs,
        "the new release has processes of its own"
    );
    machine.tries("wharf doctor").lacks("error");
}
