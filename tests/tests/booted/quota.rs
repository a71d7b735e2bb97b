//! Room that the file system keeps: a project quota on the state's disk.

use crate::machine::Machine;

/// What the operator allows here.
const HOST: &str = "[build.limits]\ndisk = \"8M\"\n[processes.limits]\ndisk = \"40M\"\n";

/// Fills its mount when somebody asks for it, and says what comes of it.
const SERVER: &str = r#"
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = 'serves'
        if self.path == '/fill':
            try:
                with open('data/much', 'wb') as much:
                    for _ in range(100):
                        much.write(b'x' * 1_000_000)
                said = 'it fits'
            except OSError as error:
                said = f'{error.strerror} after {os.stat("data/much").st_blocks * 512 // 1_000_000} MB'
        self.send_response(200)
        self.end_headers()
        self.wfile.write(said.encode())
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Page).serve_forever()
"#;
const WEB: &str = "web = \"exec python3 app.py\"\n[mounts]\ndata = \"private\"\n\
    [deploy]\nhealth = { path = \"/\", within = \"60s\" }\n";

#[test]
fn what_the_file_system_keeps_nobody_exceeds() {
    let machine = Machine::boot();
    machine.runs(&format!(
        "cat >/etc/wharf/wharfd.toml <<'END'\n{HOST}\nEND\nwharf reload"
    ));
    let files = [("wharf.toml", WEB), ("app.py", SERVER)];
    let pushed = machine.pushes("shop", &files);
    pushed.ok().has("main now serves r1");

    // In one write, long before anybody looks; also in a directory that the build makes.
    let config = format!("build = \"mkdir deep; head --bytes=200M /dev/zero >deep/much\"\n{WEB}");
    machine
        .changes("shop", &[("wharf.toml", &config)])
        .ok()
        .has("Disk quota exceeded")
        .has("it took 8.0 MB of disk, and build.limits.disk is 8.0 MB")
        .has("main still serves r1");
    let config = format!("build = \"mkdir deep; head --bytes=2M /dev/zero >deep/much\"\n{WEB}");
    machine
        .changes("shop", &[("wharf.toml", &config)])
        .ok()
        .has("main now serves r2");

    // A process is told, and goes on.
    let live = |jobs: String| {
        jobs.lines()
            .find(|job| job.contains(".r2."))
            .map(str::to_owned)
    };
    let job = live(machine.jobs());
    assert_eq!(
        machine.gets("shop", "/fill"),
        "Disk quota exceeded after 39 MB"
    );
    assert_eq!(machine.gets("shop", "/"), "serves");
    assert!(job.is_some() && live(machine.jobs()) == job);
    // Nothing in a sandbox changes whose it is, or how much that may take.
    let take = "cd /root/shop; wharf run -- python3 -c \"
import fcntl, os
place = os.open('data', os.O_RDONLY)
for number in (0, 7):
    attributes = bytearray(28)
    fcntl.ioctl(place, 0x801c581f, attributes)
    attributes[12:16] = number.to_bytes(4, 'little')
    try:
        fcntl.ioctl(place, 0x401c5820, bytes(attributes))
        print('it is project', number)
    except OSError as error:
        print('held:', error.strerror)
\"";
    machine.runs(take).has("held: ").lacks("it is project");
}
