//! A virtual machine: a kernel of its own, with every controller of control groups, quotas and reboots.
//!
//! Commands come in through ssh, over the network that qemu makes for it. Where the processor cannot
//! help, qemu emulates one.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use wharf_tests::{bin, pause, run};

use super::{Kind, PROGRAMS, repository};

/// What the kernel is told.
const KERNEL: &str = "console=ttyS0 root=/dev/nvme0n1 rw net.ifnames=0 mitigations=off quiet";
/// The longest that anything may take in it: an emulated processor is ten times as slow.
const PATIENCE: Duration = Duration::from_secs(360);
/// The most that its state may take; it takes what it needs.
const STATE: &str = "6G";

/// A virtual machine that runs, gone when dropped.
#[derive(Debug)]
pub(super) struct VirtualMachine {
    qemu: Child,
    /// The connection over which commands come in.
    ssh: Child,
    /// What `scripts/vm.sh` made.
    made: PathBuf,
    /// Its disks, its sockets, and what it says while it boots.
    files: TempDir,
}

impl VirtualMachine {
    /// Boots what `scripts/vm.sh` made, with the programs on a disk of their own.
    #[track_caller]
    pub(super) fn boot(made: PathBuf, files: TempDir) -> VirtualMachine {
        let here = files.path();
        brought(here);
        let mut state = Command::new("mkfs.ext4");
        state
            .args(["-q", "-O", "quota,project", "-E", "quotatype=prjquota"])
            .arg(here.join("state.ext4"))
            .arg(STATE);
        run(&mut state).ok();
        // It ends with whoever began it, however that ends.
        let mut qemu = Command::new("setpriv");
        qemu.args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-smp", "2", "-m", "2048"])
            .args(accelerator())
            .arg("-kernel")
            .arg(made.join("vmlinuz"))
            .args(["-append", KERNEL, "-device", "nvme,id=disks,serial=wharf"]);
        // What is written to the image that all share is gone with the machine.
        for (name, path, how) in [
            ("root", made.join("root.ext4"), "snapshot=on"),
            ("wharf", here.join("wharf.ext4"), "readonly=on"),
            ("state", here.join("state.ext4"), "cache=unsafe"),
        ] {
            let path = path.display();
            qemu.arg("-drive")
                .arg(format!("if=none,id={name},format=raw,file={path},{how}"))
                .args(["-device", &format!("nvme-ns,drive={name}")]);
        }
        // It reaches nobody, and nobody but this host reaches it.
        qemu.args(["-device", "virtio-net-pci,netdev=lan", "-netdev"])
            .arg("user,id=lan,restrict=on,hostfwd=tcp:127.0.0.1:0-:22");
        let serial = format!("file:{}", here.join("console").display());
        let monitor = format!("unix:{},server=on,wait=off", here.join("monitor").display());
        qemu.args(["-serial", &serial, "-monitor", &monitor]);
        let log = File::create(here.join("qemu")).unwrap();
        // Where it keeps what is written to the shared one.
        qemu.env("TMPDIR", here);
        qemu.stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let qemu = qemu.spawn().unwrap();
        let ssh = connects(&made, here, port(here));
        VirtualMachine {
            qemu,
            ssh,
            made,
            files,
        }
    }
}

/// Makes the disk with the programs and what `make install` installs beside them.
fn brought(here: &Path) {
    let tree = here.join("wharf");
    fs::create_dir(&tree).unwrap();
    let programs = PROGRAMS.map(|program| bin().join(program));
    // Without what a debugger reads, which is most of them.
    let mut install = Command::new("install");
    install.args(["--strip", "-D", "--target-directory"]);
    install.arg(tree.join("bin")).args(programs);
    run(install.arg(env!("CARGO_BIN_EXE_escape"))).ok();
    let mut units = Command::new("cp");
    units.arg("--recursive").arg(repository().join("systemd"));
    run(units.arg(&tree)).ok();
    let mut disk = Command::new("mkfs.ext4");
    disk.args(["-q", "-d"]).arg(&tree);
    run(disk.arg(here.join("wharf.ext4")).arg("512M")).ok();
}

