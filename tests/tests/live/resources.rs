//! What commands and processes may take of the host: whoever takes more is ended by the limit's
//! name, with all that it started; what served serves, and its neighbours never notice.

use std::thread::available_parallelism;

use wharf_tests::{Said, Tree, World};

use crate::app::{CONFIG, SERVER, deployed, host};
use crate::cancel::is_left;
use crate::restarts::wait_for_log;

fn world(limits: &str) -> World {
    World::with_host_file(&format!("[router]\nlisten = \"127.0.0.1:0\"\n{limits}"))
}

/// Pushes an application whose build, or whose deploy command, is this script.
fn pushed(shop: &Tree<'_>, stage: &str, script: &str) -> Said {
    shop.write("script", script);
    let config = match stage {
        "build" => format!("build = \"sh script\"\n{}", CONFIG.1),
        _ => format!(
            "{}run = \"sh script\"\n[mounts]\nkept = \"data\"\n",
            CONFIG.1
        ),
    };
    shop.write("wharf.toml", &config);
    shop.commit("Try");
    shop.push(&["main"]).ok()
}

/// Takes so many MB, then forks so many children that take so many more each, and says so; all of
/// them stay for so long.
const HUNGRY: &str = r#"import os, sys, time
own, children, each, seconds = map(int, sys.argv[1:])
mine = b"x" * (own * 1000000)
for _ in range(children):
    if not os.fork():
        more = b"y" * (each * 1000000)
        time.sleep(seconds)
        os._exit(0)
print("taken", flush=True)
time.sleep(seconds)
"#;

#[test]
fn memory_is_that_of_all_processes_and_shared_pages_count_once() {
    // Whoever is not root sees less of what runs in another namespace.
    let host = "[router]\nlisten = \"127.0.0.1:0\"\n[build.limits]\nmemory = \"200M\"\n";
    let world = World::unprivileged(host);
    let shop = deployed(&world, "shop");
    shop.write("hungry.py", HUNGRY);
    // Five processes that see 120 MB each, and have them together.
    pushed(&shop, "build", "python3 hungry.py 120 4 1 2").has("main now serves r2");

    let mark = "31536141";
    let script = format!("(sleep {mark} &)\npython3 hungry.py 10 4 60 600");
    pushed(&shop, "build", &script)
        .has("error: build failed in step 1 of 1 (sh script), stopped: it took ")
        .has(" MB of memory, and build.limits.memory is 200.0 MB")
        .has("or ask the host's operator to raise build.limits.memory")
        .has("| taken")
        .has("main still serves r2; nothing was changed.");
    assert!(!is_left(mark), "a process is left");
    shop.wharf(&["activities", "--json"])
        .ok()
        .has("\"over-limit\"");

    // What lies in /tmp is memory, too.
    pushed(
        &shop,
        "build",
        "head -c 250M /dev/zero >/tmp/much; sleep 600",
    )
    .has(" MB of memory, and build.limits.memory is 200.0 MB")
    .has("main still serves r2");
    assert_eq!(shop.get("/").ok(), "one\n");
}

#[test]
fn disk_is_what_lies_where_a_build_may_write() {
    let world = world("[build.limits]\ndisk = \"40M\"\n");
    let shop = deployed(&world, "shop");
    // A hole, many names of one file and what is in memory take nothing.
    let little = "truncate -s 1G hole; head -c 15M /dev/zero >one; \
        for n in 1 2 3 4 5; do ln one $n; done; head -c 60M /dev/zero >/tmp/much; sleep 2; rm hole";
    pushed(&shop, "build", little).has("main now serves r2");

    for fills in [
        "head -c 60M /dev/urandom >big",
        "mkdir -p a/b; for n in 1 2 3 4 5 6; do head -c 10M /dev/urandom >a/b/$n; done",
        // Without a name no walk finds it.
        "exec 3>big; rm big; head -c 60M /dev/urandom >&3",
        "head -c 60M /dev/urandom >$XDG_CACHE_HOME/big",
    ] {
        let mark = "31536142";
        let script = format!("(sleep {mark} &)\n{fills}; echo filled; sleep 600");
        pushed(&shop, "build", &script)
            .has("error: build failed in step 1 of 1 (sh script), stopped: it took ")
            .has(" MB of disk, and build.limits.disk is 40.0 MB")
            .has("to raise build.limits.disk")
            .has("main still serves r2; nothing was changed.");
        assert!(!is_left(mark), "a process is left");
    }
    // What others left in the cache is nobody's fault.
    pushed(&shop, "build", "sleep 2").has("main now serves r3");
}

