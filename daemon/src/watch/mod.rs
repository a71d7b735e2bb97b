//! What changes on the disk without a word to the daemon: refs, and pushes in the spool.
//!
//! A change says only where to look; what is so, git's own refs say. Nothing is polled: the kernel
//! tells of changes, and where it cannot, tips are still compared at start and after each admission.

mod eyes;
mod inotify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wharf_config::name::{BranchName, ProjectName};
use wharf_config::problem::Problems;

use crate::dispatch::reconcile::{self, Made};
use crate::dispatch::{Desk, Event, rules};
use crate::execute::World;
use eyes::Eyes;

/// From a change to the look at it: git moves several refs in one go, and bells ring meanwhile.
const SETTLE: Duration = Duration::from_millis(500);
/// The wait after a look that failed; doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(5);
/// Branches that are compared by their names; of more, all are compared.
const ONE_BY_ONE: usize = 100;
/// See [`FIRST`].
const LONGEST: Duration = Duration::from_secs(300);

/// What a change is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The directory where hooks leave pushes.
    Spool,
    /// The refs of a project's repository: any of them, and its HEAD.
    Refs(ProjectName),
    /// One of its branches.
    Branch(ProjectName, BranchName),
    /// The host's and the projects' files.
    Settings,
}

/// What is to be looked at, and what cannot be watched; shared with whoever asks.
#[derive(Debug, Default)]
pub struct Watching {
    due: Mutex<BTreeMap<Subject, Due>>,
    sooner: Notify,
    troubles: Mutex<BTreeMap<Subject, Trouble>>,
    refused: Mutex<Option<Trouble>>,
}

/// When to look, and how long to wait if that fails.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    pause: Duration,
}

/// Why something cannot be watched, or does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of trouble: [`Trouble::WATCH`] or [`Trouble::CONFIGURATION`].
    pub code: &'static str,
    /// What is so.
    pub message: String,
    /// What mends it.
    pub hint: String,
}

impl Trouble {
    /// Something cannot be watched.
    pub const WATCH: &'static str = "watch";
    /// The host's files are no good, and an earlier configuration counts.
    pub const CONFIGURATION: &'static str = "configuration";
}

impl Watching {
    /// Keeps for `wharf doctor` why the host's files were refused; none once they are good. Says
    /// whether they were refused before.
    pub fn refused(&self, problems: Option<&Problems>) -> bool {
        let refused = problems.map(|problems| Trouble {
            code: Trouble::CONFIGURATION,
            message: format!(
                "the configuration on the disk does not count: {}",
                problems.first().message
            ),
            hint: "see all of it with wharfd check; mended files are read by themselves".into(),
        });
        let mut last = self.refused.lock().expect("no holder panics");
        std::mem::replace(&mut *last, refused).is_some()
    }

    /// Asks for a look at a repository that could not be compared.
    pub fn again(&self, project: ProjectName) {
        self.put(Subject::Refs(project), FIRST, FIRST * 2);
        self.sooner.notify_one();
    }

    /// What does not count or cannot be watched, and why: one of each kind, with how many more there
    /// are.
    pub fn troubles(&self) -> Vec<Trouble> {
        let troubles = self.troubles.lock().expect("no holder panics");
        let mut kinds: BTreeMap<&str, (&Trouble, usize)> = BTreeMap::new();
        for trouble in troubles.values() {
            let kind = kinds.entry(&trouble.hint).or_insert((trouble, 0));
            kind.1 += 1;
        }
        let told = |(trouble, count): (&Trouble, usize)| Trouble {
            message: match count {
                1 => trouble.message.clone(),
                more => format!("{}; and {} more", trouble.message, more - 1),
            },
            ..trouble.clone()
        };
        let refused = self.refused.lock().expect("no holder panics").clone();
        let watched = kinds.into_values().map(told);
        refused.into_iter().chain(watched).collect()
    }

    /// Keeps or clears what is wrong with a subject; says it when it is new.
    fn trouble(&self, subject: &Subject, trouble: Option<Trouble>) {
        let mut troubles = self.troubles.lock().expect("no holder panics");
        match trouble {
            None => drop(troubles.remove(subject)),
            Some(trouble) => {
                if troubles.get(subject) != Some(&trouble) {
                    tracing::warn!(
                        WHARF_ERROR = trouble.code,
                        "{}; {}",
                        trouble.message,
                        trouble.hint
                    );
                }
                troubles.insert(subject.clone(), trouble);
            }
        }
    }

