//! Wharf as a package installs it, in a machine that a test has booted for itself: its units, users and
//! places are the world's. The test runs in the machine, too, so all that is asked of a world is asked
//! there: see `tests/tests/booted/within.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::Pid;

use crate::{LIMIT, Said, World, kill, pause, run};

/// Set for a test that runs in a machine of its own.
pub(crate) const INSIDE: &str = "WHARF_TEST_WITHIN";
/// What an installed Wharf has for each directory of `WHARF_HOME`.
const PLACES: [(&str, &str); 4] = [
    ("config", "/etc/wharf"),
    ("git", "/srv/git"),
    ("run", "/run/wharf"),
    ("state", "/var/lib/wharf"),
];
/// Where the installed daemon may write its points to: see `daemon/src/fail.rs`.
pub(crate) const POINTS: &str = "/var/lib/wharf-points";
/// What the helper keeps, and what it has while the host runs.
const KEPT: &str = "/var/lib/wharf-helper";
const RUN: &str = "/run/wharf-helper";
/// All units that are no jobs, in the order in which they start.
const UNITS: [&str; 5] = [
    "wharfd.socket",
    "wharf-helper.socket",
    HELPER,
    "wharf-router.service",
    "wharfd.service",
];
const HELPER: &str = "wharf-helper.service";
/// So often nobody is killed elsewhere.
const OFTEN: &str = "[Unit]\nStartLimitIntervalSec=0\n";

/// Whether this test runs in a machine of its own, with an installed Wharf.
pub fn is_within() -> bool {
    env::var_os(INSIDE).is_some()
}

/// What the host file says: the router's port is its unit's.
pub(crate) fn host_file(text: &str) -> String {
    text.replace("127.0.0.1:0", "127.0.0.1:7080")
}

/// The user of daemon, repositories and pushers.
pub(crate) fn user() -> u32 {
    fs::metadata("/var/lib/wharf")
        .expect("it is installed")
        .uid()
}

/// The directories of an installed Wharf, as those of `WHARF_HOME` in `home`, with nothing in them.
pub(crate) fn take_places(home: &Path) {
    clear_the_host();
    for (name, place) in PLACES {
        symlink(place, home.join(name)).expect("a link can be made");
    }
    let remove = "find /etc/wharf/projects.d /etc/wharf/wharfd.d /srv/git /var/lib/wharf /var/lib/wharf-helper \
        -mindepth 1 -delete 2>/dev/null; rm -rf /var/lib/wharf-points; mkdir /var/lib/wharf-points
        chown wharf: /var/lib/wharf-points";
    shell(remove);
    give_places();
    for unit in UNITS {
        let directory = PathBuf::from(format!("/run/systemd/system/{unit}.d"));
        fs::create_dir_all(&directory).expect("a directory can be made");
        let mut text = OFTEN.to_owned();
        match unit {
            "wharfd.service" => text.push_str(&format!(
                "[Service]\nEnvironment=WHARF_FAIL_POINTS={POINTS}\nReadWritePaths={POINTS}\n"
            )),
            "wharfd.socket" | "wharf-helper.socket" => {
                text.push_str("[Socket]\nTriggerLimitIntervalSec=0\n")
            }
            _ => {}
        }
        fs::write(directory.join("tests.conf"), text).expect("a file can be written");
    }
    shell("systemctl daemon-reload");
}

/// Gives the daemon's user what is its own.
pub(crate) fn give_places() {
    shell("systemd-tmpfiles --create /wharf/systemd/wharf.tmpfiles; chown wharf: /srv/git");
}

/// Ends all of Wharf without a word, and takes away what no reboot leaves.
pub(crate) fn clear_the_host() {
    shell(
        "units='wharfd.socket wharfd.service wharf-router.service wharf-helper.socket wharf-helper.service'
        jobs=$(systemctl list-units --all --plain --no-legend 'wharf-job-*' | cut -d' ' -f1)
        systemctl kill --signal KILL $units $jobs 2>/dev/null
        systemctl stop $units $jobs
        systemctl reset-failed 2>/dev/null
        true",
    );
    let until = Instant::now() + LIMIT;
    while let Some(process) = crate::processes::all()
        .into_iter()
        .find(|process| is_ours(process.pid))
    {
        assert!(Instant::now() < until, "{process:?} does not end");
        kill(process.pid);
    }
    for place in mounts_below(RUN).iter().rev() {
        run(Command::new("umount").arg("--no-mtab").arg(place)).ok();
    }
    shell("rm -rf --one-file-system /run/wharf /run/wharf-helper");
}

/// Where the bare repository of a project is.
pub(crate) fn repository(project: &str) -> String {
    format!("/srv/git/{project}.git")
}

/// Lets it be a project, as root.
pub(crate) fn add_project(name: &str, repository: &str) -> Said {
    run(Command::new("wharf").args(["project", "add", name, repository]))
}

/// Starts what is no daemon.
pub(crate) fn start_the_rest() {
    shell("systemctl start wharf-helper.socket wharf-router.service");
}

/// Starts the daemon, and waits until it is ready.
pub(crate) fn start_the_daemon() {
    shell("systemctl start wharfd.service");
}

/// Ends the daemon as systemd does.
pub(crate) fn stop_the_daemon() {
    shell("systemctl stop wharfd.socket wharfd.service");
}

