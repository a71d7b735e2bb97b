//! Which activity runs next: production first, one an environment, fair between projects, bounded.

mod line;
mod load;
mod parked;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use load::Load;
use wharf_wire::outcome::Kind;

/// What the queue needs to know of an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The activity's id.
    pub activity: String,
    /// Its place in the record: of two activities the newer has the greater one.
    pub number: u64,
    /// Its project's name.
    pub project: String,
    /// Its environment's id.
    pub environment: String,
    /// Whether the environment is production.
    pub production: bool,
    /// What started it.
    pub kind: Kind,
    /// Whether the last daemon had begun it: then it is ended by what was done, not superseded.
    pub begun: bool,
}

impl Ticket {
    fn place(&self) -> (&str, &str) {
        (&self.project, &self.environment)
    }

    fn shares_environment(&self, other: &Ticket) -> bool {
        self.project == other.project && self.environment == other.environment
    }

    /// A newer push makes older waiting pushes pointless, and the checks of pushes that began where
    /// the branch is no longer; a deletion makes everything so.
    fn supersedes(&self, other: &Ticket) -> bool {
        self.shares_environment(other)
            && self.number > other.number
            && !other.begun
            && match self.kind {
                moves if moves.moves_branch() => {
                    other.kind.moves_branch() || other.kind == Kind::Check
                }
                // What was accepted is deployed, whatever comes of this.
                Kind::Check => other.kind == Kind::Check,
                Kind::Delete => true,
                _ => false,
            }
    }

    /// What is parked was built from where the branch is no longer: a redeploy of that, too.
    fn supersedes_parked(&self, other: &Ticket) -> bool {
        let is_of_tip = matches!(other.kind, Kind::Redeploy | Kind::Activate);
        let moved = self.kind.moves_branch() && self.shares_environment(other);
        self.supersedes(other) || (moved && is_of_tip && self.number > other.number && !other.begun)
    }
}

/// Production starts that pass over a waiting activity of another type; then it goes first too.
const PATIENCE: u64 = 10;
/// Activities that may wait in one environment.
const MOST_IN_ENVIRONMENT: usize = 20;
/// Activities that may wait in one project.
const MOST_IN_PROJECT: usize = 200;
/// Activities that may wait on the host.
const MOST: usize = 1_000;

/// Activities that wait and run.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Vec<Waiting>,
    running: Vec<Ticket>,
    /// They are built and have no turn until somebody lets them go on.
    parked: Vec<Parked>,
    /// Project and id of environments that are mended: one thing at a time.
    held: BTreeSet<(String, String)>,
    /// When each project's turn was last, counted in starts.
    served: BTreeMap<String, u64>,
    starts: u64,
    production_starts: u64,
}

/// An activity that waits; the older, the further in front in [`Queue::waiting`].
#[derive(Debug, Clone)]
struct Waiting {
    ticket: Ticket,
    /// How often production had begun when it came.
    since: u64,
}

/// An activity that is built and waits before it goes live.
#[derive(Debug, Clone)]
struct Parked {
    ticket: Ticket,
    /// When it may go on by itself: milliseconds since 1970-01-01 UTC.
    due: Option<u64>,
}

/// An activity that is not to begin any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superseded {
    /// Which.
    pub old: Ticket,
    /// The id of the newer one that makes it pointless.
    pub by: String,
}

/// What is to be done and what is being done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// It waits for its turn, or for leave.
    pub waiting: Vec<Ticket>,
    /// It runs.
    pub running: Vec<Ticket>,
}

/// Where a waiting activity stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// How many go before it.
    pub before: usize,
    /// What it waits for.
    pub reason: Reason,
}

/// What a waiting activity waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Another activity of the same environment runs or goes first.
    Environment {
        /// Its id.
        activity: String,
        /// Whether it has begun.
        runs: bool,
    },
    /// What serves there is being started again.
    Mended,
    /// As many run as the host allows.
    Parallel {
        /// How many.
        running: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Environment {
                activity,
                runs: true,
            } => write!(f, "{activity} is still at work in this environment"),
            Reason::Environment {
                activity,
                runs: false,
            } => write!(f, "{activity} of this environment goes first"),
            Reason::Mended => f.write_str("what serves is being started again"),
            Reason::Parallel { running: 1 } => f.write_str("another runs, one at a time"),
            Reason::Parallel { running } => {
                write!(f, "{running} others run, as many as may at a time")
            }
        }?;
        match self.before {
            0 => f.write_str("; this is next"),
            1 => f.write_str("; 1 goes before this"),
            before => write!(f, "; {before} go before this"),
        }
    }
}

