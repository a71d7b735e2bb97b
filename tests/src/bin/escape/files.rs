//! The host's files, and files that outlive the sandbox.

use std::{
    ffi::CString,
    fs::{self, File},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::Path,
};

use crate::{
    Verdict,
    facts::{Facts, work},
    none,
    raw::{at, call},
    refused,
};

const CWD: usize = libc::AT_FDCWD as usize;
const MODE: usize = 0o104_755;

/// A path as the kernel wants it.
fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("paths have no NUL")
}

pub(crate) fn address(text: &CString) -> usize {
    at(text.as_bytes_with_nul())
}

pub(crate) fn hooks(facts: &Facts) -> Verdict {
    let hook = facts.path("repository").join("hooks/post-checkout");
    refused(fs::write(hook, "#!/bin/sh\n"))
}

pub(crate) fn configuration() -> Verdict {
    let files = [
        "/etc/shadow",
        "/etc/sudoers",
        "/etc/crontab",
        "/etc/wharf/wharfd.toml",
    ];
    let directories = [
        "/etc/ssl/private",
        "/etc/wharf",
        "/root",
        "/home/git",
        "/var",
        "/srv",
        "/opt",
    ];
    let files = files.map(|path| (path, refused(fs::read(path))));
    let directories = directories.map(|path| (path, something_in(path)));
    none(files.into_iter().chain(directories))
}

/// An empty directory is as good as none.
fn something_in(path: &str) -> Verdict {
    match fs::read_dir(path).map(|entries| entries.count()) {
        Ok(0) => Verdict::Held("it is empty".into()),
        read => refused(read),
    }
}

pub(crate) fn run_directory() -> Verdict {
    let entries = match fs::read_dir("/run") {
        Ok(entries) => entries.map_while(Result::ok),
        Err(error) => return Verdict::Held(error.to_string()),
    };
    // A web process has the directory for its own socket there, a unit the file that its first
    // program reads, and systemd's empty place for mounts.
    let own = ["app", "wharf", "systemd"];
    let mut others = entries.filter(|entry| !own.iter().any(|own| entry.file_name() == *own));
    let units = [
        ("/run/wharf", names("/run/wharf"), "job"),
        ("/run/systemd", names("/run/systemd"), "incoming"),
        ("/run/systemd/incoming", names("/run/systemd/incoming"), ""),
    ];
    for (path, found, known) in units {
        if let Some(other) = found.iter().find(|name| name.as_str() != known) {
            return Verdict::Open(format!("there is {path}/{other}"));
        }
    }
    match others.next() {
        Some(entry) => Verdict::Open(format!("there is {}", entry.path().display())),
        None => Verdict::Held("there is only the application's own".into()),
    }
}

