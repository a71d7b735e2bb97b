//! The router as a unit: visitors while it is started again or killed, addresses that others have, and a router
//! that may bind none.

use crate::machine::Machine;
use crate::visitors::{Visitors, meanwhile};

const HOST: &str = "main--page.localhost";

fn with_a_page() -> Machine {
    let machine = Machine::boot();
    machine.pushes("page", &[("index.html", "here")]).ok();
    machine
}

/// What the operator writes, as far as the router is concerned.
fn settings(machine: &Machine, text: &str) {
    machine.runs(&format!(
        "printf '%s\n' '[router]' {text} >/etc/wharf/wharfd.toml"
    ));
}

fn page(port: u16) -> String {
    format!("test \"$(curl -sS --max-time 20 -H 'Host: {HOST}' http://127.0.0.1:{port}/)\" = here")
}

#[test]
fn nobody_is_refused_or_lost_while_it_is_started_again() {
    let machine = with_a_page();
    let pid = "systemctl show --property MainPID --value wharf-router";
    let first = machine.runs(pid).out;
    let visitors = Visitors::of(&machine, 7080);
    // What an upgrade of Wharf, and of systemd itself, does on the way.
    for before in ["true", "systemctl daemon-reload", "systemctl daemon-reexec"] {
        machine.runs(&format!("{before} && systemctl restart wharf-router"));
        visitors.are_served();
    }
    let seen = visitors.end();
    assert_ne!(machine.runs(pid).out, first);
    seen.is_good();
    // People read it there as they read the daemon.
    machine
        .runs(
            "journalctl --unit wharf-router --grep serving --output cat --priority info --no-pager",
        )
        .has("serving listen=127.0.0.1:7080")
        .lacks("<6>");
    // Each who kept a connection was told of each end before it came.
    assert!(seen.count("told to close") >= 9, "{seen:?}");

    // Somebody's answer takes a while: it is sent to its end, and nobody waits for that.
    machine.runs("cd /root/page; head -c 24M /dev/urandom >large; git add .; git commit -qm large; git push wharf main");
    let mut slow = machine.begins(&format!(
        "curl -sS --fail --limit-rate 6M --output /tmp/large -H 'Host: {HOST}' http://127.0.0.1:7080/large"
    ));
    machine.waits_for("test -s /tmp/large");
    let visitors = Visitors::of(&machine, 7080);
    machine.runs("systemctl restart --no-block wharf-router");
    machine.waits_for("systemctl is-active wharf-router | grep deactivating");
    visitors.are_served();
    machine.runs("systemctl is-active wharf-router | grep deactivating");
    assert!(slow.wait().unwrap().success());
    machine.runs("cmp /tmp/large /root/page/large");
    machine.waits_for("systemctl is-active wharf-router | grep -x active");
    visitors.are_served();
    visitors.end().is_good();

    // A killed one loses the requests that it was answering, and nobody is refused.
    let visitors = Visitors::of(&machine, 7080);
    let first = machine.runs(pid).out;
    machine.runs("systemctl kill --kill-whom main --signal KILL wharf-router");
    machine.waits_for(&format!("! {pid} | grep -xe 0 -e {}", first.trim()));
    visitors.are_served();
    let seen = visitors.end();
    let refused = seen.0.keys().find(|what| what.contains("Refused"));
    assert_eq!(refused, None, "{seen:?}");
    let lost = seen.0.values().sum::<usize>() - seen.count("good");
    assert!(lost <= 6, "one of each visitor at most: {seen:?}");
}

