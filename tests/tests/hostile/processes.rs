//! What code does with the machine that builds and runs it: takes too much, stays too long, looks
//! around.

use std::fs;

use wharf_tests::{Shop, World, is_left};

use crate::{
    app::{CONFIG, deployed, host},
    host::Host,
    says,
    squat::{SQUATS, takes},
};

const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n";

/// A build of one script.
fn build(shop: &Shop<'_>, script: &str) {
    shop.tree.write("build.sh", script);
    let config = "public = \".\"\nbuild = \"sh build.sh\"\n";
    shop.tree.write("wharf.toml", config);
}

/// The same in Python.
fn python(shop: &Shop<'_>, script: &str) {
    shop.tree.write("build.py", script);
    let config = "public = \".\"\nbuild = \"python3 build.py\"\n";
    shop.tree.write("wharf.toml", config);
}

#[test]
fn a_fork_bomb() {
    let limits = "[build.limits]\ntasks = 200\ntime = \"5s\"\n";
    let host = Host::of(World::unprivileged(&format!("{HOST}{limits}")));
    let shop = Shop::open(&host);
    // Each one that cannot fork ends; those that wait for it go on, as long as they may.
    build(
        &shop,
        "bomb() { bomb | bomb & }\nbomb; sleep 31536141 & wait; exit 9\n",
    );
    shop.failed()
        .has("stopped: the build took longer than 5s")
        .has(says("processes::a_fork_bomb"));
    assert!(!is_left("31536141"), "a process is left");
    host.still_serves();
}

#[test]
fn as_much_memory_as_it_gets() {
    let limits = "[build.limits]\nmemory = \"200M\"\n";
    let host = Host::of(World::unprivileged(&format!("{HOST}{limits}")));
    let shop = Shop::open(&host);
    // A gigabyte in two seconds, in processes of which none has much.
    let script = "import os, time\nwhile True:\n    if os.fork() == 0:\n        \
        much = b'x' * (20 << 20)\n        time.sleep(600)\n    time.sleep(0.04)\n";
    python(&shop, script);
    shop.failed()
        .has("stopped: it took ")
        .has(says("processes::as_much_memory_as_it_gets"));
    host.still_serves();
}

#[test]
fn as_much_disk_as_it_gets() {
    let limits = "[build.limits]\ndisk = \"100M\"\n";
    let host = Host::of(World::unprivileged(&format!("{HOST}{limits}")));
    let shop = Shop::open(&host);
    // A gigabyte in two seconds, in files of which none is large.
    let script = "n=0\nwhile head -c 20M /dev/urandom >$n; do n=$((n + 1)); sleep 0.01; done\n";
    build(&shop, script);
    shop.failed()
        .has("stopped: it took ")
        .has(says("processes::as_much_disk_as_it_gets"));
    host.still_serves();
}

#[test]
fn a_full_scratch_directory() {
    let host = Host::new();
    let shop = Shop::open(&host);
    build(&shop, "head -c 1100000000 /dev/zero >/tmp/full\n");
    shop.failed()
        .has(says("processes::a_full_scratch_directory"))
        .has("exit code 1");
    host.still_serves();
}

#[test]
fn a_result_that_claims_to_be_endless() {
    let host = Host::new();
    let shop = Shop::open(&host);
    build(&shop, "truncate -s 200G endless\n");
    let said = shop.failed();
    said.has(says("processes::a_result_that_claims_to_be_endless"));
    host.still_serves();
}

#[test]
fn a_result_without_a_bottom() {
    let host = Host::new();
    let shop = Shop::open(&host);
    python(&shop, "import os\nos.makedirs('/'.join(['d'] * 300))\n");
    let said = shop.failed();
    said.has(says("processes::a_result_without_a_bottom"));
    host.still_serves();
}

/// Leaves processes behind in every way in which a parent can lose them.
const STAYS: &str = r#"import os, signal, subprocess, sys, time

