//! Limits that only a kernel with the controllers of control groups keeps: memory, tasks, processors.

use std::process::Child;

use wharf_tests::Said;

use crate::machine::Machine;

/// What the operator allows here.
const HOST: &str = "
[build.limits]
memory = \"150M\"
tasks = 100
cpus = 0.5
[deploy.limits]
memory = \"150M\"
[processes.limits]
memory = \"200M\"
tasks = 100
";

/// A server whose memory grows when somebody asks for it.
const SERVER: &str = r#"
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    much = b''
    def do_GET(self):
        if self.path == '/grow':
            Page.much = b'x' * 400_000_000
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'serves')
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Page).serve_forever()
"#;
const WEB: &str =
    "web = \"exec python3 app.py\"\n[deploy]\nhealth = { path = \"/\", within = \"60s\" }\n";

/// Asks a neighbour all the time, and writes down what failed.
const ASKS: &str = "while sleep 0.5; do
  curl --silent --fail --max-time 20 --header 'Host: main--side.localhost' http://127.0.0.1:7080/ \
    >/dev/null && echo served >>/root/asked || echo failed >>/root/asked
done";

/// A machine with these limits, a neighbour that is asked all the time, and a shop that is live.
fn machine() -> Machine {
    let machine = Machine::boot();
    machine.runs(&format!(
        "cat >/etc/wharf/wharfd.toml <<'END'\n{HOST}\nEND\nwharf reload"
    ));
    for project in ["side", "shop"] {
        let files = [("wharf.toml", WEB), ("app.py", SERVER)];
        let pushed = machine.pushes(project, &files);
        pushed.ok().has("main now serves r1");
    }
    machine
}

/// The neighbour served whenever it was asked, and the daemon is the one that it was.
fn nobody_else_felt_it(machine: &Machine, daemon: &str) {
    machine.runs("grep --quiet served /root/asked");
    machine.runs("! grep failed /root/asked");
    assert_eq!(main_process(machine), daemon);
    assert_eq!(machine.gets("side", "/"), "serves");
}

fn main_process(machine: &Machine) -> String {
    let show = "systemctl show --property MainPID --value wharfd";
    machine.runs(show).out
}

/// A push whose build is this script.
fn built(machine: &Machine, script: &str) -> Said {
    let config = format!("build = \"sh build.sh\"\n{WEB}");
    machine.changes("shop", &[("wharf.toml", &config), ("build.sh", script)])
}

/// How many percent of a processor a build gets that spins, and its push, which was cancelled then.
fn spins(machine: &Machine) -> (u64, Child) {
    machine.runs("cd /root/shop; echo 'while :; do :; done' >build.sh");
    let push = machine.begins("cd /root/shop; git commit -qam spin; git push wharf main");
    let stat = "/sys/fs/cgroup/wharf.slice/wharf-*.slice/wharf-job-*.build-1.service/cpu.stat";
    machine.waits_for(&format!("grep -E 'usage_usec [0-9]{{7}}' {stat}"));
    let used = format!("awk '/^usage_usec/ {{ print $2 }}' {stat}");
    let measured = machine.runs(&format!(
        "used=$({used}); began=$(date +%s%6N); sleep 10
         echo $((100 * ($({used}) - used) / ($(date +%s%6N) - began)))
         grep nr_throttled {stat}"
    ));
    let measured = measured.lacks("nr_throttled 0");
    machine.runs(
        "cd /root/shop; wharf cancel $(ls /run/wharf-helper/jobs | sed -n 's/[.]build-1$//p')",
    );
    let share = measured.out.lines().next().unwrap();
    (share.parse().unwrap(), push)
}

#[test]
fn what_a_build_takes_is_its_own_affair() {
    let machine = machine();
    let daemon = main_process(&machine);
    let asks = machine.begins(ASKS);

    let fills = "python3 -c \"much = [bytearray(1 << 20) for _ in range(400)]; print(len(much))\"";
    built(&machine, fills)
        .ok()
        .has("error: build failed in step 1 of 1 (sh build.sh), stopped: ")
        .has("it took 150.0 MB of memory, and build.limits.memory is 150.0 MB")
        .has("to raise build.limits.memory")
        .has("main still serves r1");
    machine
        .tries("wharf activities --json")
        .has("\"over-limit\"");
    // It was the kernel, which takes the whole unit.
    machine.runs("journalctl --boot --dmesg | grep 'oom-kill:.*wharf-job-.*build-1'");

    let config = format!("{WEB}run = \"head -c 200M /dev/zero >/tmp/much\"\n");
    let pushed = machine.changes("shop", &[("wharf.toml", &config)]);
    pushed
        .ok()
        .has("it took 150.0 MB of memory, and deploy.limits.memory is 150.0 MB")
        .has("main still serves r1");

    // Those that cannot fork end, and so does the rest after a while.
    let forks = "cat /proc/self/oom_score_adj\nbomb() { bomb | bomb & }\nbomb; sleep 5; exit 9\n";
    built(&machine, forks)
        .ok()
        // The kernel takes it before the daemon.
        .has("| 500")
        .has("it wanted more than 100 processes and threads, and build.limits.tasks is 100")
        .has("to raise build.limits.tasks")
        .has("main still serves r1");
    machine.waits_for("test $(ls /run/wharf-helper/jobs | wc -l) = 2");

    let (share, mut push) = spins(&machine);
    assert!((20..=60).contains(&share), "{share} percent of a processor");
    push.wait().unwrap();

    nobody_else_felt_it(&machine, &daemon);
    ends(asks);
}

#[test]
fn a_process_that_takes_too_much_is_started_again_and_its_neighbour_serves_on() {
    let machine = machine();
    let daemon = main_process(&machine);
    let asks = machine.begins(ASKS);
    machine.tries("curl --silent --header 'Host: main--shop.localhost' http://127.0.0.1:7080/grow");
    let reason = "it took 200.0 MB of memory, and processes.limits.memory is 200.0 MB";
    machine.waits_for(&format!(
        "journalctl --boot --unit wharfd | grep 'process web ended: {reason}'"
    ));
    machine.waits_for(
        "curl --fail --silent --header 'Host: main--shop.localhost' http://127.0.0.1:7080/",
    );
    let ask = |question: &str| machine.runs(&format!("cd /root/shop; {question}"));
    ask("wharf environments").has(&format!("restarted 1 times: {reason}"));
    ask("wharf log --app").has(&format!("wharf: {reason}"));
    machine.runs("journalctl --boot --dmesg | grep 'oom-kill:.*wharf-job-'");
    nobody_else_felt_it(&machine, &daemon);
    ends(asks);
}

fn ends(mut asks: Child) {
    asks.kill().and_then(|()| asks.wait()).unwrap();
}