#[test]
fn a_deployment_may_fill_its_mounts_so_far() {
    let world = world("[deploy.limits]\ndisk = \"20M\"\nmemory = \"100M\"\n");
    let shop = deployed(&world, "shop");
    pushed(&shop, "deploy", "head -c 15M /dev/urandom >kept/one").has("main now serves r2");
    pushed(
        &shop,
        "deploy",
        "head -c 15M /dev/urandom >kept/two; sleep 600",
    )
    .has("error: deploy failed in command 1 of 1 (sh script), stopped: it took ")
    .has(" MB of disk, and deploy.limits.disk is 20.0 MB")
    .has("main still serves r2; deploy commands may have changed its data.");
    shop.write("hungry.py", HUNGRY);
    pushed(
        &shop,
        "deploy",
        "rm kept/two; python3 hungry.py 150 0 0 600",
    )
    .has(" MB of memory, and deploy.limits.memory is 100.0 MB");
    assert_eq!(shop.get("/").ok(), "one\n");
}

#[test]
fn processors_and_open_files_are_as_many_as_were_given() {
    let world = world("[build.limits]\ncpus = 0.5\nopen_files = 100\n");
    let shop = deployed(&world, "shop");
    shop.write(
        "free.py",
        "import os\ntry:\n    os.sched_setaffinity(0, range(os.cpu_count()))\n    \
         print('freed')\nexcept PermissionError:\n    print('kept')\n",
    );
    let said = pushed(
        &shop,
        "build",
        "echo has $(nproc) processors; python3 free.py",
    )
    .has("| has 1 processors")
    .has("main now serves r2");
    if available_parallelism().unwrap().get() > 1 {
        said.has("| kept");
    }
    shop.write("open.py", "files = [open('script') for _ in range(200)]\n");
    pushed(&shop, "build", "python3 open.py")
        .has("Too many open files")
        .has("error: build failed in step 1 of 1 (sh script), exit code 1")
        .has("perhaps it met build.limits.open_files = 100")
        .has("main still serves r2");
}

#[test]
fn a_process_that_takes_too_much_is_started_again_and_its_neighbour_serves_on() {
    let world = world("[processes.limits]\nmemory = \"150M\"\n");
    let (read, grows) = (
        "    def do_GET(self):\n",
        "    def do_GET(self):\n        if self.path == \"/grow\":\n            \
         Handler.much = b\"x\" * 300000000\n            signal.pause()\n",
    );
    let server = SERVER
        .1
        .replace(read, grows)
        .replace("signal.pause()", "threading.Event().wait()");
    let shop = world.site("shop", &[CONFIG, ("app.py", &server), ("version", "one\n")]);
    shop.init();
    shop.push(&["main"]).ok();
    let side = deployed(&world, "side");
    let broken = world.get(&host("shop"), "/grow");
    assert_eq!(broken.status, 502, "{}", broken.body);
    wait_for_log(&world, "process web ended: it took ");
    assert_eq!(side.get("/").ok(), "one\n");
    wait_for_log(&world, "process web runs (started again 1 times)");
    let reason = " MB of memory, and processes.limits.memory is 150.0 MB";
    shop.wharf(&["environments"])
        .ok()
        .has("restarted 1 times: it took ")
        .has(reason);
    shop.wharf(&["log", "--app"])
        .ok()
        .has("wharf: stopped: it took ")
        .has(reason);
    shop.wharf(&[
        "run",
        "--",
        "sh",
        "-c",
        "head -c 200M /dev/zero >/tmp/much; sleep 600",
    ])
    .exits(6)
    .has("error: it was ended: it took ")
    .has(reason);

    // One that takes too much at its start never serves.
    shop.write(
        "app.py",
        &format!(
            "much = b'x' * 300000000\nimport time\ntime.sleep(600)\n{}",
            SERVER.1
        ),
    );
    shop.commit("Grow at once");
    shop.push(&["main"])
        .ok()
        .has("error: the new release was stopped at its start: it took ")
        .has(reason)
        .has("main still serves r1");
}