def vanish():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
    os.closerange(0, 1000)
    os.execvp("sleep", ["sleep", sys.argv[1]])

# Twice forked, in a session of its own, without a descriptor.
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        vanish()
    os._exit(0)
# With the output held open.
subprocess.Popen(["setsid", "sleep", sys.argv[1]])
# Stopped, so that it sees no polite signal.
stopped = subprocess.Popen(["sleep", sys.argv[1]])
stopped.send_signal(signal.SIGSTOP)
print("all are away", flush=True)
"#;

#[test]
fn what_outlives_its_stage() {
    let host = Host::new();
    let shop = Shop::open(&host);
    shop.tree.write("stays.py", STAYS);
    let mark = "31536142";
    let stays = format!("python3 stays.py {mark}");
    let config = format!("public = \".\"\nbuild = \"{stays}\"\n[deploy]\nrun = \"{stays}\"\n");
    shop.tree.write("wharf.toml", &config);
    let said = shop.live().transcript();
    assert_eq!(said.matches("| all are away").count(), 2, "{said}");
    assert!(!is_left(mark), "a process is left");
    host.still_serves();
}

#[test]
fn silence_with_closed_descriptors() {
    let limits = "[build.limits]\nsilence = \"2s\"\n";
    let host = Host::of(World::with_host_file(&format!("{HOST}{limits}")));
    let shop = Shop::open(&host);
    let mark = "31536143";
    build(
        &shop,
        &format!("exec >&- 2>&- <&-\n(setsid sleep {mark} &)\nsleep {mark}\n"),
    );
    shop.failed()
        .has(says("processes::silence_with_closed_descriptors"))
        .has("build.limits.silence");
    assert!(!is_left(mark), "a process is left");
    host.still_serves();
}

#[test]
fn a_signal_for_everybody() {
    let host = Host::new();
    let shop = Shop::open(&host);
    // The first goes to all but the shell itself, the second to the sandbox's first process. What waits for the
    // shell may die of it, and the shell with that, so it speaks first.
    build(
        &shop,
        "sleep 31536144 &\necho none of them is ours\nkill -9 -1\nkill -9 1\nexit 5\n",
    );
    shop.failed().has(says("processes::a_signal_for_everybody"));
    assert!(!is_left("31536144"), "a process is left");
    host.still_serves();
}

/// Looks for the neighbour wherever a process could be seen, read or followed.
const SNOOPS: &str = r#"import ctypes, glob, os, sys

pid, secret = int(sys.argv[1]), "of-the-neighbour-" + "2077"
libc = ctypes.CDLL(None, use_errno=True)

def tries(what, ask):
    try:
        found = ask()
    except OSError as error:
        return print(what, "-", error.strerror)
    print(what, "FOUND" if found else "- nothing")

def read(path):
    with open(path, "rb") as file:
        return file.read()

def anywhere(name):
    for path in glob.glob(f"/proc/[0-9]*/{name}"):
        try:
            if secret.encode() in read(path):
                return True
        except OSError:
            pass

def ptrace(request):
    if libc.ptrace(request, pid, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True

for name in ["environ", "cmdline", "maps", "root/app/version", "cwd/version", "fd/0", "mem"]:
    tries(name, lambda: read(f"/proc/{pid}/{name}"))
for name in ["environ", "cmdline"]:
    tries(f"any {name}", lambda: anywhere(name))
tries("attach", lambda: ptrace(16))
tries("seize", lambda: ptrace(0x4206))
tries("signal", lambda: os.kill(pid, 0) is None)
tries("priority", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19) is None)
tries("processor", lambda: os.sched_setaffinity(pid, {0}) is None)
sys.exit(6)
"#;

