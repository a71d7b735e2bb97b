//! What comes back by itself when the machine is booted again.

use crate::machine::Machine;

const SERVER: &str = r#"
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(open('said').read().encode() + open('data/kept', 'rb').read())
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Page).serve_forever()
"#;
const CONFIG: &str = "web = \"exec python3 app.py\"\n[mounts]\ndata = \"private\"\n\
    [deploy]\nrun = \"echo $RANDOM$$ >>data/kept\"\nhealth = { path = \"/\", within = \"60s\" }\n";

#[test]
fn what_was_live_is_live_again() {
    let mut machine = Machine::boot();
    for (project, private) in [("shop", ""), ("blog", "network = \"private\"\n")] {
        let config = format!("{private}{CONFIG}");
        let files = [
            ("wharf.toml", config.as_str()),
            ("app.py", SERVER),
            ("said", project),
        ];
        machine
            .pushes(project, &files)
            .ok()
            .has("main now serves r1");
    }
    machine.pushes("page", &[("index.html", "static")]).ok();
    machine
        .changes("shop", &[("said", "the second shop")])
        .ok()
        .has("main now serves r2");
    let visits = |machine: &Machine| ["shop", "blog"].map(|project| machine.gets(project, "/"));
    let before = visits(&machine);
    assert!(before[0].starts_with("the second shop\n"), "{}", before[0]);
    let users = "grep . /var/lib/wharf-helper/users/*";
    let given = machine.runs(users).out;
    // A build is under way when it goes down.
    machine.runs(
        "cd /root/blog; printf 'build = \"sleep 31538\"\\n' | cat - wharf.toml >w; mv w wharf.toml",
    );
    let mut push = machine.begins("cd /root/blog; git commit -qam slow; git push wharf main");
    machine.waits_for("pgrep --full 'sleep 31538'");
    let boot = machine.runs("cat /proc/sys/kernel/random/boot_id").out;

    machine.reboots();
    push.wait().unwrap();
    assert_ne!(
        machine.runs("cat /proc/sys/kernel/random/boot_id").out,
        boot
    );
    for project in ["shop", "blog", "page"] {
        machine.waits_for(&format!(
            "curl --silent --fail --header 'Host: main--{project}.localhost' http://127.0.0.1:7080/"
        ));
    }
    assert_eq!(visits(&machine), before);
    assert!(machine.gets("page", "/").contains("static"));
    assert_eq!(machine.runs(users).out, given);
    // The push that was accepted is not lost: its build begins again.
    machine.waits_for("pgrep --full 'sleep 31538'");
}
