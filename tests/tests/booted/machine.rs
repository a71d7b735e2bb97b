//! A machine of a test's own: a container in which systemd is process 1.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wharf_tests::{LIMIT, Said, bin, pause, run};

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

/// What `make install` and a sysadmin do.
const SET_UP: &str = "
set -e
ip link set lo up 2>/dev/null || true
# What an installer writes.
test -e /etc/hosts || printf '127.0.0.1 localhost\n127.0.1.1 %s\n' \"$(hostname)\" >/etc/hosts
cp /wharf/systemd/*.service /wharf/systemd/*.socket /etc/systemd/system/
systemd-sysusers /wharf/systemd/wharf.sysusers
systemd-tmpfiles --create /wharf/systemd/wharf.tmpfiles
chown wharf:wharf /var/lib/wharf
chmod 0750 /var/lib/wharf
git config --global user.name ada
git config --global user.email ada@example.org
git config --global init.defaultBranch main
git config --global safe.directory '*'
systemctl daemon-reload
systemctl start wharf-helper.socket wharf-router wharfd
";

/// A booted machine, gone when dropped.
#[derive(Debug)]
pub(crate) struct Machine {
    container: Child,
    first: Pid,
    /// Its control group on the host.
    group: PathBuf,
    /// What the machine has as `/var/lib/wharf`, on a real disk, and what it says while it boots.
    _files: TempDir,
}

impl Machine {
    /// Boots a machine with Wharf's units in it, all of them started.
    #[track_caller]
    pub(crate) fn boot() -> Machine {
        Machine::boot_with(&[])
    }

    /// The same, which sees places of the host by their own names: those that it may write, too.
    #[track_caller]
    pub(crate) fn boot_with(shared: &[&Path]) -> Machine {
        let tree =
            std::env::var("WHARF_MACHINE").expect("`make test-booted` says where the tree is");
        // Below the target directory: what is in memory is no disk.
        let files = tempfile::Builder::new()
            .prefix("machine-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let state = files.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let name = files.path().file_name().unwrap().to_str().unwrap();
        let name = name
            .to_ascii_lowercase()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let group = group(&name);
        // From the group of its own, which becomes the machine's root: two in one would share units.
        let mut boot = Command::new("sh");
        boot.args([
            "-c",
            "echo $$ >\"$0\"/cgroup.procs; exec systemd-nspawn \"$@\"",
        ])
        .arg(&group);
        boot.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .args(["--quiet", "--directory", &tree, "--machine", &name])
            .args(["--read-only", "--volatile=overlay", "--private-network"])
            .args(["--register=no", "--keep-unit", "--boot"])
            .arg(format!("--bind={}:/var/lib/wharf", state.display()));
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        boot.arg(format!("--bind-ro={}:/wharf", repository.display()));
        for program in PROGRAMS {
            boot.arg(format!(
                "--bind-ro={}:/usr/bin/{program}",
                bin().join(program).display()
            ));
        }
        boot.arg(format!(
            "--bind-ro={}:/usr/bin/escape",
            env!("CARGO_BIN_EXE_escape")
        ));
        for place in shared {
            boot.arg(format!("--bind={}", place.display()));
        }
        let console = File::create(files.path().join("console")).unwrap();
        boot.stdin(Stdio::null())
            .stdout(console.try_clone().unwrap())
            .stderr(console);
        let container = boot.spawn().unwrap();
        let first = first_process(&container);
        let machine = Machine {
            container,
            first,
            group,
            _files: files,
        };
        // Until its bus is there, nobody can be asked.
        let began = Instant::now();
        while machine.tries("systemctl is-system-running --wait").code != 0 {
            assert!(began.elapsed() < LIMIT, "it does not boot");
            pause();
        }
        machine.runs(SET_UP);
        machine
    }

    /// Runs a script in it, to its end and a good one.
    #[track_caller]
    pub(crate) fn runs(&self, script: &str) -> Said {
        self.tries(script).ok()
    }

    /// Runs a script in it.
    #[track_caller]
    pub(crate) fn tries(&self, script: &str) -> Said {
        run(&mut self.command(script))
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

    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first.as_raw_nonzero().to_string()])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"])
            .args(["--", "bash", "-c", script])
            .env_clear()
            .env("HOME", "/root")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Waits until a script in it ends well.
    #[track_caller]
    pub(crate) fn waits_for(&self, script: &str) {
        let began = Instant::now();
        while self.tries(script).code != 0 {
            assert!(
                began.elapsed() < LIMIT,
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
        for (name, text) in files {
            let file = format!(
                "/proc/{}/root/root/{project}/{name}",
                self.first.as_raw_nonzero()
            );
            std::fs::write(file, text).unwrap();
        }
        self.tries(&format!(
            "cd /root/{project}; git add --all; git commit --quiet --message change; git push wharf main"
        ))
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
        // With its first process all others end.
        if let Err(error) = kill_process(self.first, Signal::KILL) {
            eprintln!("the machine is gone already: {error}");
        }
        if let Err(error) = self.container.wait() {
            eprintln!("cannot wait for the machine: {error}");
        }
        let remove = ["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"];
        run(Command::new("find").arg(&self.group).args(remove));
    }
}

/// A control group of its own.
fn group(name: &str) -> PathBuf {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mut fields = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let unified = fields.find(|fields| fields[2] == "cgroup2");
    let group = Path::new(unified.expect("control groups are there")[1]).join(name);
    std::fs::create_dir(&group).unwrap();
    group
}

/// Process 1 of the machine, as the host numbers it: the container's only child, once it is there.
#[track_caller]
fn first_process(container: &Child) -> Pid {
    let began = Instant::now();
    let children = format!("/proc/{0}/task/{0}/children", container.id());
    loop {
        let text = std::fs::read_to_string(&children).unwrap_or_default();
        for child in text.split_whitespace() {
            let comm = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            if comm == "systemd\n" {
                return Pid::from_raw(child.parse().unwrap()).unwrap();
            }
        }
        assert!(began.elapsed() < LIMIT, "it does not boot");
        pause();
    }
}
