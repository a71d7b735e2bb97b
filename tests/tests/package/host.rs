//! A git host as many are: bare repositories of a user `git`, a developer with a key, and no Wharf yet.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use wharf_tests::{Said, run};

use crate::{machine::Machine, package};

/// What is there before anybody has heard of Wharf.
const GIT_HOST: &str = r#"
set -e
useradd --create-home --shell /usr/bin/git-shell git
useradd --create-home --shell /bin/bash ada
install -d -o git -g git /srv/git
runuser -u git -- git init --quiet --bare --initial-branch=main /srv/git/shop.git
install -d -m 0700 -o git -g git /home/git/.ssh
install -d -m 0700 -o ada -g ada /home/ada/.ssh
runuser -u ada -- ssh-keygen -q -t ed25519 -N '' -f /home/ada/.ssh/id_ed25519
install -m 0600 -o git -g git /home/ada/.ssh/id_ed25519.pub /home/git/.ssh/authorized_keys
printf 'StrictHostKeyChecking accept-new\nLogLevel ERROR\n' >/home/ada/.ssh/config
ssh-keygen -A >/dev/null
systemctl start ssh
runuser -u ada -- sh -ec '
  cd
  git config --global user.name Ada
  git config --global user.email ada@example.org
  git config --global init.defaultBranch main
  git clone --quiet git@localhost:/srv/git/shop.git 2>/dev/null
'
"#;

/// A site that a developer pushes, with a build that waits while there is the file `held` in its mount's place.
pub(crate) const SERVER: &str = r#"
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(open('said', 'rb').read())
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Page).serve_forever()
"#;

/// A host of git's, and its developer.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) machine: Machine,
    pub(crate) deb: PathBuf,
}

impl Host {
    /// Boots it.
    #[track_caller]
    pub(crate) fn boot(shared: &[&Path]) -> Host {
        let deb = package();
        let mut places = vec![deb.as_path()];
        places.extend(shared);
        let machine = Machine::bare(&places);
        machine.runs(GIT_HOST);
        Host { machine, deb }
    }

    /// The same, with Wharf and an application that is live.
    #[track_caller]
    pub(crate) fn serving(shared: &[&Path]) -> Host {
        let host = Host::boot(shared);
        let install = format!("apt-get install --yes {}", host.deb.display());
        host.machine.runs(&install);
        host.machine.runs(
            "usermod --append --groups wharf git && wharf project add shop /srv/git/shop.git",
        );
        let files = [
            ("wharf.toml", "web = \"exec python3 app.py\"\n"),
            ("app.py", SERVER),
            ("said", "one"),
        ];
        host.pushes(&files).ok().has("main now serves r1");
        assert_eq!(host.page(), "one");
        host
    }

    /// Runs a script as the developer, in the work tree.
    #[track_caller]
    pub(crate) fn ada(&self, script: &str) -> Said {
        run(&mut self.as_ada(script))
    }

    fn as_ada(&self, script: &str) -> Command {
        let mut command = self
            .machine
            .command("cd /home/ada/shop; exec runuser -u ada -- env HOME=/home/ada sh -ec \"$0\"");
        command.arg(script);
        command
    }

    /// Commits these files, and pushes.
    #[track_caller]
    pub(crate) fn pushes(&self, files: &[(&str, &str)]) -> Said {
        self.ada(&script(files))
    }

    /// Begins to do so.
    #[track_caller]
    pub(crate) fn begins_to_push(&self, files: &[(&str, &str)]) -> Child {
        let mut command = self.as_ada(&script(files));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// What a visitor gets.
    #[track_caller]
    pub(crate) fn page(&self) -> String {
        self.machine
            .runs(
                "curl --silent --show-error --fail --max-time 20 http://main--shop.localhost:7080/",
            )
            .out
    }
}

/// What a developer types.
fn script(files: &[(&str, &str)]) -> String {
    let mut script = String::new();
    for (name, text) in files {
        script += &format!("cat >{name} <<'END OF FILE'\n{text}\nEND OF FILE\n");
    }
    // A file of one word is that word.
    script += "printf %s \"$(cat said)\" >said\n";
    script + "git add --all; git commit --quiet --message change; git push origin main"
}
