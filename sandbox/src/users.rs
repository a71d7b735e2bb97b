//! Which numbers the users of jobs have: a range of the host's that is nobody else's, most of it for
//! environments, the end of it for builds.

use std::{fs, io, ops::Range, path::Path, time::Duration};

/// So many environments and builds one host can have.
const COUNT: u32 = 16_384;
/// So many of them are for builds.
const BUILDS: u32 = 1_024;
/// Where ranges begin that are looked at: above all accounts, what `useradd` gives people for containers of theirs
/// (SUB_UID_MAX of login.defs(5)), and systemd's containers: see its UIDS-GIDS.
const FIRST: u32 = 0x7000_0000;
/// Where they end: what is above is negative to some programs.
const END: u32 = 0x8000_0000;
/// For so long nobody else gets an environment's user.
const REST: Duration = Duration::from_secs(90 * 24 * 3600);

/// Numbers that are somebody's on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Which.
    pub numbers: Range<u32>,
    /// Whose: the name that the file has.
    pub whose: String,
    /// The file below `/etc` that says so.
    pub file: &'static str,
}

/// The range of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users(Range<u32>);

/// A user that an environment has, or had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Its number.
    pub user: u32,
    /// Since when nothing of the environment began.
    pub rested: Duration,
    /// The environment's file.
    pub file: std::path::PathBuf,
}

/// Why there is no user.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// Everything is somebody's.
    #[error("no {COUNT} users are free between {FIRST} and {END}: see /etc/subuid")]
    NoRange,
    /// All of the range are in use.
    #[error(
        "all users are in use, or were within 90 days: see {}",
        crate::ask::USERS
    )]
    NoneLeft,
}

impl Users {
    /// The range that begins with this number, as [`Users::first`] said it once.
    #[must_use]
    pub fn starting(start: u32) -> Self {
        Self(start..start.saturating_add(COUNT))
    }

    /// The first range that is nobody's.
    ///
    /// # Errors
    /// [`UsersError::NoRange`].
    pub fn free(taken: &[Taken]) -> Result<Self, UsersError> {
        let starts = (FIRST..=END - COUNT).step_by(1 << 10);
        let mut ranges = starts.map(Self::starting);
        let is_free = |range: &Self| !taken.iter().any(|taken| range.overlaps(taken));
        ranges.find(is_free).ok_or(UsersError::NoRange)
    }

    /// Those that have got hold of a part of it since it was ours.
    pub fn strangers<'a>(&self, taken: &'a [Taken]) -> impl Iterator<Item = &'a Taken> {
        let is_ours = |taken: &Taken| taken.whose == account(taken.numbers.start);
        taken
            .iter()
            .filter(move |taken| self.overlaps(taken) && !is_ours(taken))
    }

    fn overlaps(&self, taken: &Taken) -> bool {
        taken.numbers.start < self.0.end && self.0.start < taken.numbers.end
    }

    /// Its first number.
    #[must_use]
    pub fn first(&self) -> u32 {
        self.0.start
    }

    /// Those that builds have.
    #[must_use]
    pub fn of_builds(&self) -> Range<u32> {
        self.0.end - BUILDS..self.0.end
    }

    /// A user that no environment has, else the one that has rested longest, with who had it.
    ///
    /// # Errors
    /// [`UsersError::NoneLeft`].
    pub fn next<'a>(&self, used: &'a [Used]) -> Result<(u32, Option<&'a Used>), UsersError> {
        let environments = self.0.start..self.0.end - BUILDS;
        let is_free = |user: &u32| used.iter().all(|other| other.user != *user);
        // Upward, so that one that was forgotten is not the next.
        let highest = used.iter().map(|other| other.user.saturating_add(1)).max();
        let above = highest.unwrap_or(environments.start)..environments.end;
        if let Some(user) = above.chain(environments).find(is_free) {
            return Ok((user, None));
        }
        let oldest = used.iter().max_by_key(|other| other.rested);
        let rested = oldest.filter(|oldest| oldest.rested >= REST);
        rested
            .map(|rested| (rested.user, Some(rested)))
            .ok_or(UsersError::NoneLeft)
    }
}

/// The name of the account that a user of ours has.
#[must_use]
pub fn account(user: u32) -> String {
    format!("wharf-{user}")
}

/// Its line for systemd-sysusers: see sysusers.d(5).
#[must_use]
pub fn entry(user: u32, of: &str) -> String {
    let name = account(user);
    format!("u {name} {user} \"Wharf {of}\" / /usr/sbin/nologin")
}

