//! Who is killed, and how the host comes back.

use wharf_tests::{Process, World, is_within, kill};

/// Whoever is killed without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    /// `wharfd` alone: the router and the applications live on.
    Daemon,
    /// `wharf-router` alone: the daemon starts another.
    Router,
    /// Both.
    Both,
    /// `wharf-helper` alone, where jobs are units.
    Helper,
    /// `wharfd` and `wharf-helper`.
    DaemonAndHelper,
    /// A process's keeper, and so the process.
    Keeper,
    /// A sandbox: of a build, of a command or of a process.
    Sandbox,
    /// What runs in a sandbox: of a build, of a command or of a process.
    Inside,
}

impl Victim {
    /// The columns of the crash matrix.
    pub(crate) fn matrix() -> [Victim; 3] {
        match is_within() {
            true => [Victim::Daemon, Victim::Helper, Victim::DaemonAndHelper],
            false => [Victim::Daemon, Victim::Router, Victim::Both],
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Victim::Daemon => "daemon",
            Victim::Router => "router",
            Victim::Both => "both",
            Victim::Helper => "helper",
            Victim::DaemonAndHelper => "daemon and helper",
            Victim::Keeper => "keeper",
            Victim::Sandbox => "sandbox",
            Victim::Inside => "process inside",
        }
    }

    /// Whether router and applications live on, so that no visitor may notice anything.
    pub(crate) fn spares_visitors(self) -> bool {
        matches!(
            self,
            Victim::Daemon | Victim::Helper | Victim::DaemonAndHelper
        )
    }

    /// Whether the daemon dies.
    pub(crate) fn is_daemon(self) -> bool {
        matches!(
            self,
            Victim::Daemon | Victim::Both | Victim::DaemonAndHelper
        )
    }

    /// Whether the application itself is hit.
    pub(crate) fn is_application(self) -> bool {
        matches!(self, Victim::Keeper | Victim::Sandbox | Victim::Inside)
    }

    /// Kills, and starts the daemon again where it was killed. A frozen one goes on. Where there are
    /// several victims, `pick` chooses one of so many.
    pub(crate) fn strike(self, world: &World, pick: impl FnOnce(usize) -> usize) {
        match self {
            Victim::Daemon => {
                world.kill_daemon();
                world.start();
            }
            Victim::Router => {
                world.kill_router();
                world.thaw();
            }
            Victim::Helper => {
                world.kill_helper();
                world.thaw();
            }
            Victim::DaemonAndHelper => {
                world.kill_daemon();
                world.kill_helper();
                world.start();
            }
            Victim::Both => {
                world.kill_daemon();
                world.kill_router();
                world.start();
            }
            Victim::Keeper | Victim::Sandbox | Victim::Inside => {
                let processes = world.processes();
                let is_inside = |process: &Process| {
                    let parent = |one: &Process| one.pid.as_raw_nonzero().get() == process.parent;
                    let mut sandboxes = processes.iter().filter(|one| one.is_sandbox());
                    sandboxes.any(parent)
                };
                let wanted: Vec<_> = processes
                    .iter()
                    .filter(|process| match self {
                        Victim::Keeper => process.keeps().is_some(),
                        Victim::Sandbox => process.is_sandbox(),
                        _ => !process.is_sandbox() && is_inside(process),
                    })
                    .collect();
                if !wanted.is_empty() {
                    kill(wanted[pick(wanted.len())].pid);
                }
            }
        }
    }
}
