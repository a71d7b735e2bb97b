//! A machine of a test's own, in which systemd is process 1: a container, or a virtual one.

mod container;
mod virtual_machine;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use wharf_tests::{Said, pause, run_for};

use self::{container::Container, virtual_machine::VirtualMachine};

/// The programs, as they are installed.
const PROGRAMS: [&str; 9] = [
    "wharf",
    "wharf-helper",
    "wharf-keeper",
    "wharf-post-receive",
    "wharf-pre-receive",
    "wharf-proc-receive",
    "wharf-router",
    "wharf-shell",
    "wharfd",
];

/// What Debian's installer writes.
const HOSTS: &str = "test -e /etc/hosts ||
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' \"$(hostname)\" >/etc/hosts";
/// What `make install` and a sysadmin do.
const SET_UP: &str = "
set -e
cp /wharf/systemd/*.service /wharf/systemd/*.socket /etc/systemd/system/
systemd-sysusers /wharf/systemd/wharf.sysusers
systemd-tmpfiles --create /wharf/systemd/wharf.tmpfiles
mkdir -p /usr/lib/systemd/catalog
cp /wharf/systemd/wharf.catalog /usr/lib/systemd/catalog/
journalctl --update-catalog
git config --global user.name ada
git config --global user.email ada@example.org
git config --global init.defaultBranch main
git config --global safe.directory '*'
systemctl daemon-reload
systemctl enable --quiet --now wharfd.socket wharf-helper.socket wharf-router wharfd
";

/// A way to boot one.
trait Kind: std::fmt::Debug {
    /// A command that runs a script in it.
    fn command(&self, script: &str) -> Command;

    /// The longest that anything may take in it.
    fn patience(&self) -> Duration;

    /// What it needs before anything else.
    fn first(&self) -> &'static str;

    /// Boots it again, with what is on its disks.
    fn reboots(&mut self);
}

/// A booted machine, gone when dropped.
#[derive(Debug)]
pub(crate) struct Machine(Box<dyn Kind>);

impl Machine {
    /// Boots a machine with Wharf's units in it, all of them started.
    #[track_caller]
    pub(crate) fn boot() -> Machine {
        Machine::boot_with(&[])
    }

    /// The same, which sees places of the host by their own names, where it is a container: those that it
    /// may write, too.
    #[track_caller]
    pub(crate) fn boot_with(shared: &[&Path]) -> Machine {
        let files = files();
        let machine = Machine(match std::env::var_os("WHARF_VM") {
            Some(made) => Box::new(VirtualMachine::boot(made.into(), files)),
            None => Box::new(Container::boot(files, shared)),
        });
        machine.is_up();
        machine.runs(machine.0.first());
        machine.runs(HOSTS);
        machine.runs(SET_UP);
        machine
    }

    /// Boots a container without Wharf, which sees places of the host by their own names and can boot again.
    #[allow(dead_code, reason = "the tests of `package` use it")]
    #[track_caller]
    pub(crate) fn bare(shared: &[&Path]) -> Machine {
        let machine = Machine(Box::new(Container::bare(files(), shared)));
        machine.is_up();
        machine.runs(HOSTS);
        machine
    }

    /// Boots it again, and waits for what starts by itself.
    #[allow(dead_code, reason = "containers of `booted` cannot")]
    #[track_caller]
    pub(crate) fn reboots(&mut self) {
        self.0.reboots();
        self.is_up();
    }

    /// Until its bus is there, nobody can be asked.
    #[track_caller]
    fn is_up(&self) {
        let began = Instant::now();
        while self.tries("systemctl is-system-running --wait").code != 0 {
            assert!(began.elapsed() < self.0.patience(), "it does not boot");
            pause();
        }
    }

    /// Runs a script in it, to its end and a good one.
    #[track_caller]
    pub(crate) fn runs(&self, script: &str) -> Said {
        self.tries(script).ok()
    }

    /// Runs a script in it.
    #[track_caller]
    pub(crate) fn tries(&self, script: &str) -> Said {
        run_for(&mut self.command(script), self.0.patience())
    }

    /// A command that runs a script in it.
    pub(crate) fn command(&self, script: &str) -> Command {
        self.0.command(script)
    }

    /// A script that goes on while the test does.
    #[track_caller]
    pub(crate) fn begins(&self, script: &str) -> Child {
        let mut command = self.command(script);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Waits until a script in it ends well.
    #[track_caller]
    pub(crate) fn waits_for(&self, script: &str) {
        let began = Instant::now();
        while self.tries(script).code != 0 {
            assert!(
                began.elapsed() < self.0.patience(),
                "it never comes: {script}\n{}",
                self.journal()
            );
            pause();
        }
    }

    /// Makes a project with these files, and pushes it.
    #[track_caller]
    pub(crate) fn pushes(&self, project: &str, files: &[(&str, &str)]) -> Said {
        self.runs(&format!(
            "set -e; git init --quiet --bare /srv/git/{project}.git
             chown -R wharf:wharf /srv/git/{project}.git
             wharf project add {project} /srv/git/{project}.git
             git init --quiet /root/{project}; cd /root/{project}
             git remote add wharf /srv/git/{project}.git"
        ));
        self.changes(project, files)
    }

    /// Changes files of a project, and pushes that.
    #[track_caller]
    pub(crate) fn changes(&self, project: &str, files: &[(&str, &str)]) -> Said {
        let mut script = format!("cd /root/{project}\n");
        for (name, text) in files {
            script += &format!("cat >{name} <<'END OF FILE'\n{text}\nEND OF FILE\n");
        }
        script += "git add --all; git commit --quiet --message change; git push wharf main";
        self.tries(&script)
    }

    /// What a visitor of a project's production gets.
    #[track_caller]
    pub(crate) fn gets(&self, project: &str, path: &str) -> String {
        let fetch = format!(
            "curl --silent --show-error --fail --max-time 20 \
             --header 'Host: main--{project}.localhost' http://127.0.0.1:7080{path}"
        );
        self.runs(&fetch).out
    }

    /// The jobs that run as units, one a line.
    pub(crate) fn jobs(&self) -> String {
        let list = "systemctl list-units --plain --no-legend 'wharf-job-*' | awk '{ print $1 }'";
        self.runs(list).out
    }

    fn journal(&self) -> String {
        self.tries("journalctl --no-pager --boot --lines 60").out
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.journal());
        }
    }
}

/// Where a machine's disks are: below the target directory, since what is in memory is no disk.
fn files() -> TempDir {
    tempfile::Builder::new()
        .prefix("machine-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap()
}

/// The sources, with the units in them.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
