//! Jobs as units: whose they are, how they end, and what becomes of them when somebody is killed.

use std::time::{Duration, Instant};

use crate::machine::Machine;

const APP: &str = r#"
import http.server, os, signal, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{os.getuid()} {open('data/seed').read()}".encode())
def end(*_):
    open('data/ended', 'w').write('politely')
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Page).serve_forever()
"#;

const CONFIG: &str = r#"
build = "id -u >built; stat -c %u built"
web = "python3 app.py"
[mounts]
data = "private"
[env]
TOKEN = { generate = "secret" }
[deploy]
run = "echo $(id -u) $(cat built) >data/seed"
"#;

/// What stays when it is asked to go, in two ways.
const STUBBORN: &str = r#"build = "trap '' TERM; (setsid sleep 31537 &); echo begun; sleep 31537"
web = "python3 app.py"
"#;

fn deployed(machine: &Machine, project: &str) {
    let files = [("wharf.toml", CONFIG), ("app.py", APP)];
    machine
        .pushes(project, &files)
        .ok()
        .has("main now serves r1");
}

#[test]
fn each_environment_has_a_user_and_each_build_another() {
    let machine = Machine::boot();
    deployed(&machine, "shop");
    deployed(&machine, "blog");
    let [shop, blog] = ["shop", "blog"].map(|project| {
        let page = machine.gets(project, "/");
        let users: Vec<u32> = page
            .split_whitespace()
            .map(|word| word.parse().unwrap())
            .collect();
        let [web, deploy, build] = users.as_slice() else {
            panic!("{page}");
        };
        assert_eq!(web, deploy);
        assert_ne!(web, build);
        *web
    });
    assert_ne!(shop, blog);
    assert!(
        [shop, blog]
            .iter()
            .all(|user| (0x7000_0000..0x8000_0000).contains(user))
    );
    // On the disk everything is the daemon's, and nobody else's to read.
    let others = machine.runs("find /var/lib/wharf ! -user wharf").out;
    assert_eq!(others, "");
    machine.runs("stat --format %a /var/lib/wharf").has("750");
    // It stays over releases; the build's is free again.
    machine
        .changes(
            "shop",
            &[("wharf.toml", &CONFIG.replace("built;", "built; true;"))],
        )
        .ok();
    assert!(machine.gets("shop", "/").starts_with(&shop.to_string()));
    machine.runs("test -z \"$(find /run/wharf-helper/jobs -name user)\"");
    // The old one was asked to end, and nothing is left of it.
    machine.waits_for("grep politely /var/lib/wharf/mounts/shop/main/*/ended");
    machine.waits_for("test $(ls /run/wharf-helper/jobs | wc -l) = 2");
    // By hand, too.
    let id = machine.runs("cd /root/shop; wharf run id -u").out;
    assert_eq!(id.trim(), shop.to_string());
    machine
        .tries("cd /root/shop; wharf run sh -c 'exit 7'")
        .exits(7);
    let shown = machine.runs("systemctl show --property Environment,ExecStart,User 'wharf-job-*'");
    shown.lacks("TOKEN");
}

#[test]
fn applications_outlive_daemon_and_helper_and_stages_do_not() {
    let machine = Machine::boot();
    deployed(&machine, "shop");
    let before = machine.jobs();
    machine.runs("systemctl kill --kill-whom main --signal KILL wharf-helper wharfd");
    machine
        .waits_for("systemctl is-active wharfd && test -S /run/wharf/wharfd.sock && wharf status");
    assert_eq!(machine.jobs(), before);
    assert!(!machine.gets("shop", "/").is_empty());

    // An application ends while the helper hears nothing, which is killed then: the next one finds it.
    machine
        .runs("systemctl kill --kill-whom main --signal STOP wharf-helper; pkill -KILL -x python3");
    machine.waits_for("systemctl list-units --failed 'wharf-job-*' | grep failed");
    machine.runs("systemctl kill --kill-whom main --signal KILL wharf-helper");
    machine.waits_for("curl -fs -H 'Host: main--shop.localhost' http://127.0.0.1:7080/");
    machine.runs("test -z \"$(systemctl list-units --failed --no-legend 'wharf-job-*')\"");
    let before = machine.jobs();

    // Somebody cancels a step that does not want to end.
    let slow = [("wharf.toml", STUBBORN)];
    let mut push = begun(&machine, &slow);
    let id = machine
        .runs("pgrep --full 'sleep 31537' >/dev/null; ls /run/wharf-helper/jobs")
        .out;
    let id = id.split('.').next().unwrap().to_owned();
    let began = Instant::now();
    machine.runs(&format!("cd /root/shop; wharf cancel {id}"));
    machine.tries("pgrep --full 'sleep 31537'").exits(1);
    assert!(began.elapsed() < Duration::from_secs(10));
    push.wait().unwrap();

    // The daemon dies in a step: so does the step, at once; the next daemon does it again.
    let mut push = begun(&machine, &[("again", "1")]);
    machine.runs("systemctl kill --kill-whom main --signal KILL wharfd");
    machine.waits_for("systemctl is-active wharfd && wharf status");
    machine.waits_for("pgrep --full 'sleep 31537'");
    let id = machine.runs("ls /run/wharf-helper/jobs | grep build").out;
    let id = id.split('.').next().unwrap().to_owned();
    machine.runs(&format!("cd /root/shop; wharf cancel {id}"));
    machine.tries("pgrep --full 'sleep 31537'").exits(1);
    push.wait().unwrap();
    assert_eq!(machine.jobs(), before);
    machine.runs("test -z \"$(ls /var/lib/wharf/jobs)$(find /run/wharf-helper/jobs -name user)\"");
    assert!(!machine.gets("shop", "/").is_empty());
}