/// The processor itself, where the kernel lends it to machines with kernels as they are; else one that
/// is emulated. (`/dev/kvm` alone says nothing: `kvm_pvm` runs no others than its own.)
fn accelerator() -> [&'static str; 4] {
    let lends = ["kvm_amd", "kvm_intel"]
        .iter()
        .any(|module| Path::new("/sys/module").join(module).exists());
    let opens = File::options().read(true).write(true).open("/dev/kvm");
    if lends && opens.is_ok() {
        ["-accel", "kvm", "-cpu", "host"]
    } else {
        ["-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max"]
    }
}

/// Asks qemu which port of this host leads to the machine's ssh.
#[track_caller]
fn port(here: &Path) -> String {
    let began = Instant::now();
    let mut monitor = loop {
        match UnixStream::connect(here.join("monitor")) {
            Ok(monitor) => break monitor,
            Err(error) if began.elapsed() > PATIENCE => {
                let log = fs::read_to_string(here.join("qemu")).unwrap();
                panic!("qemu does not begin: {error}\n{log}")
            }
            Err(_) => pause(),
        }
    };
    monitor.set_read_timeout(Some(PATIENCE)).unwrap();
    monitor.write_all(b"info usernet\n").unwrap();
    for line in BufReader::new(monitor).lines() {
        // `  TCP[HOST_FORWARD]  13       127.0.0.1 40123       10.0.2.15    22     0     0`
        if let Some((_, fields)) = line.unwrap().split_once("TCP[HOST_FORWARD]") {
            return fields.split_whitespace().nth(2).unwrap().to_owned();
        }
    }
    panic!("qemu forwards nothing")
}

/// A connection that stays, for all commands: to make one for each would cost an emulated processor
/// a second.
#[track_caller]
fn connects(made: &Path, here: &Path, port: String) -> Child {
    let began = Instant::now();
    let control = here.join("ssh");
    loop {
        let mut ssh = ssh(made, here);
        ssh.args(["-M", "-N", "-p", &port, "wharf"]);
        let mut master = ssh.spawn().unwrap();
        while master.try_wait().unwrap().is_none() {
            if control.exists() {
                return master;
            }
            pause();
        }
        assert!(
            began.elapsed() < PATIENCE,
            "it does not boot:\n{}",
            fs::read_to_string(here.join("console")).unwrap_or_default()
        );
        pause();
    }
}

/// ssh without anything of whoever runs the tests.
fn ssh(made: &Path, here: &Path) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "none", "-l", "root", "-i"])
        .arg(made.join("key"))
        .arg("-S")
        .arg(here.join("ssh"));
    for option in [
        "HostName=127.0.0.1",
        "BatchMode=yes",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "ConnectTimeout=60",
        "ServerAliveInterval=0",
    ] {
        ssh.args(["-o", option]);
    }
    ssh.stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    ssh
}

impl Kind for VirtualMachine {
    fn command(&self, script: &str) -> Command {
        let mut command = ssh(&self.made, self.files.path());
        command.args(["wharf", "--", script]);
        command
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn first(&self) -> &'static str {
        "cp /wharf/bin/* /usr/bin/ && rmdir /var/lib/wharf/lost+found"
    }

    fn reboots(&mut self) {
        // It says goodbye before it goes, or just goes.
        run(&mut self.command("systemctl reboot"));
        self.ssh.wait().unwrap();
        self.ssh = connects(&self.made, self.files.path(), port(self.files.path()));
    }
}

impl Drop for VirtualMachine {
    fn drop(&mut self) {
        for child in [&mut self.ssh, &mut self.qemu] {
            let ended = child.kill().and_then(|()| child.wait());
            if let Err(error) = ended {
                eprintln!("cannot end the machine: {error}");
            }
        }
    }
}
