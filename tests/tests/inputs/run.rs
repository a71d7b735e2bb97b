//! What fails after a push was accepted: in the build, in the deployment, at the start.

use std::fs;

use wharf_tests::{Shop, World};

/// A host whose builds may take 5 seconds and print 100 kB.
const SHORT: &str = "[router]\nlisten = \"127.0.0.1:0\"\n\
    [build]\nlimits = { time = \"5s\", output = \"100K\" }\n";

#[test]
fn builds_that_go_wrong() {
    let world = World::with_host_file(SHORT);
    let shop = Shop::open(&world);
    for (script, reason, detail) in [
        (
            "echo one; echo two >&2; exit 7",
            "step 2 of 2 (sh build.sh), exit code 7",
            "  | two",
        ),
        ("kill -9 $$", "ended by signal 9", ""),
        (
            "no-such-command",
            "exit code 127: a command was not found",
            "no-such-command",
        ),
        // Nobody waits for what it leaves behind, nor for what does not listen.
        (
            "trap '' TERM; echo begun; while :; do sleep 1; done",
            "stopped: the build took longer than 5s",
            "  | begun",
        ),
        (
            "trap '' TERM HUP; (trap '' TERM; sleep 1000) & exit 3",
            "exit code 3",
            "",
        ),
        ("setsid sleep 1000 & exit 4", "exit code 4", ""),
        (
            "yes",
            "it printed more than 100.0 kB",
            "build.limits.output",
        ),
        (
            "yes | tr -d '\\n'",
            "it printed more than 100.0 kB",
            "build.limits.output",
        ),
        ("head -c 90000 /dev/urandom; exit 5", "exit code 5", ""),
        (
            "head -c 90000 /dev/zero | tr '\\0' '\\r'; exit 6",
            "exit code 6",
            "",
        ),
        (
            "printf '\\033[2J\\033]0;x\\007success: no\\n'; exit 8",
            "exit code 8",
            "  | success: no",
        ),
        (
            "for d in /usr/bin /usr/lib /etc/ssl/certs; do touch $d/wharf-was-here && exit 0; done; exit 9",
            "exit code 9",
            "",
        ),
        ("mkfifo pipe", "named pipe", "pipe"),
        (
            "ls /tmp/w.* /opt /srv/. /home/*/.ssh 2>/dev/null && exit 0; exit 10",
            "exit code 10",
            "",
        ),
    ] {
        shop.tree.write("build.sh", &format!("{script}\n"));
        shop.tree.write(
            "wharf.toml",
            "public = \".\"\nbuild = [\"true\", \"sh build.sh\"]\n",
        );
        shop.failed().has(reason).has(detail);
    }
}

#[test]
fn a_first_push_that_fails_serves_nothing() {
    let world = World::new();
    let site = world.site(
        "site",
        &[("wharf.toml", "public = \".\"\nbuild = \"exit 1\"\n")],
    );
    site.init();
    let said = site.push(&["main"]).ok();
    let last = said.transcript().lines().last().unwrap().to_owned();
    assert_eq!(
        last, "main serves nothing yet; nothing was changed.",
        "{said}"
    );
    site.wharf(&["url"])
        .exits(5)
        .has("nothing serves `main` yet");
    let page = world.get("main--site.localhost", "/");
    assert_eq!(page.status, 404, "{}", page.body);
}

#[test]
fn processes_that_do_not_serve() {
    let world = World::new();
    let shop = Shop::open(&world);
    let answers = |status: &str| {
        format!(
            "import http.server, os\n\
             class H(http.server.BaseHTTPRequestHandler):\n\
             \x20   def do_GET(self):\n\
             \x20       print('asked', self.path, flush=True)\n\
             \x20       {status}\n\
             http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()\n"
        )
    };
    for (app, reason, detail) in [
        (
            "import time; print('here', flush=True); time.sleep(1000)",
            "nothing listens",
            "  | here",
        ),
        (
            "import sys; sys.exit('no database')",
            "exit code 1",
            "  | no database",
        ),
        ("import os; os.kill(os.getpid(), 11)", "signal 11", ""),
        (
            "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(1000)",
            "nothing listens",
            "",
        ),
        (
            &answers("self.send_error(500)"),
            "GET /health answered 500",
            "  | asked /health",
        ),
        (
            &answers("self.send_error(404)"),
            "GET /health answered 404",
            "",
        ),
        (
            &answers("self.wfile.write(b'nonsense\\n\\n')"),
            "GET /health failed",
            "",
        ),
        (
            &answers("import time; time.sleep(1000)"),
            "GET /health was not answered",
            "",
        ),
        ("open('/app/x', 'w')", "Read-only file system", ""),
    ] {
        shop.tree.write("app.py", app);
        shop.tree.write(
            "wharf.toml",
            "web = \"exec python3 app.py\"\n[deploy]\nhealth = { path = \"/health\", within = \"1s\" }\n",
        );
        shop.failed().has(reason).has(detail);
    }
}

#[test]
fn deploy_commands_that_fail() {
    let world = World::new();
    let shop = Shop::open(&world);
    shop.tree.write(
        "wharf.toml",
        "[deploy]\nrun = [\"echo first\", \"echo second; exit 4\", \"echo third\"]\n",
    );
    shop.failed_saying("deploy commands may have changed its data.")
        .has("deploy failed in command 2 of 3")
        .has("exit code 4")
        .has("  | second")
        .lacks("deploy     echo third");
    // What comes after the switch cannot undo it, and says so.
    shop.tree
        .write("wharf.toml", "[deploy]\nafter = \"echo late; exit 5\"\n");
    fs::write(shop.path("index.html"), "two\n").unwrap();
    let said = shop.live().has("warning: ").has("exit code 5");
    assert!(said.transcript().ends_with(".\n"), "{said}");
    assert_eq!(shop.tree.get("/").ok(), "two\n");
}
