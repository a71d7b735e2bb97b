//! What the units of jobs are called, and what is said to them.

use super::bus::UNITS;
use crate::id::Id;

/// How the names of our units begin, and end.
const OURS: [&str; 2] = ["wharf-job-", ".service"];

/// A job's unit. Ids have no characters that units' names give a meaning.
#[must_use]
pub fn unit(job: &Id) -> String {
    OURS.join(job.as_str())
}

/// The slice of a project: all that runs for it is found, counted and bounded there. What an older daemon asks
/// for without a project belongs to Wharf's own.
#[must_use]
pub fn slice(project: Option<&Id>) -> String {
    // A dash would put it into another project's: systemd.slice(5).
    match project {
        Some(project) => format!("wharf-{}.slice", project.as_str().replace('-', "\\x2d")),
        None => "wharf.slice".to_owned(),
    }
}

/// The job of a unit, where it is one of ours.
#[must_use]
pub fn job(unit: &str) -> Option<Id> {
    let [before, after] = OURS;
    Id::parse(unit.strip_prefix(before)?.strip_suffix(after)?).ok()
}

/// The job of the unit that is at this path of the bus's, where it is one of ours.
#[must_use]
pub fn job_at(path: &str) -> Option<Id> {
    let mut parts = path.strip_prefix(UNITS)?.split('_');
    let mut name = parts.next()?.to_owned();
    // What is no letter or digit is there by its number: see sd_bus_path_encode(3).
    for part in parts {
        let number = u8::from_str_radix(part.get(..2)?, 16).ok()?;
        name.push(char::from(number));
        name.push_str(&part[2..]);
    }
    job(&name)
}

/// What a unit's processes are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The first one is asked to end, and passes it on.
    Terminate,
    /// All of them are ended.
    Kill,
}

impl Signal {
    /// As systemd has it: which processes, and the signal's number.
    #[must_use]
    pub fn words(self) -> (&'static str, i32) {
        match self {
            Self::Terminate => ("main", libc::SIGTERM),
            Self::Kill => ("all", libc::SIGKILL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_s_name_is_its_job_s() {
        let id = Id::parse("shop.main.r1-web").unwrap();
        assert_eq!(unit(&id), "wharf-job-shop.main.r1-web.service");
        assert_eq!(job(&unit(&id)), Some(id));
        for other in [
            "wharfd.service",
            "wharf-job-.service",
            "wharf-job-a/b.service",
        ] {
            assert_eq!(job(other), None);
        }
    }

    #[test]
    fn a_slice_is_in_no_other_project_s() {
        let of = |project: &str| slice(Some(&Id::parse(project).unwrap()));
        assert_eq!(of("shop"), "wharf-shop.slice");
        assert_eq!(of("shop-two"), "wharf-shop\\x2dtwo.slice");
        assert_eq!(slice(None), "wharf.slice");
    }

    #[test]
    fn a_unit_s_path_is_read_back() {
        let path = "/org/freedesktop/systemd1/unit/wharf_2djob_2dshop_2emain_2er1_5fa_2eservice";
        assert_eq!(job_at(path), Id::parse("shop.main.r1_a").ok());
        for other in [
            "/org/freedesktop/systemd1/unit/wharfd_2eservice",
            "/org/freedesktop/systemd1/unit/wharf_2djob_2da_2fb_2eservice",
            "/org/freedesktop/systemd1/unit/wharf_2djob_2da_2eservice_",
            "/org/freedesktop/systemd1/unit/wharf_2djob_2da_é",
            "/org/freedesktop/systemd1/job/12",
        ] {
            assert_eq!(job_at(other), None, "{other}");
        }
    }
}