fn names(path: &str) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten();
    let names = entries.map_while(Result::ok).map(|entry| entry.file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

pub(crate) fn shared_memory(facts: &Facts) -> Verdict {
    refused(fs::read(Path::new("/dev/shm").join(facts.text("shm"))))
}

pub(crate) fn terminal() -> Verdict {
    none([
        ("/dev/tty", refused(File::open("/dev/tty"))),
        (
            "/dev/console",
            refused(File::options().write(true).open("/dev/console")),
        ),
        ("/dev/tty1", refused(File::open("/dev/tty1"))),
    ])
}

/// A file of the own, which goes again.
fn with_file<T>(name: &str, work_on: impl FnOnce(&Path) -> T) -> T {
    let path = work().join(name);
    fs::write(&path, "#!/bin/sh\n").expect("the work directory can be written");
    let done = work_on(&path);
    fs::remove_file(&path).expect("an own file can be removed");
    done
}

pub(crate) fn setuid_file() -> Verdict {
    let tried = |mode| {
        with_file("setuid", |path| {
            refused(fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        })
    };
    none([("its owner", tried(0o4755)), ("its group", tried(0o2755))])
}

pub(crate) fn setuid_otherwise() -> Verdict {
    let directory = work();
    let new = text(&directory.join("setuid-new"));
    let (new, place) = (address(&new), text(&directory));
    let place = address(&place);
    let gone = |verdict: Verdict| {
        // Where it was made it must go again, so that the next attempt makes it anew.
        match fs::remove_file(directory.join("setuid-new")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Verdict::Open(format!("it cannot be removed: {error}"))
            }
            _ => verdict,
        }
    };
    let create = (libc::O_CREAT | libc::O_WRONLY) as usize;
    let nameless = (libc::O_TMPFILE | libc::O_WRONLY) as usize;
    let how = [create as u64, MODE as u64, 0];
    let mut verdicts = vec![
        (
            "openat",
            gone(refused(call(libc::SYS_openat, [CWD, new, create, MODE]))),
        ),
        (
            "openat2",
            gone(refused(call(
                libc::SYS_openat2,
                [CWD, new, at(&how), size_of_val(&how)],
            ))),
        ),
        (
            "O_TMPFILE",
            refused(call(libc::SYS_openat, [CWD, place, nameless, MODE])),
        ),
        (
            "mknodat",
            gone(refused(call(libc::SYS_mknodat, [CWD, new, MODE, 0]))),
        ),
    ];
    with_file("setuid", |path| {
        let file = File::open(path).expect("an own file can be opened");
        let number = std::os::fd::AsRawFd::as_raw_fd(&file) as usize;
        let path = text(path);
        let path = address(&path);
        verdicts.push(("fchmod", refused(call(libc::SYS_fchmod, [number, 0o4755]))));
        verdicts.push((
            "fchmodat",
            refused(call(libc::SYS_fchmodat, [CWD, path, 0o4755])),
        ));
        verdicts.push((
            "fchmodat2",
            refused(call(libc::SYS_fchmodat2, [CWD, path, 0o4755, 0])),
        ));
    });
    #[cfg(target_arch = "x86_64")]
    verdicts.extend([
        (
            "open",
            gone(refused(call(libc::SYS_open, [new, create, MODE]))),
        ),
        ("creat", gone(refused(call(libc::SYS_creat, [new, MODE])))),
        (
            "mknod",
            gone(refused(call(libc::SYS_mknod, [new, MODE, 0]))),
        ),
    ]);
    none(verdicts)
}

pub(crate) fn hard_link() -> Verdict {
    let target = work().join("hard-link");
    none(["/etc/hosts", "/usr/bin/env"].map(|file| (file, refused(fs::hard_link(file, &target)))))
}

pub(crate) fn symbolic_link(facts: &Facts) -> Verdict {
    let link = work().join("symbolic-link");
    symlink(facts.path("state"), &link).expect("a link can be made");
    let verdict = refused(fs::read_dir(&link).map(Iterator::count));
    fs::remove_file(&link).expect("a link can be removed");
    verdict
}

pub(crate) fn read_only() -> Verdict {
    none(
        [
            "/probe",
            "/usr/probe",
            "/etc/probe",
            "/dev/probe",
            "/proc/probe",
        ]
        .map(|path| {
            let made = fs::write(path, "").and_then(|()| fs::remove_file(path));
            (path, refused(made))
        }),
    )
}

pub(crate) fn devices() -> Verdict {
    let path = work().join("device");
    let name = text(&path);
    let device = |kind: u32, number: u64| {
        let mode = (kind | 0o600) as usize;
        let made = call(
            libc::SYS_mknodat,
            [CWD, address(&name), mode, number as usize],
        );
        if made.is_ok() {
            fs::remove_file(&path).expect("an own file can be removed");
        }
        refused(made)
    };
    let there = [
        "/dev/sda",
        "/dev/vda",
        "/dev/nvme0n1",
        "/dev/kvm",
        "/dev/fuse",
        "/dev/loop0",
    ];
    let there = there.map(|path| (path, refused(File::open(path))));
    let made = [
        ("memory", device(libc::S_IFCHR, libc::makedev(1, 1))),
        ("a disk", device(libc::S_IFBLK, libc::makedev(8, 0))),
    ];
    none(made.into_iter().chain(there))
}

pub(crate) fn file_handle() -> Verdict {
    // `struct file_handle` with room for the largest.
    let handle = [
        128u32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0,
    ];
    let (path, mount) = (c"/app", 0i32);
    let asked = call(
        libc::SYS_name_to_handle_at,
        [
            CWD,
            at(path.to_bytes_with_nul()),
            at(&handle),
            at(&mount),
            0,
        ],
    );
    if let Err(error) = asked {
        return Verdict::Held(format!("there are no handles here: {error}"));
    }
    refused(call(libc::SYS_open_by_handle_at, [CWD, at(&handle), 0]))
}
