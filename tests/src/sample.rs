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
    config: &'static str,
    next: u32,
}

impl<'world> Sample<'world> {
    /// A project of that name; nothing is pushed yet.
    pub fn new(world: &'world World, project: &str) -> Sample<'world> {
        Sample::with(world, project, CONFIG)
    }

    /// The same without processes.
    pub fn still(world: &'world World, project: &str) -> Sample<'world> {
        Sample::with(world, project, STILL)
    }

    fn with(world: &'world World, project: &str, config: &'static str) -> Sample<'world> {
        let tree = world.site(
            project,
            &[("app.py", SERVER), ("patches/public.patch", PATCH)],
        );
        tree.init();
        Sample {
            tree,
            config,
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
