//! A container in which systemd is process 1: booted in a second, on the host's kernel, which has not
//! all controllers of control groups to give.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wharf_tests::{LIMIT, bin, pause, run};

use super::{Kind, PROGRAMS, repository};

/// A container that runs, gone when dropped.
#[derive(Debug)]
pub(super) struct Container {
    container: Child,
    first: Pid,
    /// What systemd-nspawn is told.
    how: Vec<String>,
    /// Its control group on the host.
    group: PathBuf,
    /// Its root, where it has one of its own.
    root: Option<Root>,
    /// What the machine has as `/var/lib/wharf`, on a real disk, and what it says while it boots.
    files: TempDir,
}

impl Container {
    /// Begins to boot the tree that `scripts/machine.sh` made, with the programs in it. What is written
    /// elsewhere than in its state is in memory.
    #[track_caller]
    pub(super) fn boot(files: TempDir, shared: &[&Path]) -> Container {
        let mut how = vec![
            format!("--directory={}", tree()),
            "--read-only".to_owned(),
            "--volatile=overlay".to_owned(),
            format!("--bind-ro={}:/wharf", repository().display()),
            format!("--bind-ro={}:/usr/bin/escape", env!("CARGO_BIN_EXE_escape")),
        ];
        for program in PROGRAMS {
            let from = bin().join(program);
            how.push(format!("--bind-ro={}:/usr/bin/{program}", from.display()));
        }
        for place in shared {
            how.push(format!("--bind={}", place.display()));
        }
        Container::spawn(files, None, &how)
    }

    /// Begins to boot a Debian without Wharf, which keeps what is written to it when it reboots.
    #[track_caller]
    pub(super) fn bare(files: TempDir, shared: &[&Path]) -> Container {
        let root = Root::mount(files.path());
        let mut how = vec![format!("--directory={}", root.0.display())];
        for place in shared {
            how.push(format!("--bind-ro={}", place.display()));
        }
        Container::spawn(files, Some(root), &how)
    }

    #[track_caller]
    fn spawn(files: TempDir, root: Option<Root>, how: &[String]) -> Container {
        let state = files.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let name = files.path().file_name().unwrap().to_str().unwrap();
        let name = name
            .to_ascii_lowercase()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let group = group(&name);
        let mut all = vec![
            "--quiet".to_owned(),
            "--private-network".to_owned(),
            "--register=no".to_owned(),
            "--keep-unit".to_owned(),
            "--boot".to_owned(),
            format!("--machine={name}"),
            format!("--bind={}:/var/lib/wharf", state.display()),
        ];
        all.extend_from_slice(how);
        let container = start(&group, &all, files.path());
        let first = first_process(&container);
        Container {
            container,
            first,
            how: all,
            group,
            root,
            files,
        }
    }
}

/// Starts it from the group of its own, which becomes the machine's root: two in one would share units.
#[track_caller]
fn start(group: &Path, how: &[String], files: &Path) -> Child {
    let mut boot = Command::new("sh");
    boot.args([
        "-c",
        "echo $$ >\"$0\"/cgroup.procs; exec systemd-nspawn \"$@\"",
    ]);
    boot.arg(group).args(how);
    let console = File::create(files.join("console")).unwrap();
    boot.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
        .stdin(Stdio::null())
        .stdout(console.try_clone().unwrap())
        .stderr(console);
    boot.spawn().unwrap()
}

/// The tree that `scripts/machine.sh` made.
fn tree() -> String {
    std::env::var("WHARF_MACHINE").expect("`make test-booted` says where the tree is")
}

/// The tree again, with a layer of its own for what is written.
#[derive(Debug)]
struct Root(PathBuf);

impl Root {
    fn mount(files: &Path) -> Root {
        let [root, upper, work] = ["root", "upper", "work"].map(|name| files.join(name));
        for directory in [&root, &upper, &work] {
            std::fs::create_dir(directory).unwrap();
        }
        let layers = format!(
            "lowerdir={},upperdir={},workdir={}",
            tree(),
            upper.display(),
            work.display()
        );
        let mut mount = Command::new("mount");
        mount.args(["-t", "overlay", "overlay", "-o", &layers]);
        run(mount.arg(&root)).ok();
        Root(root)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        run(Command::new("umount").args(["--recursive"]).arg(&self.0));
    }
}

impl Kind for Container {
    fn command(&self, script: &str) -> Command {
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

    fn patience(&self) -> Duration {
        LIMIT
    }

    fn first(&self) -> &'static str {
        "ip link set lo up 2>/dev/null || true"
    }

    fn reboots(&mut self) {
        assert!(
            self.root.is_some(),
            "all of it but its state is gone with it"
        );
        // It says goodbye before it goes, or just goes; a machine that is kept by a unit is started anew by it.
        run(&mut self.command("systemctl reboot"));
        let status = self.container.wait().unwrap();
        assert_eq!(status.code(), Some(133), "it was to boot again");
        remove_groups(&self.group);
        std::fs::create_dir(&self.group).unwrap();
        self.container = start(&self.group, &self.how, self.files.path());
        self.first = first_process(&self.container);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // With its first process all others end.
        if let Err(error) = kill_process(self.first, Signal::KILL) {
            eprintln!("the machine is gone already: {error}");
        }
        if let Err(error) = self.container.wait() {
            eprintln!("cannot wait for the machine: {error}");
        }
        remove_groups(&self.group);
        drop(self.root.take());
    }
}

/// Removes a control group with all below it, once nobody is in it.
fn remove_groups(group: &Path) {
    let remove = ["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"];
    run(Command::new("find").arg(group).args(remove));
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