/// Whether `/etc/passwd` has the account.
///
/// # Errors
/// When that cannot be read.
pub fn has_account(user: u32) -> io::Result<bool> {
    let beginning = format!("{}:", account(user));
    let passwd = fs::read_to_string("/etc/passwd")?;
    Ok(passwd.lines().any(|line| line.starts_with(&beginning)))
}

/// What the host's files say is somebody's.
///
/// # Errors
/// When one is there and cannot be read.
pub fn taken() -> io::Result<Vec<Taken>> {
    let mut taken = Vec::new();
    for (file, width) in [("subuid", 2), ("subgid", 2), ("passwd", 1), ("group", 1)] {
        let text = match fs::read_to_string(Path::new("/etc").join(file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text?,
        };
        taken.extend(text.lines().filter_map(|line| {
            Some(Taken {
                numbers: range(line, width)?,
                whose: line.split(':').next()?.to_owned(),
                file,
            })
        }));
    }
    Ok(taken)
}

/// The numbers of a line: `name:first:count` where they are two, else `name:password:number`.
fn range(line: &str, width: usize) -> Option<Range<u32>> {
    let mut fields = line.split(':').skip(1);
    let (second, third) = (fields.next()?, fields.next()?);
    if width == 1 {
        let one: u32 = third.parse().ok()?;
        return Some(one..one.saturating_add(1));
    }
    let first: u32 = second.parse().ok()?;
    Some(first..first.saturating_add(third.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(whose: &str, numbers: Range<u32>) -> Taken {
        Taken {
            numbers,
            whose: whose.into(),
            file: "subuid",
        }
    }

    fn start(taken: &[Range<u32>]) -> Option<u32> {
        let taken: Vec<Taken> = taken.iter().map(|range| of("x", range.clone())).collect();
        Users::free(&taken).ok().map(|users| users.first())
    }

    #[test]
    fn who_got_hold_of_the_range_is_a_stranger() {
        let users = Users::starting(300_000);
        let last = users.of_builds().end - 1;
        let taken = [
            of("git", 1001..1002),
            of("wharf-300007", 300_007..300_008),
            of("below", 234_464..300_000),
            of("above", last + 1..last + 65_537),
            of("podman", 299_999..365_535),
            of("wharf-300007", 300_008..300_009),
            of("late", last..last + 1),
        ];
        let strangers: Vec<_> = users.strangers(&taken).collect();
        assert_eq!(strangers, [&taken[4], &taken[5], &taken[6]]);
    }

    #[test]
    fn a_range_is_nobody_s() {
        assert_eq!(start(&[]), Some(FIRST));
        let one = FIRST + 5..FIRST + 6;
        assert_eq!(start(&[one]), Some(FIRST + 1024));
        let whole = [100_000..FIRST + 300_000, FIRST + 300_000..FIRST + 400_000];
        let first = start(&whole).unwrap();
        assert!(first >= FIRST + 400_000 && first + COUNT <= END);
        assert_eq!(start(std::slice::from_ref(&(0..u32::MAX))), None);
    }

    #[test]
    fn lines_of_the_host_s_files_are_ranges() {
        assert_eq!(range("git:x:1001:1001::/:/bin/sh", 1), Some(1001..1002));
        assert_eq!(range("git:100000:65536", 2), Some(100_000..165_536));
        assert_eq!(range("git:4294967295:9", 2), Some(u32::MAX..u32::MAX));
        for (other, width) in [("", 1), ("a:b", 2), ("a:x:y", 1), ("# none", 2)] {
            assert_eq!(range(other, width), None, "{other}");
        }
    }

    #[test]
    fn a_user_rests_before_somebody_else_gets_it() {
        let users = Users::starting(1_000_000);
        let used = |user, rested| Used {
            user,
            rested,
            file: "x".into(),
        };
        assert_eq!(users.next(&[]).unwrap(), (1_000_000, None));
        let few = [used(1_000_007, REST)];
        assert_eq!(users.next(&few).unwrap(), (1_000_008, None));
        let all = 1_000_000..users.of_builds().start;
        let last = [used(all.end - 1, REST)];
        assert_eq!(users.next(&last).unwrap(), (1_000_000, None));
        let mut every: Vec<Used> = all.map(|user| used(user, REST / 2)).collect();
        assert!(users.next(&every).is_err());
        every[5].rested = REST;
        assert_eq!(users.next(&every).unwrap(), (1_000_005, Some(&every[5])));
    }
}