#[test]
fn where_it_serves_is_followed_and_a_port_of_others_waited_for() {
    let machine = with_a_page();
    let mut other = machine.begins("exec python3 -m http.server 80");
    machine.waits_for("curl -sS http://127.0.0.1:80/ >/dev/null");
    settings(&machine, "'listen = \"[::]:80\"'");
    machine
        .tries("wharf reload")
        .exits(1)
        .has("cannot serve by plain HTTP on [::]:80: Address already in use")
        .has("ss -ltnp");
    // What was there goes on.
    machine.runs(&page(7080));
    machine
        .tries("wharf doctor")
        .exits(1)
        .has("on [::]:80: Address already in use");
    // Started anew it has no address at all: it lives, and says so.
    machine.runs("systemctl restart wharf-router");
    machine.waits_for("wharf status | grep 'does not answer'");
    machine
        .runs("systemctl show --property StatusText wharf-router")
        .has("serves nowhere");
    machine.tries("curl -sS http://127.0.0.1:7080/").exits(7);
    machine.runs("pkill --full 'http.server 80'");
    other.wait().unwrap();
    machine.waits_for(&page(80));
    machine.runs("wharf doctor | grep 'the router serves on \\[::\\]:80'");

    // By a new router, too; and nobody has the earlier address any more, systemd neither.
    let seen = meanwhile(&machine, 80, "systemctl restart wharf-router");
    seen.is_good();
    settings(&machine, "'listen = \"0.0.0.0:8000\"'");
    machine.runs("wharf reload");
    machine.runs(&page(8000));
    machine.tries("curl -sS http://127.0.0.1:80/").exits(7);
    // While it is away the settings change: what systemd kept is let go.
    settings(&machine, "'listen = \"127.0.0.1:7081\"'");
    machine.runs("systemctl kill --kill-whom main --signal STOP wharf-router");
    machine.tries("wharf reload");
    machine.runs("systemctl kill --kill-whom main --signal KILL wharf-router");
    machine.waits_for(&page(7081));
    machine.tries("curl -sS http://127.0.0.1:8000/").exits(7);
    // Who stops it wants its addresses.
    machine.runs("systemctl stop wharf-router");
    machine.tries("curl -sS http://127.0.0.1:7081/").exits(7);
}

#[test]
fn without_the_right_to_low_ports_systemd_listens_for_it() {
    let machine = with_a_page();
    machine.runs(
        "mkdir -p /etc/systemd/system/wharf-router.service.d
         printf '%s\n' '[Service]' CapabilityBoundingSet= AmbientCapabilities= \
            >/etc/systemd/system/wharf-router.service.d/sockets.conf
         systemctl daemon-reload; systemctl restart wharf-router",
    );
    settings(&machine, "'listen = \"0.0.0.0:80\"'");
    machine
        .tries("wharf reload")
        .exits(1)
        .has("cannot serve by plain HTTP on 0.0.0.0:80: Permission denied")
        .has("systemctl edit wharf-router.socket")
        .has("ListenStream=0.0.0.0:80");
    // The lines of docs/listening.md.
    let listen = |machine: &Machine, text: &str| {
        machine.runs(&format!(
            "mkdir -p /etc/systemd/system/wharf-router.socket.d
             printf '%s\n' '[Socket]' ListenStream= {text} >/etc/systemd/system/wharf-router.socket.d/override.conf
             systemctl daemon-reload; systemctl stop wharf-router.socket wharf-router
             systemctl enable --quiet --now wharf-router.socket; systemctl restart wharf-router"
        ));
    };
    listen(&machine, "ListenStream=0.0.0.0:80");
    machine.runs(&page(80));
    machine.runs("wharf reload; wharf doctor | grep 'the router serves on 0.0.0.0:80'");
    machine.runs("grep -x 'CapEff:\t0000000000000000' /proc/$(systemctl show -P MainPID wharf-router)/status");
    let seen = meanwhile(&machine, 80, "systemctl restart wharf-router");
    seen.is_good();
    // The unit listens where no setting asks for it.
    listen(
        &machine,
        "ListenStream=0.0.0.0:80 ListenStream=127.0.0.1:8888",
    );
    machine
        .tries("wharf doctor")
        .exits(1)
        .has("systemd listens on 127.0.0.1:8888, which no setting asks for");
    machine.runs(&page(80));
}