    /// Whether a subject could not be watched.
    fn is_troubled(&self, subject: &Subject) -> bool {
        let troubles = self.troubles.lock().expect("no holder panics");
        troubles.contains_key(subject)
    }

    /// A look in a while; one that is due sooner stays so.
    fn put(&self, subject: Subject, wait: Duration, pause: Duration) {
        let at = Instant::now() + wait;
        let mut due = self.due.lock().expect("no holder panics");
        let entry = due.entry(subject).or_insert(Due { at, pause });
        if at < entry.at {
            *entry = Due { at, pause };
        }
    }

    /// The subject that is due first, unless nothing is.
    fn next(&self) -> Option<(Subject, Instant)> {
        let due = self.due.lock().expect("no holder panics");
        let first = due.iter().min_by_key(|(_, due)| due.at)?;
        Some((first.0.clone(), first.1.at))
    }

    /// Everything of a subject's kind that one look does: with a branch, all of the project's that
    /// are due.
    fn with_others(&self, subject: Subject) -> Look {
        let Subject::Branch(project, branch) = subject else {
            return Look::At(subject);
        };
        let (mut branches, now) = (BTreeSet::from([branch]), Instant::now());
        let mut all = self.due.lock().expect("no holder panics");
        all.retain(|subject, due| match subject {
            Subject::Branch(of, branch) if *of == project && due.at <= now => {
                branches.insert(branch.clone());
                false
            }
            _ => true,
        });
        match branches.len() {
            1..=ONE_BY_ONE => Look::Branches(project, branches),
            _ => Look::At(Subject::Refs(project)),
        }
    }

    fn take(&self, subject: &Subject) -> Duration {
        let taken = self.due.lock().expect("no holder panics").remove(subject);
        taken.map_or(FIRST, |due| due.pause)
    }
}

/// Watches from now on; whatever changes after this returns is seen.
pub fn start(world: Arc<World>, desk: Desk, stop: CancellationToken) -> JoinHandle<()> {
    let eyes = tokio::task::block_in_place(|| Eyes::open(&world));
    tokio::spawn(watch(world, desk, stop, eyes))
}

async fn watch(world: Arc<World>, desk: Desk, stop: CancellationToken, mut eyes: Eyes) {
    let mut settings = world.settings.clone();
    settings.mark_unchanged();
    loop {
        let next = world.watching.next();
        let wait = async {
            match &next {
                Some((_, at)) => tokio::time::sleep_until(*at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = settings.changed() => {
                if changed.is_err() {
                    return;
                }
                let new = tokio::task::block_in_place(|| eyes.follow(&world));
                // What was pushed between its baseline and now has told nobody.
                for project in new {
                    world.watching.put(Subject::Refs(project), SETTLE, FIRST);
                }
            }
            seen = eyes.see(&world) => {
                for subject in seen {
                    world.watching.put(subject, SETTLE, FIRST);
                }
            }
            () = world.watching.sooner.notified() => {}
            () = wait => {
                let (subject, _) = next.expect("the wait was for it");
                let pause = world.watching.take(&subject);
                let look = world.watching.with_others(subject);
                if let Look::At(subject) = &look {
                    // New directories first: what comes into one later is seen, what is there is read.
                    tokio::task::block_in_place(|| eyes.look_around(&world, subject));
                }
                if look.look(&world, &desk).await == Made::NotYet {
                    let next = (pause * 2).min(LONGEST);
                    world.watching.put(look.again(), pause, next);
                }
            }
        }
    }
}

/// One look.
#[derive(Debug)]
enum Look {
    /// At all of a subject.
    At(Subject),
    /// At these branches of a project, and nothing else of it.
    Branches(ProjectName, BTreeSet<BranchName>),
}

impl Look {
    async fn look(&self, world: &Arc<World>, desk: &Desk) -> Made {
        match self {
            Look::Branches(project, branches) => {
                reconcile::after_moves(world, desk, project, branches).await
            }
            Look::At(Subject::Refs(project) | Subject::Branch(project, _)) => {
                rules::after_change(world, project).await;
                reconcile::after_change(world, desk, project).await
            }
            Look::At(Subject::Spool) => reconcile::after_spooling(world, desk).await,
            Look::At(Subject::Settings) => match desk.ask(|reply| Event::Reload { reply }).await {
                // Refused or not, it is known what counts.
                Some(_) => Made::Up,
                None => Made::GivenUp,
            },
        }
    }

    /// What to look at where that failed.
    fn again(self) -> Subject {
        match self {
            Look::At(subject) => subject,
            Look::Branches(project, _) => Subject::Refs(project),
        }
    }
}
