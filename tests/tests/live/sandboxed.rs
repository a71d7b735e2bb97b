//! What programs of good will do in the sandbox, and what the operator and the project say of it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use wharf_tests::World;

use crate::app::{CONFIG, SERVER, deployed};

const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n";

/// Ends well where nothing answers on the loopback interface.
const OFFLINE: &str = r#"import os, socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])))
except OSError:
    print("alone", os.environ.get("WHARF_BUILD_NETWORK"))
    sys.exit()
sys.exit("somebody answers")
"#;

#[test]
fn a_build_without_a_network_reaches_nobody() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("offline.py", OFFLINE);
    let config = |network: &str| {
        let step = format!("python3 offline.py {}", world.port());
        format!("{}[build]\nsteps = [\"{step}\"]\n{network}", CONFIG.1)
    };
    shop.write("wharf.toml", &config(""));
    shop.commit("With a network");
    shop.push(&["main"])
        .ok()
        .has("somebody answers")
        .has("main still serves r1");

    shop.write("wharf.toml", &config("network = \"none\"\n"));
    shop.commit("By the project's word");
    shop.push(&["main"])
        .ok()
        .has("alone none")
        .has("main now serves r2");
    assert_eq!(shop.get("/").ok(), "one\n");

    // By the host's, whatever the project says.
    let file = world.path("wharf/config/wharfd.toml");
    fs::write(&file, format!("{HOST}[build]\nnetwork = \"none\"\n")).unwrap();
    world.wharf(&["reload"]).ok();
    shop.write("wharf.toml", &config("network = \"full\"\n"));
    shop.commit("By the host's word");
    shop.push(&["main"]).ok().has("main now serves r3");
}

#[test]
fn a_step_that_starts_too_many_processes_hurts_itself() {
    let world = World::unprivileged(&format!("{HOST}[build.limits]\ntasks = 64\n"));
    let shop = deployed(&world, "shop");
    shop.write(
        "forks.py",
        "import os, sys, time\nfor n in range(int(sys.argv[1])):\n    if not os.fork(): time.sleep(600)\n",
    );
    let build = |forks: u32| {
        let step = format!("build = \"python3 forks.py {forks}\"\n");
        shop.write("wharf.toml", &format!("{step}{}", CONFIG.1));
        shop.commit("Fork");
        shop.push(&["main"]).ok()
    };
    build(40).has("main now serves r2");
    build(200)
        .has("BlockingIOError")
        .has("perhaps it met build.limits.tasks = 64")
        .has("error: build failed in step 1 of 1")
        .has("main still serves r2; nothing was changed.");
    assert_eq!(shop.get("/").ok(), "one\n");
}

#[test]
fn less_isolation_than_usual_is_said_at_each_deployment_and_by_doctor() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.wharf(&["doctor"])
        .ok()
        .has("applications share one user")
        .has("docs/isolation.md")
        .lacks("reduced isolation");

    // A bubblewrap from before there were filters.
    let old = world.path("tools/bwrap");
    let script = "#!/bin/sh\nfor word; do case $word in --add-seccomp-fd|--disable-userns)\n\
        echo \"bwrap: Unknown option $word\" >&2; exit 1;; esac; done\n\
        exec /usr/bin/bwrap \"$@\"\n";
    fs::write(&old, script).unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    world.end_daemon();
    world.start();
    shop.write("version", "two\n");
    shop.commit("Two");
    shop.push(&["main"])
        .ok()
        .has("reduced isolation: code can make user namespaces of its own")
        .has("reduced isolation: system calls are not filtered: Unknown option")
        .has("main now serves r2");
    shop.wharf(&["doctor"])
        .ok()
        .has("reduced isolation: system calls are not filtered")
        .has("bubblewrap 0.8");
}

/// What compilers, databases and archives do with files, processes and memory.
const ORDINARY: &str = r#"
set -eu
mkdir -p a/b; chmod 1777 a; chmod 750 a/b; echo x >a/f; cp -a a c; ln a/f a/g; ln -s f a/h
tar cf t.tar a; mkdir d; tar xf t.tar -C d; mv d/a e; mkfifo p; rm -r p d
setsid true; nice -n 5 true; timeout 5 sleep 0; flock a/f true; taskset -p $$ >/dev/null
python3 - <<'END'
import mmap, multiprocessing, os, select, socket, sqlite3
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(2) as pool:
    assert list(pool.map(abs, [-1, -2])) == [1, 2]
with multiprocessing.Manager() as manager:
    manager.list([1])
mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
base = sqlite3.connect("base.db")
base.execute("pragma journal_mode=wal")
base.execute("create table t(a)")
base.close()
socket.socketpair()
socket.if_nameindex()
select.epoll()
os.memfd_create("x")
os.eventfd(0)
os.sched_getaffinity(0)
old, new = os.open("t.tar", os.O_RDONLY), os.open("u", os.O_CREAT | os.O_WRONLY, 0o644)
os.copy_file_range(old, new, 100)
os.posix_fadvise(old, 0, 0, os.POSIX_FADV_NORMAL)
os.open(".", os.O_TMPFILE | os.O_RDWR, 0o644)
os.posix_spawn("/bin/true", ["true"], os.environ)
os.wait()
END
echo all well >version
"#;

#[test]
fn what_builds_do_with_files_and_processes_is_left_to_them() {
    let world = World::unprivileged(HOST);
    let config = format!("build = \"sh ordinary\"\n{}", CONFIG.1);
    let files = [
        ("wharf.toml", config.as_str()),
        SERVER,
        ("ordinary", ORDINARY),
    ];
    let shop = world.site("shop", &files);
    shop.init();
    shop.push(&["main"]).ok().has("main now serves r1");
    assert_eq!(shop.get("/").ok(), "all well\n");
}