/// The queue takes no more that can be refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full: {waiting} activities wait {place} (at most {most})")]
pub struct Full {
    /// How many wait there.
    pub waiting: usize,
    /// How many may.
    pub most: usize,
    /// Such as `in shop/staging` or `on this host`.
    pub place: String,
}

impl Queue {
    /// Takes an activity in; returns what is superseded: waiting ones, or itself where a newer one
    /// came before it. What git has accepted is never refused: whoever can be refused asks
    /// [`Queue::room`] before.
    pub fn add(&mut self, ticket: Ticket) -> Vec<Superseded> {
        if let Some(newer) = self.all().find(|other| other.supersedes(&ticket)) {
            let by = newer.activity.clone();
            return vec![Superseded { old: ticket, by }];
        }
        let (superseded, mut waiting): (Vec<_>, Vec<_>) = self
            .waiting
            .drain(..)
            .partition(|other| ticket.supersedes(&other.ticket));
        let parked = self.supersede_parked(&ticket);
        let (by, since) = (ticket.activity.clone(), self.production_starts);
        let place = waiting.partition_point(|other| other.ticket.number < ticket.number);
        waiting.insert(place, Waiting { ticket, since });
        self.waiting = waiting;
        let superseded = superseded.into_iter().map(|old| old.ticket);
        let superseded = superseded.chain(parked).map(|old| Superseded {
            old,
            by: by.clone(),
        });
        superseded.collect()
    }

    fn all(&self) -> impl Iterator<Item = &Ticket> {
        let waiting = self.waiting.iter().map(|waiting| &waiting.ticket);
        waiting.chain(self.parked()).chain(&self.running)
    }

    /// Whether an activity more may wait in an environment.
    ///
    /// # Errors
    /// Which bound is reached, with the figures.
    pub fn room(&self, project: &str, environment: &str) -> Result<(), Full> {
        let waiting = |fits: &dyn Fn(&Ticket) -> bool| {
            let fitting = self.idle().filter(|other| fits(other));
            fitting.count()
        };
        let of_project = |ticket: &Ticket| ticket.project == project;
        let of_both = |ticket: &Ticket| of_project(ticket) && ticket.environment == environment;
        let bounds = [
            (
                waiting(&of_both),
                MOST_IN_ENVIRONMENT,
                format!("in {project}/{environment}"),
            ),
            (
                waiting(&of_project),
                MOST_IN_PROJECT,
                format!("in {project}"),
            ),
            (self.idle().count(), MOST, "on this host".to_owned()),
        ];
        let reached = bounds
            .into_iter()
            .find(|(waiting, most, _)| waiting >= most);
        match reached {
            None => Ok(()),
            Some((waiting, most, place)) => Err(Full {
                waiting,
                most,
                place,
            }),
        }
    }

    /// The same for a push, which takes the place of those that it supersedes.
    ///
    /// # Errors
    /// Which bound is reached, with the figures.
    pub fn room_for_push(&self, project: &str, environment: &str) -> Result<(), Full> {
        let push = push(project, environment);
        if self.idle().any(|old| push.supersedes(old)) {
            return Ok(());
        }
        self.room(project, environment)
    }

    /// The same for all environments of one push, each of which takes room from the others.
    ///
    /// # Errors
    /// Which bound is reached, with the figures.
    pub fn room_for_pushes(&self, project: &str, environments: &[String]) -> Result<(), Full> {
        let mut then = Queue {
            waiting: self.waiting.clone(),
            parked: self.parked.clone(),
            ..Queue::default()
        };
        for (own, environment) in environments.iter().enumerate() {
            let room = then.room_for_push(project, environment);
            room.map_err(|full| match own {
                0 => full,
                own => Full {
                    place: format!("{}, counting {own} of this push", full.place),
                    ..full
                },
            })?;
            then.add(push(project, environment));
        }
        Ok(())
    }

    /// Moves the next activity from waiting to running, if one may start.
    pub fn start_next(&mut self, parallel: usize) -> Option<Ticket> {
        if self.running.len() >= parallel {
            return None;
        }
        let index = self.first_that_may()?;
        let ticket = self.waiting.remove(index).ticket;
        self.starts += 1;
        self.production_starts += u64::from(ticket.production);
        self.served.insert(ticket.project.clone(), self.starts);
        self.running.push(ticket.clone());
        self.forget_idle_projects();
        Some(ticket)
    }

