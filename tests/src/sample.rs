//! The application that the judge knows: whatever serves says which commit it is of.
//!
//! Each commit's message is its version, and so is the content of the file `version`. A patch makes
//! the directory `public`, the build copies it to `public/built`, which the router serves; the web process answers `/` with it; deploy commands,
//! late commands and the worker append it to files in the mount `data`.

use std::{fs, path::PathBuf};

use crate::{Tree, World};

/// The mark in a version of a commit whose deploy commands may run twice.
pub const REPEATABLE: &str = "repeatable";

/// A server that starts in some ten milliseconds: no library but sockets.
const SERVER: &str = r#"import os, socket

body = open("version", "rb").read()
answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body)
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=128)
while True:
    client = listener.accept()[0]
    try:
        client.recv(65536)
        client.sendall(answer)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
    except OSError:
        pass
    client.close()
"#;

const CONFIG: &str = r#"public = "public"

[build]
steps = ["cp version public/built"]

[web]
start = "exec python3 -ISu app.py"

[workers]
counter = "cat version >> data/worked; exec sleep 1000000"

[deploy]
run = "cat version >> data/deployed"
after = "cat version >> data/late"
"#;

/// What makes the directory that the build writes to: without it no build ends well.
const PATCH: &str = "diff --git a/public/patched b/public/patched\n\
    new file mode 100644\n--- /dev/null\n+++ b/public/patched\n@@ -0,0 +1 @@\n+yes\n";
/// The same with all that a deployment may do: visitors are kept away while static content is made
/// and its commands run, and it is checked. Without installation it is installed, else updated.
const FULL: &str = r#"public = "public"

[build]
steps = ["mkdir -p public"]

[assets]
run = "cp version public/built"
when = { committed = "config.php" }
outputs = ["public"]

[web]
start = "exec python3 -ISu app.py"

[workers]
counter = "cat version >> data/worked; exec sleep 1000000"

[checks]
shown = "python3 -IS check.py"

[deploy]
maintenance = { unless = "false" }
hold = "60s"
install = { unless = "INSTALLED", run = ["true", "cat version >> data/deployed; touch data/installed"] }
run = "cat version >> data/deployed"
after = "cat version >> data/late"
"#;

/// Whether both pages of the release are those of this version.
const CHECK: &str = r#"import os, socket

host, port = os.environ["WHARF_CHECK_URL"].removeprefix("http://").split(":")
version = open("version", "rb").read()
for path in ["/", "/built"]:
    client = socket.create_connection((host, int(port)))
    client.sendall(b"GET %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n" % (path.encode(), host.encode()))
    answer = b""
    while part := client.recv(65536):
        answer += part
    assert answer.endswith(b"\r\n\r\n" + version), answer
"#;

/// The same without processes: the router serves both pages from the slug.
const STILL: &str = r#"public = "public"

[build]
steps = ["cp version public/built; cp version public/index.html"]

[deploy]
run = "cat version >> data/deployed"
after = "cat version >> data/late"
"#;

/// A work tree of it, and its next version.
#[derive(Debug)]
pub struct Sample<'world> {
    /// The work tree.
    pub tree: Tree<'world>,
    config: String,
    next: u32,
}

impl<'world> Sample<'world> {
    /// A project of that name; nothing is pushed yet.
    pub fn new(world: &'world World, project: &str) -> Sample<'world> {
        Sample::with(world, project, CONFIG)
    }

    /// The same with maintenance, content made in the deploy, and checks; updated at each push but the
    /// first.
    pub fn full(world: &'world World, project: &str) -> Sample<'world> {
        Sample::with(
            world,
            project,
            &FULL.replace("INSTALLED", "test -e data/installed"),
        )
    }

    /// The same, installed anew at each push.
    pub fn fresh(world: &'world World, project: &str) -> Sample<'world> {
        Sample::with(world, project, &FULL.replace("INSTALLED", "false"))
    }

    /// The same without processes.
    pub fn still(world: &'world World, project: &str) -> Sample<'world> {
        Sample::with(world, project, STILL)
    }

    fn with(world: &'world World, project: &str, config: &str) -> Sample<'world> {
        let files = [
            ("app.py", SERVER),
            ("check.py", CHECK),
            ("patches/public.patch", PATCH),
        ];
        let tree = world.site(project, &files);
        tree.init();
        Sample {
            tree,
            config: config.to_owned(),
            next: 1,
        }
    }

    /// Commits the next version; returns it. Its deploy commands run once only.
    pub fn commit(&mut self) -> String {
        self.commit_of("once")
    }

    /// The same, where deploy commands may run twice.
    pub fn commit_repeatable(&mut self) -> String {
        self.commit_of(REPEATABLE)
    }

    fn commit_of(&mut self, kind: &str) -> String {
        let version = format!("v{} {kind}", self.next);
        self.next += 1;
        self.tree.write("version", &format!("{version}\n"));
        let config = format!(
            "{}repeatable = {}\n\n[mounts]\ndata = \"private\"\n",
            self.config,
            kind == REPEATABLE
        );
        self.tree.write("wharf.toml", &config);
        self.tree.commit(&version);
        version
    }
}

/// The lines that an environment's processes wrote to a file of the mount: versions. A power cut
/// leaves zeros where what they appended was not synced, which the next line then follows.
pub(crate) fn written(world: &World, project: &str, environment: &str, file: &str) -> Vec<String> {
    let mounts = world.home().join("state/mounts").join(project);
    let mounts: PathBuf = mounts.join(environment);
    let Ok(entries) = fs::read_dir(mounts) else {
        return Vec::new();
    };
    let files = entries.filter_map(Result::ok);
    let texts = files.filter_map(|mount| fs::read_to_string(mount.path().join(file)).ok());
    let lines = texts.flat_map(|text| {
        let lines = text.lines().map(|line| line.trim_start_matches('\0'));
        lines.map(str::to_owned).collect::<Vec<_>>()
    });
    lines.collect()
}
