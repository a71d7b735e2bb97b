//! Who runs what: a user for each environment, which it keeps, and one for each build, for as long.
//!
//! A user is a number. Nothing on the disk belongs to it: idmapped mounts show the daemon's files as
//! its own.

use std::{
    fs, io,
    io::Write as _,
    ops::Range,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use wharf_sandbox::{id::Id, sandbox::User};

use crate::place;

/// So many environments and builds one host can have.
const COUNT: u32 = 16_384;
/// So many of them are for builds.
const BUILDS: u32 = 1_024;
/// Where ranges begin that are looked at: above all accounts, below systemd's containers.
const FIRST: u32 = 200_000;
/// systemd gives containers numbers from here on: see its UIDS-GIDS.
const CONTAINERS: u32 = 524_288;
/// For so long nobody else gets an environment's user.
const REST: Duration = Duration::from_secs(90 * 24 * 3600);

/// The range of this host.
#[derive(Debug)]
pub(crate) struct Users {
    range: Range<u32>,
}

/// Why there is no user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    /// Everything is somebody's.
    #[error("no {COUNT} users are free between {FIRST} and {CONTAINERS}: see /etc/subuid")]
    NoRange,
    /// All of the range are in use.
    #[error("all users are in use, or were within 90 days: see {}", place::users().display())]
    NoneLeft,
    /// The system gives it no account.
    #[error("systemd-sysusers makes no account for {0}: {1}")]
    Account(u32, String),
    /// A file cannot be read or written.
    #[error("cannot use {0}")]
    File(String, #[source] io::Error),
}

fn cannot(path: &Path) -> impl Fn(io::Error) -> UsersError + '_ {
    |error| UsersError::File(path.display().to_string(), error)
}

impl Users {
    /// The range that this host has had, or gets now.
    ///
    /// # Errors
    /// [`UsersError`].
    pub(crate) fn open() -> Result<Self, UsersError> {
        let path = place::range();
        let start = match fs::read_to_string(&path) {
            Ok(text) => number(&text).ok_or(UsersError::NoRange)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let start = free_range(&taken()?).ok_or(UsersError::NoRange)?;
                write_new(&path, start).map_err(cannot(&path))?;
                start
            }
            Err(error) => return Err(cannot(&path)(error)),
        };
        let range = start..start + COUNT;
        Ok(Self { range })
    }

    /// The user of a job.
    ///
    /// # Errors
    /// [`UsersError`].
    pub(crate) fn of(&self, user: &User, job: &Id) -> Result<u32, UsersError> {
        match user {
            User::Build => self.of_build(job),
            User::Environment(environment) => self.of_environment(environment),
        }
    }

    fn of_build(&self, job: &Id) -> Result<u32, UsersError> {
        let first = self.range.end - BUILDS;
        for user in first..self.range.end {
            let path = place::building().join(user.to_string());
            match fs::File::create_new(&path) {
                Ok(mut file) => {
                    file.write_all(job.as_str().as_bytes())
                        .map_err(cannot(&path))?;
                    account(user, "a build")?;
                    return Ok(user);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(cannot(&path)(error)),
            }
        }
        Err(UsersError::NoneLeft)
    }

    fn of_environment(&self, environment: &Id) -> Result<u32, UsersError> {
        let path = place::users().join(environment.as_str());
        match fs::read_to_string(&path) {
            Ok(text) => {
                // Its last use: from here on it rests.
                let file = fs::File::options().append(true).open(&path);
                file.and_then(|file| file.set_modified(SystemTime::now()))
                    .map_err(cannot(&path))?;
                number(&text).ok_or(UsersError::NoneLeft)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let user = self.next()?;
                account(user, environment.as_str())?;
                write_new(&path, user).map_err(cannot(&path))?;
                Ok(user)
            }
            Err(error) => Err(cannot(&path)(error)),
        }
    }

    /// A user that no environment has, else the one that has rested longest.
    fn next(&self) -> Result<u32, UsersError> {
        let directory = place::users();
        let mut used = Vec::new();
        for entry in fs::read_dir(&directory).map_err(cannot(&directory))? {
            let entry = entry.map_err(cannot(&directory))?;
            let path = entry.path();
            let text = fs::read_to_string(&path).map_err(cannot(&path))?;
            let last = entry.metadata().and_then(|facts| facts.modified());
            used.extend(
                number(&text)
                    .zip(last.ok())
                    .map(|(user, last)| (user, last, path)),
            );
        }
        let environments = self.range.start..self.range.end - BUILDS;
        let is_free = |user: &u32| used.iter().all(|(other, ..)| other != user);
        // Upward, so that one that was forgotten is not the next.
        let highest = used.iter().map(|(user, ..)| *user + 1).max();
        let above = highest.unwrap_or(environments.start)..environments.end;
        if let Some(user) = above.chain(environments).find(is_free) {
            return Ok(user);
        }
        let oldest = used.iter().min_by_key(|(_, last, _)| *last);
        let (user, last, path) = oldest.ok_or(UsersError::NoneLeft)?;
        if last.elapsed().unwrap_or_default() < REST {
            return Err(UsersError::NoneLeft);
        }
        fs::remove_file(path).map_err(cannot(path))?;
        Ok(*user)
    }
}

