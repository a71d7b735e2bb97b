//! From a bare repository and the package to a page, and then what happens to hosts: deaths, reboots.

use std::process::Child;

use crate::host::{Host, SERVER};

/// All that anybody types. The first three as root on the host, the fourth as a developer in a clone that they have,
/// the last as whoever wants to see it.
const COMMANDS: [&str; 5] = [
    "apt-get install --yes ./wharf.deb",
    "usermod --append --groups wharf git",
    "wharf project add shop /srv/git/shop.git",
    "git push origin main",
    "curl --silent --show-error --fail http://main--shop.localhost:7080/",
];

#[test]
fn five_commands_lead_to_the_first_page() {
    let host = Host::boot(&[]);
    let [install, group, add, push, visit] = COMMANDS;
    host.ada("echo hello >index.html; git add --all; git commit --quiet --message hello");
    host.machine
        .runs(&format!("cp {} /root/wharf.deb", host.deb.display()));

    host.machine.runs(&format!("cd /root; {install}"));
    host.machine.runs(group);
    host.machine.runs(add).has("registered the project shop");
    host.ada(push)
        .ok()
        .has("main now serves r1")
        .has("http://main--shop.localhost:7080/");
    assert_eq!(host.machine.runs(visit).out, "hello\n");

    // And it is right: nothing is left to do, each unit runs, and as whom it should.
    let doctor = host.machine.tries("wharf doctor");
    doctor.lacks("error");
    for unit in [
        "wharfd",
        "wharf-router",
        "wharfd.socket",
        "wharf-helper.socket",
    ] {
        host.machine.runs(&format!(
            "systemctl is-active {unit} && systemctl is-enabled {unit}"
        ));
    }
    host.machine
        .runs("ps -o user= -C wharfd,wharf-router | sort -u | grep -x wharf");
    host.machine
        .runs("wharfd check")
        .has("build.parallel = 2  # default");
    assert_eq!(host.machine.runs("systemctl --failed --no-legend").out, "");
}

/// The journal of `journal.md`, as operators ask it.
#[test]
fn the_journal_answers() {
    let host = Host::serving(&[]);
    host.pushes(&[(
        "wharf.toml",
        "build = \"exit 3\"\nweb = \"exec python3 app.py\"\n",
    )])
    .has("main still serves r1");
    let machine = &host.machine;
    machine
        .runs("journalctl -t wharfd -p notice WHARF_PROJECT=shop WHARF_ENVIRONMENT=main --no-pager")
        .has("succeeded: main now serves r1")
        .has("main still serves r1");
    let failed = machine
        .runs("journalctl WHARF_RESULT=failed -S today -o json --no-pager")
        .out;
    let failed: serde_json::Value = serde_json::from_str(failed.lines().last().unwrap()).unwrap();
    let activity = failed["WHARF_ACTIVITY"].as_str().unwrap();
    // The package's catalog is in the index.
    machine
        .runs(&format!(
            "journalctl WHARF_ACTIVITY={activity} -x --no-pager"
        ))
        .has(&format!("wharf log --raw {activity}"));
    machine.runs("journalctl -t shop@main --no-pager");
}

/// A push whose deploy waits for a file that only root can make.
fn held(host: &Host, said: &str) -> Child {
    let config = "web = \"exec python3 app.py\"\n[mounts]\nheld = \"private\"\n\
        [deploy]\nrun = \"echo waits >held/waits; until test -e held/go; do sleep 0.05; done\"\n";
    let push = host.begins_to_push(&[("wharf.toml", config), ("app.py", SERVER), ("said", said)]);
    host.machine
        .waits_for("grep waits /var/lib/wharf/mounts/shop/main/*/waits");
    push
}

#[test]
fn a_daemon_that_is_killed_in_a_deploy_loses_nothing() {
    let host = Host::serving(&[]);
    let push = held(&host, "two");
    host.machine
        .runs("systemctl kill --kill-whom main --signal KILL wharfd");
    assert_eq!(host.page(), "one");
    let told = push.wait_with_output().unwrap();
    let told = String::from_utf8(told.stderr).unwrap();
    // Its pusher hears the next daemon. Deploy commands are not run again by themselves: it ends, and says why.
    assert!(told.contains("main still serves r1"), "{told}");
    assert_eq!(
        told.matches("  deploy     echo waits").count(),
        1,
        "said once: {told}"
    );
    assert_eq!(host.page(), "one");

    host.machine
        .runs("cd /var/lib/wharf/mounts/shop/main/*; touch go; chown wharf: go");
    host.machine
        .runs("wharf redeploy -p shop -e main")
        .has("main now serves");
    assert_eq!(host.page(), "two");
}

#[test]
fn a_reboot_brings_everything_back() {
    let mut host = Host::serving(&[]);
    let users = "grep . /var/lib/wharf-helper/users/*";
    let given = host.machine.runs(users).out;
    let mut push = held(&host, "two");
    let began = host
        .machine
        .runs("systemctl show --property UserspaceTimestampMonotonic --value")
        .out;
    host.machine.reboots();
    push.wait().unwrap();
    assert_ne!(
        host.machine
            .runs("systemctl show --property UserspaceTimestampMonotonic --value")
            .out,
        began
    );
    host.machine
        .waits_for("curl --silent --fail http://main--shop.localhost:7080/ | grep -x one");
    assert_eq!(host.machine.runs(users).out, given);
    host.machine.waits_for("wharf doctor");
    host.machine.runs("systemctl start ssh");
    host.pushes(&[
        ("wharf.toml", "web = \"exec python3 app.py\"\n"),
        ("said", "three"),
    ])
    .ok()
    .has("main now serves");
    assert_eq!(host.page(), "three");
}
