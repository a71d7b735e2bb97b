//! What a sandbox takes of the host's memory and disk, held against its limits.
//!
//! Without a control group and without a quota nobody counts for us, so we look: once in a while,
//! only where there is a limit, and first at what costs next to nothing. What is exact is asked
//! for when the cheap figure has moved by half of what is left, so it is asked rarely while a limit is far.

mod disk;
mod gauge;
mod inside;

use std::time::{Duration, Instant};

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

pub(crate) use self::disk::{Used, used};
use self::{disk::Disk, gauge::Gauge, inside::Inside};
use super::sandbox::Sandbox;

/// How often a sandbox with such a limit is looked at.
pub(super) const LOOK: Duration = Duration::from_millis(500);
/// Memory moves without a trace in the cheap figure: pages that were shared may become a process's own.
const MEMORY_AGAIN: Duration = Duration::from_secs(5);
/// What may be left of a quota that is used up, and be beside it, in bytes.
const LAST: u64 = 64 << 10;
/// A neighbour may free as much disk as the sandbox takes.
const DISK_AGAIN: Duration = Duration::from_secs(30);

/// What there is to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Memory that cannot be dropped: not the pages of files on a disk.
    Memory,
    /// Room in the directories that may be written.
    Disk,
    /// Processes and threads.
    Tasks,
}

impl Resource {
    /// Its key below `limits`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Tasks => "tasks",
        }
    }

    /// What may be done instead of taking so much of it.
    #[must_use]
    pub fn instead(self) -> &'static str {
        match self {
            Self::Memory | Self::Disk => "let it take less",
            Self::Tasks => "let it start fewer processes",
        }
    }
}

/// More was taken than may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excess {
    /// Of what.
    pub resource: Resource,
    /// How much there may be: bytes, or a number of tasks.
    pub limit: u64,
    /// How much there was, at least.
    pub used: u64,
}

impl Excess {
    /// That, of what `stage` names in the configuration: `it took 2.1 GB of memory, and
    /// build.limits.memory is 2.0 GB`.
    #[must_use]
    pub fn said(&self, stage: &str) -> String {
        let key = self.resource.key();
        let (took, limit) = match self.resource {
            Resource::Memory | Resource::Disk => {
                let [used, limit] = [self.used, self.limit].map(crate::report::size);
                (format!("it took {used} of {key}"), limit)
            }
            Resource::Tasks => {
                let wanted = format!("it wanted more than {} processes and threads", self.used);
                (wanted, self.limit.to_string())
            }
        };
        format!("{took}, and {stage}.limits.{key} is {limit}")
    }
}

/// Who holds a sandbox's use against its limits.
#[derive(Debug)]
pub(super) struct Meter {
    memory: Option<Gauge>,
    disk: Option<(Gauge, Disk)>,
}

impl Meter {
    /// For a sandbox that is about to begin; none where it has no such limit.
    pub(super) fn of(sandbox: &Sandbox) -> Option<Self> {
        let limits = sandbox.limits;
        let memory = limits
            .memory
            .map(|limit| Gauge::new(limit, 0, MEMORY_AGAIN));
        let disk = limits.disk.map(|limit| {
            let disk = Disk::of(sandbox);
            (Gauge::new(limit, disk.rough(), DISK_AGAIN), disk)
        });
        (memory.is_some() || disk.is_some()).then_some(Self { memory, disk })
    }

    /// More disk than there may be, where the file system has kept it: a quota is used up.
    pub(super) fn disk(&self) -> Option<Excess> {
        let (gauge, disk) = self.disk.as_ref()?;
        let (resource, limit) = (Resource::Disk, gauge.limit());
        let is_used_up = disk.left(limit).is_some_and(|left| left <= LAST);
        is_used_up.then_some(Excess {
            resource,
            limit,
            used: limit,
        })
    }

    /// Looks once at the sandbox of this bubblewrap; blocks for some hundredths of a second at most
    /// where directories are walked through.
    pub(super) fn look(&mut self, outer: Pid) -> Option<Excess> {
        // None while it is being made.
        let inside = Inside::of(outer);
        let memory = inside
            .as_ref()
            .and_then(|inside| self.look_at_memory(inside));
        memory.or_else(|| self.look_at_disk(inside.as_ref()))
    }

    fn look_at_memory(&mut self, inside: &Inside) -> Option<Excess> {
        let gauge = self.memory.as_mut()?;
        let rough = inside.rough_memory();
        if !gauge.wants_exact(rough, Instant::now()) {
            return None;
        }
        let used = inside.memory();
        gauge.saw(rough, used, Instant::now());
        gauge.excess(Resource::Memory)
    }

    fn look_at_disk(&mut self, inside: Option<&Inside>) -> Option<Excess> {
        let (gauge, disk) = self.disk.as_mut()?;
        let is_kept = disk.left(gauge.limit()).is_some();
        if !disk.is_walking() {
            let rough = disk.rough();
            if !gauge.wants_exact(rough, Instant::now()) {
                return None;
            }
            disk.begin(rough, inside, is_kept);
        }
        let (rough, used) = disk.walk_on(gauge.limit())?;
        gauge.saw(rough, used, Instant::now());
        let excess = gauge.excess(Resource::Disk)?;
        // A file system that keeps the limit itself has said so already, and ends nothing.
        (!is_kept || excess.used > excess.limit + LAST).then_some(excess)
    }
}