/// Whoever installs or enables anything has systemd read its units again, and it says of each that it is gone.
#[test]
fn a_reload_of_systemd_s_ends_nothing() {
    let machine = Machine::boot();
    deployed(&machine, "shop");
    let before = machine.jobs();
    for _ in 0..3 {
        machine.runs("systemctl daemon-reload");
    }
    // What the helper was told before this it has heard by then.
    deployed(&machine, "blog");
    assert!(machine.jobs().contains(before.trim()), "{before}");
    assert!(!machine.gets("shop", "/").is_empty());
    machine
        .runs("journalctl --no-pager --unit wharfd")
        .has("main now serves r1")
        .lacks("process web ended");
    // And its real end is still seen.
    machine.runs("systemctl daemon-reload; pkill -KILL -x python3");
    machine.waits_for("journalctl --no-pager --unit wharfd | grep 'process web ended'");
    machine.waits_for("curl -fs -H 'Host: main--shop.localhost' http://127.0.0.1:7080/");
}

/// A push of which a step has begun that goes on.
fn begun(machine: &Machine, files: &[(&str, &str)]) -> std::process::Child {
    for (name, text) in files {
        machine.runs(&format!("cat >/root/shop/{name} <<'END'\n{text}\nEND"));
    }
    let push =
        machine.begins("cd /root/shop; git add -A; git commit -qm slow; git push wharf main");
    machine.waits_for("pgrep --full 'sleep 31537'");
    push
}

#[test]
fn the_helper_hears_the_daemon_only() {
    let machine = Machine::boot();
    deployed(&machine, "shop");
    let ask = |user: &str, bytes: &str| {
        machine.tries(&format!(
            "setpriv --reuid {user} --clear-groups python3 -c '
import socket
s = socket.socket(socket.AF_UNIX); s.settimeout(20)
s.connect(\"/run/wharf-helper/socket\")
try:
    s.sendall({bytes}); print(s.recv(65536) + s.recv(65536))
except ConnectionError:
    print(\"hung up\")'"
        ))
    };
    let frame = |text: &str| {
        format!(
            "b\"\\0\\0\\0\" + bytes([{}]) + {text:?}.encode()",
            text.len()
        )
    };
    // Others do not even reach it; root is not the daemon.
    ask("nobody", "b\"\"").exits(1).has("Permission denied");
    ask("root", &frame("{\"hold\":{\"job\":\"x\"}}"))
        .ok()
        .has("hung up");
    // The daemon's user gets no further than the vocabulary.
    for bad in [
        "{\"hold\":{\"job\":\"../x\"}}",
        "{\"start\":{\"job\":\"x\"}}",
        "{\"run\":\"id\"}",
        "\"terminate\"",
    ] {
        ask("wharf", &frame(bad)).ok().lacks("started");
    }
    ask("wharf", "b\"\\xff\\xff\\xff\\xff\"")
        .ok()
        .lacks("started");
    ask("wharf", &frame("{\"hold\":{\"job\":\"nobody-s\"}}"))
        .ok()
        .has("started")
        .has("gone");
    machine.runs("systemctl is-active wharf-helper");
    assert!(!machine.gets("shop", "/").is_empty());
}

#[test]
fn limits_are_the_unit_s() {
    let machine = Machine::boot();
    machine.runs(
        "cat >/etc/wharf/wharfd.toml <<'END'
[processes.limits]
memory = \"300M\"
cpus = 1.5
tasks = 200
open_files = 4000
END
wharf reload",
    );
    deployed(&machine, "shop");
    let unit = machine.jobs();
    let show = "systemctl show --property MemoryMax,CPUQuotaPerSecUSec,TasksMax,LimitNOFILE";
    let shown = machine.runs(&format!("{show} {}", unit.trim())).out;
    let mut shown: Vec<&str> = shown.lines().collect();
    shown.sort_unstable();
    assert_eq!(
        shown,
        [
            "CPUQuotaPerSecUSec=1.500000s",
            "LimitNOFILE=4000",
            "MemoryMax=300000000",
            "TasksMax=200",
        ]
    );
}