    fn first_that_may(&self) -> Option<usize> {
        let mut taken: BTreeSet<(&str, &str)> = self.running.iter().map(Ticket::place).collect();
        self.line().into_iter().find(|&index| {
            let ticket = &self.waiting[index].ticket;
            // Also behind an older one of its environment, which may be held.
            taken.insert(ticket.place()) && !self.is_held(ticket)
        })
    }

    /// Only who waits or runs has a turn to remember.
    fn forget_idle_projects(&mut self) {
        let busy: BTreeSet<&str> = self.all().map(|ticket| ticket.project.as_str()).collect();
        let idle = |project: &String| !busy.contains(project.as_str());
        let idle: Vec<String> = self.served.keys().filter(|p| idle(p)).cloned().collect();
        for project in idle {
            self.served.remove(&project);
        }
    }

    /// Forgets an activity that ended.
    pub fn finish(&mut self, activity: &str) {
        self.running.retain(|ticket| ticket.activity != activity);
    }

    /// Takes a waiting activity out: it was cancelled before it began. One that the last daemon had
    /// begun stays: what was done decides how it ends.
    pub fn withdraw(&mut self, activity: &str) -> Option<Ticket> {
        let index = self
            .waiting
            .iter()
            .position(|waiting| waiting.ticket.activity == activity && !waiting.ticket.begun)?;
        Some(self.waiting.remove(index).ticket)
    }

    /// Where a waiting activity stands; none when it does not wait.
    pub fn place(&self, activity: &str) -> Option<Place> {
        let line = self.line();
        let before = line
            .iter()
            .position(|&index| self.waiting[index].ticket.activity == activity)?;
        Some(self.place_at(&line, before))
    }

    /// Where every waiting activity stands, by its id.
    pub fn places(&self) -> BTreeMap<String, Place> {
        let line = self.line();
        let id = |index: usize| self.waiting[index].ticket.activity.clone();
        (0..line.len())
            .map(|before| (id(line[before]), self.place_at(&line, before)))
            .collect()
    }

    fn place_at(&self, line: &[usize], before: usize) -> Place {
        let ticket = &self.waiting[line[before]].ticket;
        let same = |other: &&Ticket| other.shares_environment(ticket);
        let runs = self.running.iter().find(same);
        let mut earlier = line[..before].iter().map(|&i| &self.waiting[i].ticket);
        let blocker = runs.or_else(|| earlier.find(same));
        let reason = match blocker {
            Some(blocker) => Reason::Environment {
                activity: blocker.activity.clone(),
                runs: runs.is_some(),
            },
            None if self.is_held(ticket) => Reason::Mended,
            None => Reason::Parallel {
                running: self.running.len(),
            },
        };
        Place { before, reason }
    }

    /// How many wait and how many run.
    pub fn counts(&self) -> (usize, usize) {
        (self.idle().count(), self.running.len())
    }

    /// Everything that waits, for whatever it does, and everything that runs.
    pub fn work(&self) -> Work {
        Work {
            waiting: self.idle().cloned().collect(),
            running: self.running.clone(),
        }
    }

    /// Lets no activity of an environment begin; false while one runs there, or it is held already.
    pub fn hold(&mut self, project: &str, environment: &str) -> bool {
        let place = (project, environment);
        let busy = self.running.iter().any(|ticket| ticket.place() == place);
        !busy
            && self
                .held
                .insert((project.to_owned(), environment.to_owned()))
    }

    /// Lets activities of an environment begin again.
    pub fn free(&mut self, project: &str, environment: &str) {
        self.held
            .remove(&(project.to_owned(), environment.to_owned()));
    }

    fn is_held(&self, ticket: &Ticket) -> bool {
        // The usual case without a copy of two names.
        !self.held.is_empty()
            && self
                .held
                .contains(&(ticket.project.clone(), ticket.environment.clone()))
    }
}

/// A push that nobody has made yet.
fn push(project: &str, environment: &str) -> Ticket {
    Ticket {
        activity: String::new(),
        number: u64::MAX,
        project: project.to_owned(),
        environment: environment.to_owned(),
        production: false,
        kind: Kind::Push,
        begun: false,
    }
}

#[cfg(test)]
mod tests;