#[test]
fn a_look_at_the_neighbour() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let server = host.processes().into_iter();
    let server = server
        .into_iter()
        .find(|process| process.line == ["python3", "app.py"]);
    let pid = server.expect("the neighbour runs").pid.as_raw_nonzero();
    shop.tree.write("build.py", SNOOPS);
    let config = format!("public = \".\"\nbuild = \"python3 build.py {pid}\"\n");
    shop.tree.write("wharf.toml", &config);
    let said = shop.failed().has("exit code 6").lacks("FOUND");
    said.has(says("processes::a_look_at_the_neighbour"));
    host.still_serves();
}

/// Asks the daemon to delete the neighbour, at every place where a socket could be.
const SPEAKS: &str = r#"import glob, json, os, socket, struct, sys

def frame(message):
    text = json.dumps(message).encode()
    return struct.pack(">I", len(text)) + text

places = sys.argv[1:] + ["/run/wharf/wharfd.sock", "/run/wharfd.sock"]
places += [f"/proc/{n}/root{path}" for n in ("1", "self") for path in sys.argv[1:]]
places += ["\0" + path for path in sys.argv[1:]]
places += glob.glob("/run/**/*.sock", recursive=True)
for place in places:
    try:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(place)
        stream.sendall(frame({"hello": {"wharf": 1, "client": "wharf as root"}}))
        print("SPEAKS with", place, stream.recv(4096))
    except OSError as error:
        print("not there:", error.strerror)
for path in sys.argv[1:]:
    os.symlink(path, os.path.basename(path))
sys.exit(7)
"#;

#[test]
fn a_word_with_the_daemon() {
    let host = Host::new();
    let shop = Shop::open(&host);
    shop.tree.write("build.py", SPEAKS);
    let sockets = ["run/wharfd.sock", "run/router.sock"].map(|name| host.home().join(name));
    assert!(sockets.iter().all(|socket| socket.exists()));
    let sockets = sockets.map(|socket| socket.display().to_string()).join(" ");
    let config = format!("public = \".\"\nbuild = \"python3 build.py {sockets}\"\n");
    shop.tree.write("wharf.toml", &config);
    let said = shop.failed().has("exit code 7").lacks("SPEAKS");
    said.has(says("processes::a_word_with_the_daemon"));
    host.still_serves();
}

#[test]
fn files_that_run_as_their_owner() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let script = "cp /bin/true t\nchmod u+s t || chmod 6755 t || chmod g+s t || echo none may\n\
        python3 -c 'import os; os.mkdir(\"d\", 0o7777)'\nls -ld d t\n";
    build(&shop, script);
    let said = shop
        .live()
        .has(says("processes::files_that_run_as_their_owner"));
    for line in said
        .transcript()
        .lines()
        .filter(|line| line.ends_with(" t"))
    {
        assert!(line.starts_with("  | -rwx"), "{line}");
    }
    let slugs = fs::read_dir(host.home().join("state/slugs")).unwrap();
    for slug in slugs {
        let find = "find . -perm /6000 | grep . && exit 1; exit 0";
        let mut command = host.command("sh");
        command.args(["-c", find]).current_dir(slug.unwrap().path());
        wharf_tests::run(&mut command).ok();
    }
    host.still_serves();
}

#[test]
fn a_port_that_a_neighbour_took() {
    let here = Host::new();
    let squatter = deployed(&here, "squatter");
    squatter.write("app.py", SQUATS);
    squatter.commit("Squat");
    squatter.push(&["main"]).ok().has("main now serves r2");
    let shop = Shop::open(&here);
    // Slow to begin, and its port is known: the neighbour is quicker. Nobody's fault but the network's.
    let take = takes(here.port(), &host("squatter"));
    shop.tree.write("take.py", &take);
    let web = "web = \"python3 take.py && exec sleep 31536145\"";
    let config = CONFIG.1.replace("web = \"exec python3 app.py\"", web);
    shop.tree.write("wharf.toml", &config);
    shop.failed()
        .has(says("processes::a_port_that_a_neighbour_took"));
    assert!(!is_left("31536145"), "a process is left");
    here.still_serves();
}
