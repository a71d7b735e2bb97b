//! Without Wharf the host is a git host again; with it again all is as it was.

use crate::host::Host;

const CONFIG: &str = "runuser -u git -- git -C /srv/git/shop.git config --list --local";

#[test]
fn a_removal_leaves_plain_repositories_and_every_release() {
    let host = Host::serving(&[]);
    let machine = &host.machine;
    let config = machine.runs(CONFIG).out;
    let kept = machine.runs("find /var/lib/wharf/slugs | sort").out;
    machine.runs("apt-get remove --yes wharf");
    assert_eq!(machine.jobs(), "");
    machine.tries("pgrep wharf").exits(1);
    machine
        .tries("curl --silent http://127.0.0.1:7080/")
        .exits(7);
    assert_eq!(machine.runs("systemctl --failed --no-legend").out, "");
    assert_ne!(machine.runs(CONFIG).out, config);
    assert_eq!(machine.runs("find /var/lib/wharf/slugs | sort").out, kept);
    host.pushes(&[("said", "two")]).ok().lacks("wharf");

    // What was pushed meanwhile is made up for.
    machine.runs(&format!("apt-get install --yes {}", host.deb.display()));
    machine.waits_for("curl --silent --fail http://main--shop.localhost:7080/ | grep two");
    assert_eq!(machine.runs(CONFIG).out, config);
    host.pushes(&[("said", "three")])
        .ok()
        .has("main now serves r3");

    machine
        .runs("apt-get purge --yes wharf")
        .has("/var/lib/wharf stays, with releases and data");
    machine.runs("test ! -e /etc/wharf");
    let left = machine.runs("find /var/lib/wharf/slugs | sort").out;
    assert!(left.len() >= kept.len(), "{left}");
    machine.runs("runuser -u git -- git -C /srv/git/shop.git fsck --strict --connectivity-only");
    host.pushes(&[("said", "four")]).ok().lacks("wharf");
    let files = "find /usr /etc -name '*wharf*'";
    assert_eq!(machine.runs(files).out, "");
}