/// Gives a build's user back.
pub(crate) fn give_back(job: &Id) -> io::Result<()> {
    for entry in fs::read_dir(place::building())? {
        let path = entry?.path();
        if fs::read_to_string(&path).is_ok_and(|text| text == job.as_str()) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Gives a user its account, which systemd looks for: a name made of its number. One that has it
/// keeps it.
fn account(user: u32, of: &str) -> Result<(), UsersError> {
    let line = format!("u wharf-{user} {user} \"Wharf {of}\" / /usr/sbin/nologin");
    let output = Command::new("/usr/bin/systemd-sysusers")
        .args(["--inline", &line])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|error| UsersError::File("systemd-sysusers".into(), error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(UsersError::Account(user, said))
}

/// What the host's files say is somebody's.
fn taken() -> Result<Vec<Range<u32>>, UsersError> {
    let mut taken = Vec::new();
    for (file, width) in [("subuid", 2), ("subgid", 2), ("passwd", 1), ("group", 1)] {
        let path = Path::new("/etc").join(file);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text.map_err(cannot(&path))?,
        };
        taken.extend(text.lines().filter_map(|line| {
            // name:first:count, or name:password:number
            let mut fields = line.split(':').skip(1);
            let (second, third) = (fields.next()?, fields.next()?);
            if width == 1 {
                let one: u32 = third.parse().ok()?;
                return Some(one..one.saturating_add(1));
            }
            let first: u32 = second.parse().ok()?;
            Some(first..first.saturating_add(third.parse().ok()?))
        }));
    }
    Ok(taken)
}

/// The first range that is nobody's.
fn free_range(taken: &[Range<u32>]) -> Option<u32> {
    let starts = (FIRST..=CONTAINERS - COUNT).step_by(1 << 10);
    let mut starts = starts.filter(|start| {
        let end = start + COUNT;
        taken
            .iter()
            .all(|other| other.end <= *start || end <= other.start)
    });
    starts.next()
}

fn number(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

/// Writes a number so that it is there after a power cut, or is not.
fn write_new(path: &Path, number: u32) -> io::Result<()> {
    let next = path.with_extension("new~");
    let mut file = fs::File::create(&next)?;
    writeln!(file, "{number}")?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_nobody_s() {
        assert_eq!(free_range(&[]), Some(FIRST));
        let one = FIRST + 5..FIRST + 6;
        assert_eq!(free_range(&[one]), Some(FIRST + 1024));
        let whole = [100_000..300_000, 300_000..400_000];
        let start = free_range(&whole).unwrap();
        assert!(start >= 400_000 && start + COUNT <= CONTAINERS);
        assert_eq!(free_range(std::slice::from_ref(&(0..u32::MAX))), None);
    }
}