/// The first process of a unit, where it runs.
pub(crate) fn main_process(unit: &str) -> Option<Pid> {
    let mut show = Command::new("systemctl");
    show.args(["show", "--property", "MainPID", "--value", unit]);
    Pid::from_raw(run(&mut show).ok().out.trim().parse().expect("a number"))
}

/// Whether a process is of Wharf or of what it started.
fn is_ours(pid: Pid) -> bool {
    unit(pid).is_some_and(|unit| job(&unit).is_some() || UNITS.contains(&unit.as_str()))
}

/// The same, but for the helper, which comes and goes with what it is asked.
pub(crate) fn is_judged(pid: Pid) -> bool {
    is_ours(pid) && unit(pid).is_some_and(|unit| unit != HELPER)
}

/// The job of which a process is in the unit.
pub(crate) fn job_of(pid: Pid) -> Option<String> {
    job(&unit(pid)?)
}

fn unit(pid: Pid) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero())).ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let unit = group.split('/').find(|name| name.ends_with(".service"))?;
    Some(unit.to_owned())
}

fn job(unit: &str) -> Option<String> {
    let job = unit.strip_prefix("wharf-job-")?.strip_suffix(".service")?;
    Some(job.to_owned())
}

/// What daemon, helper and router said for the operator.
pub(crate) fn logs() -> String {
    let journal = "journalctl --no-pager --output short-precise --lines 300 --unit 'wharf*'";
    run(Command::new("sh").args(["-c", journal])).out
}

/// Users that are lost unless they were written so that they stay: `/etc` has what it had at this time.
#[derive(Debug)]
pub(crate) struct Accounts([(PathBuf, Vec<u8>); 4]);

impl Accounts {
    pub(crate) fn now() -> Accounts {
        let files = ["passwd", "group", "shadow", "gshadow"];
        Accounts(files.map(|file| {
            let path = Path::new("/etc").join(file);
            let bytes = fs::read(&path).expect("a system has accounts");
            (path, bytes)
        }))
    }

    pub(crate) fn restore(&self) {
        for (path, bytes) in &self.0 {
            fs::write(path, bytes).expect("root can write it");
        }
    }
}

/// What units, mounts, users or files there are for jobs that are not these, or none for one that is.
pub(crate) fn judge(kept: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut list = Command::new("systemctl");
    list.args([
        "list-units",
        "--all",
        "--plain",
        "--no-legend",
        "wharf-job-*",
    ]);
    let listed = run(&mut list).ok().out;
    let units = listed.lines().filter_map(|line| line.split(' ').next());
    let units: BTreeSet<String> = units.filter_map(job).collect();
    problems.extend(
        units
            .difference(kept)
            .map(|job| format!("left over: the unit of {job}")),
    );
    problems.extend(
        kept.difference(&units)
            .map(|job| format!("no unit is there of {job}")),
    );
    for job in names(&format!("{RUN}/jobs")).difference(kept) {
        problems.push(format!("left over: {RUN}/jobs/{job}"));
    }
    for place in mounts_below(&format!("{RUN}/jobs/")) {
        let job = place
            .strip_prefix(&format!("{RUN}/jobs/"))
            .and_then(|rest| rest.split('/').next());
        if !job.is_some_and(|job| kept.contains(job)) {
            problems.push(format!("left over: what is mounted at {place}"));
        }
    }
    problems.extend(users());
    problems
}

/// What is wrong with the users of environments.
fn users() -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen: BTreeSet<u32> = BTreeSet::new();
    for name in names(&format!("{KEPT}/users")) {
        let text = fs::read_to_string(format!("{KEPT}/users/{name}")).unwrap_or_default();
        match text.trim().parse() {
            Ok(user) if name.ends_with('~') => problems.push(format!("left over: {name}, {user}")),
            Ok(user) if seen.insert(user) => {}
            Ok(user) => problems.push(format!("{name} has user {user}, as another has")),
            Err(_) => problems.push(format!("{name} has a user that is none: `{text}`")),
        }
    }
    problems
}

/// The user that each environment has: see `helper/src/users.rs`.
pub fn users_of_environments() -> BTreeMap<String, u32> {
    let directory = format!("{KEPT}/users");
    let user = |name: String| {
        let text = fs::read_to_string(format!("{directory}/{name}")).ok()?;
        Some((name, text.trim().parse().ok()?))
    };
    names(&directory).into_iter().filter_map(user).collect()
}

/// Everything that is mounted at places that begin so, in the order in which it was.
fn mounts_below(prefix: &str) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("there is a /proc");
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    places
        .filter(|place| place.starts_with(prefix))
        .map(str::to_owned)
        .collect()
}

fn names(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn shell(script: &str) {
    run(Command::new("sh").args(["-c", script])).ok();
}

/// How long a unit may take until systemd has started it again.
const AGAIN: Duration = Duration::from_secs(20);

impl World {
    /// The helper's process.
    #[track_caller]
    pub fn helper_pid(&self) -> Pid {
        let until = Instant::now() + AGAIN;
        loop {
            if let Some(pid) = main_process(HELPER) {
                return pid;
            }
            assert!(
                Instant::now() < until,
                "the helper does not come back\n{}",
                logs()
            );
            pause();
        }
    }

    /// Kills the helper, without a word; systemd starts it again.
    #[track_caller]
    pub fn kill_helper(&self) {
        kill(self.helper_pid());
    }
}
