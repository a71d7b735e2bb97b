//! The loop: one closed event enum, one owner of the live state.
//!
//! It decides synchronously and acts through tasks: nothing in here waits for a disk, a process or
//! a peer. Every task's end comes back as an event.

pub mod baseline;
mod close;
mod compare;
pub mod crons;
mod fleet;
mod imported;
mod mend;
pub mod moving;
mod orders;
mod parking;
pub mod pausing;
pub mod reconcile;
pub mod rules;
mod services;
pub mod snapshots;
mod spool;
mod start;
pub mod variables;
pub mod waking;

pub use fleet::{Condition, Conditions, Health};
pub use start::{Findings, find, make_up, take_up};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wharf_config::name::{BranchName, ProjectName};
use wharf_config::problem::Problems;
use wharf_wire::Refusal;
use wharf_wire::outcome::Kind;

use crate::execute::World;
use crate::execute::activity::Conclusion;
use crate::execute::housekeeping::{self, Report, Wanted};
use crate::execute::replaced::Replaced;
use crate::execute::route;
use crate::journal::{self, Facts, Message};
use crate::plan::queue::{Full, Load, Place, Queue, Ticket, Work};
use crate::settings::Settings;
use crate::store::activity::{Approval, NewActivity};
use crate::store::environment::EnvironmentKey;
use fleet::Fleet;
use mend::Mend;
use rules::Reloaded;

/// Events that wait for the loop, at most; senders wait then.
const BACKLOG: usize = 1024;

/// Everything that can happen to the loop.
#[derive(Debug)]
pub enum Event {
    /// Somebody wants activities recorded and queued.
    Order {
        /// What, in order.
        activities: Vec<NewActivity>,
        /// Their ids, once they are recorded durably.
        reply: oneshot::Sender<Result<Vec<String>, Refusal>>,
    },
    /// A push may move these branches, and its bell may never ring.
    Admitted {
        /// The project.
        project: ProjectName,
        /// The branches.
        branches: Vec<BranchName>,
    },
    /// Which branches of a project hooks have asked for just now?
    Asked {
        /// The project.
        project: ProjectName,
        /// The branches whose bell may still ring.
        reply: oneshot::Sender<BTreeSet<BranchName>>,
    },
    /// Activities were recorded.
    Recorded {
        /// All that was asked for: also what was recorded before.
        ids: Vec<String>,
        /// What the queue needs to know of them.
        tickets: Vec<Ticket>,
        /// Who waits for their ids.
        reply: Option<oneshot::Sender<Result<Vec<String>, Refusal>>>,
    },
    /// A check, a cron's run or somebody's own command that the last daemon did not end: nobody waits
    /// for it.
    Abandoned(Ticket),
    /// An activity reached its end and that is recorded.
    Ended {
        /// Its id.
        activity: String,
    },
    /// An activity is built and waits before it goes live; that is recorded.
    Parked {
        /// Which.
        ticket: Ticket,
        /// When it may go on by itself: milliseconds since 1970-01-01 UTC.
        due: Option<u64>,
    },
    /// Somebody lets a parked activity go on.
    Approve {
        /// Which, by what word, and the activity that this is.
        approval: Box<Approval>,
        /// Whether it was parked, once the word is recorded.
        reply: oneshot::Sender<bool>,
    },
    /// The word is recorded.
    Approved {
        /// The activity's id.
        activity: String,
        /// Who waits for it to go on.
        reply: oneshot::Sender<bool>,
    },
    /// Somebody wants an activity stopped.
    Cancel {
        /// Its id.
        activity: String,
        /// Who.
        by: String,
        /// Whether it was there to be stopped.
        reply: oneshot::Sender<bool>,
    },
    /// Somebody wants to know where an activity stands in the queue.
    Place {
        /// Its id.
        activity: String,
        /// None when it does not wait.
        reply: oneshot::Sender<Option<Place>>,
    },
    /// Where does everything that waits stand?
    Places {
        /// By the activities' ids.
        reply: oneshot::Sender<BTreeMap<String, Place>>,
    },
    /// May an activity of this kind wait in each of these environments?
    Room {
        /// The project's name.
        project: String,
        /// The environments' ids.
        environments: Vec<String>,
        /// What it would be.
        kind: Kind,
        /// The first bound that is reached.
        reply: oneshot::Sender<Result<(), Full>>,
    },
    /// What waits and what runs?
    Work {
        /// All of it.
        reply: oneshot::Sender<Work>,
    },
    /// How are an environment's processes?
    Health {
        /// Of all environments.
        reply: oneshot::Sender<Conditions>,
    },
    /// A process is to be watched.
    Watch(fleet::Member),
    /// A watched process changed.
    Process {
        /// Which.
        instance: String,
        /// How it is now; none when its keeper is gone.
        health: Option<Health>,
    },
    /// What should serve in an environment may not: look, and start again what is missing.
    Mend(Mend),
    /// That is done, well or not.
    Mended(EnvironmentKey),
    /// Processes that do not serve any more are to end once no request is in flight to them.
    Retire(Replaced),
    /// The configuration is to be read again.
    Reload {
        /// What came of it, or what is wrong.
        reply: oneshot::Sender<Result<Reloaded, Problems>>,
    },
    /// What is past retention is to go from the whole host.
    Keep {
        /// Why.
        wanted: Wanted,
        /// What was done, once it is done; who asks need not wait for it.
        reply: oneshot::Sender<Report>,
    },
    /// The daemon is to end; applications go on.
    Stop,
}

/// A handle on the loop.
#[derive(Debug, Clone)]
pub struct Desk(mpsc::Sender<Event>);

impl Desk {
    /// Sends an event. When the loop has ended nobody is left to care.
    pub async fn send(&self, event: Event) {
        drop(self.0.send(event).await);
    }

    /// Sends a question and waits for its answer; none when the loop has ended.
    pub async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Event) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.send(question(reply)).await;
        answer.await.ok()
    }
}

/// Somebody's word, and who waits for what becomes of it.
type Early = (Box<Approval>, oneshot::Sender<bool>);

/// The loop with its live state.
#[derive(Debug)]
pub struct Dispatch {
    world: Arc<World>,
    settings: watch::Sender<Arc<Settings>>,
    desk: Desk,
    events: mpsc::Receiver<Event>,
    queue: Queue,
    load: watch::Sender<Load>,
    /// Ends when the last order's activities have their logs and the queue was told of them.
    recording: Option<oneshot::Receiver<()>>,
    running: HashMap<String, CancellationToken>,
    /// Cancels of what the last daemon had begun and this one has not taken up yet.
    stopped: HashMap<String, CancellationToken>,
    /// Cancels of what runs, with who wanted it: it may be parked at the same moment.
    stopping: HashMap<String, String>,
    /// Words for activities that are recorded as parked and have not given up their turns yet.
    early: HashMap<String, Vec<Early>>,
    fleet: Fleet,
    /// The branches of admitted pushes whose bell may still ring, and since when.
    asked: Vec<(Instant, ProjectName, Vec<BranchName>)>,
    /// What is to be looked after once the environment's activity has ended.
    later: Vec<Mend>,
    mending: Arc<Semaphore>,
    reloading: Arc<tokio::sync::Mutex<()>>,
    tasks: JoinSet<()>,
}

impl Dispatch {
    /// A loop that has seen no event yet.
    pub fn new(world: Arc<World>, settings: watch::Sender<Arc<Settings>>) -> (Dispatch, Desk) {
        let (sender, events) = mpsc::channel(BACKLOG);
        let desk = Desk(sender);
        let dispatch = Dispatch {
            world,
            settings,
            desk: desk.clone(),
            events,
            queue: Queue::default(),
            load: watch::Sender::default(),
            recording: None,
            running: HashMap::new(),
            stopped: HashMap::new(),
            stopping: HashMap::new(),
            early: HashMap::new(),
            fleet: Fleet::default(),
            asked: Vec::new(),
            later: Vec::new(),
            mending: Arc::new(Semaphore::new(mend::AT_ONCE)),
            reloading: Arc::default(),
            tasks: JoinSet::new(),
        };
        (dispatch, desk)
    }

    /// Takes one event after the other until [`Event::Stop`]; then ends what belongs to it.
    /// Applications live on under their keepers; activities begin again with the next daemon.
    pub async fn run(mut self) {
        let world = Arc::clone(&self.world);
        self.tasks
            .spawn(async move { housekeeping::daily(&world).await });
        // What people wrote may have changed while no daemon was there.
        let world = Arc::clone(&self.world);
        self.tasks
            .spawn(async move { route::refresh_first(&world).await });
        let mut settings = self.world.settings.clone();
        let mut counted = Arc::clone(&settings.borrow_and_update());
        loop {
            let due = self.queue.next_due();
            tokio::select! {
                () = parking::wait_for(due) => self.unpark_what_is_due(),
                Ok(()) = settings.changed() => {
                    let before = std::mem::replace(
                        &mut counted,
                        Arc::clone(&settings.borrow_and_update()),
                    );
                    self.unpark_what_changed(&before, &counted);
                }
                event = self.events.recv() => match event {
                    Some(Event::Stop) | None => break,
                    Some(event) => {
                        self.take(event);
                        self.tell_load();
                    }
                },
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a task of the daemon ended badly");
                    }
                }
            }
        }
        self.tasks.shutdown().await;
    }

    /// How much there is to do, for whoever wants to know it when it changes.
    pub fn loads(&self) -> watch::Receiver<Load> {
        self.load.subscribe()
    }

    fn tell_load(&self) {
        let load = self.queue.load();
        let before = *self.load.borrow();
        if load == before {
            return;
        }
        self.load.send_replace(load);
        if load.is_drained() && !before.is_drained() {
            journal::say(Message::Drained, &Facts::default(), "the queue is drained");
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Order { activities, reply } => self.record(activities, reply),
            Event::Admitted { project, branches } => {
                self.forget_old_questions();
                let now = Instant::now();
                self.asked.push((now, project.clone(), branches.clone()));
                let (world, desk) = (Arc::clone(&self.world), self.desk.clone());
                self.tasks.spawn(async move {
                    reconcile::after_admission(&world, &desk, project, branches).await;
                });
            }
            Event::Asked { project, reply } => {
                self.forget_old_questions();
                let of_project = self.asked.iter().filter(|(_, of, _)| *of == project);
                let branches = of_project.flat_map(|(_, _, branches)| branches.iter().cloned());
                answer(reply, branches.collect());
            }
            Event::Recorded {
                ids,
                tickets,
                reply,
            } => self.enqueue(ids, tickets, reply),
            Event::Abandoned(ticket) => self.abandon(&ticket),
            Event::Parked { ticket, due } => self.park(ticket, due),
            Event::Approve { approval, reply } => self.approve(approval, reply),
            Event::Approved { activity, reply } => answer(reply, self.unpark(&activity)),
            Event::Ended { activity } => {
                self.running.remove(&activity);
                self.stopping.remove(&activity);
                self.early.remove(&activity);
                self.queue.finish(&activity);
                self.world.pausing.notify_one();
                self.world.crons.changed.notify_one();
                self.world.snapshotting.notify_one();
                self.mend_later_ones();
                self.start_what_may();
            }
            Event::Cancel {
                activity,
                by,
                reply,
            } => self.cancel(activity, &by, reply),
            Event::Place { activity, reply } => answer(reply, self.queue.place(&activity)),
            Event::Places { reply } => answer(reply, self.queue.places()),
            Event::Room {
                project,
                environments,
                kind,
                reply,
            } => answer(reply, self.room(&project, &environments, kind)),
            Event::Work { reply } => answer(reply, self.queue.work()),
            Event::Health { reply } => answer(reply, self.fleet.conditions()),
            Event::Watch(member) => self.fleet.watch(member, &self.desk, &mut self.tasks),
            Event::Process { instance, health } => {
                if let Some(key) = self.fleet.changed(&instance, health) {
                    self.mend(Mend::first(key));
                }
            }
            Event::Mend(mend) => self.mend(mend),
            Event::Mended(key) => {
                self.queue.free(key.project.as_str(), key.id.as_str());
                self.world.crons.changed.notify_one();
                self.mend_later_ones();
                self.start_what_may();
            }
            Event::Retire(replaced) => {
                let (world, desk) = (Arc::clone(&self.world), self.desk.clone());
                self.tasks.spawn(async move {
                    if let Some(key) = replaced.retire(&world).await.unused {
                        desk.send(Event::Mend(Mend::first(key))).await;
                    }
                });
            }
            Event::Reload { reply } => self.reload(reply),
            Event::Keep { wanted, reply } => {
                let world = Arc::clone(&self.world);
                self.tasks
                    .spawn(async move { answer(reply, housekeeping::keep(&world, wanted).await) });
            }
            Event::Stop => unreachable!("the loop ends before this"),
        }
    }

    /// The bells of older ones have rung, or were made up for.
    fn forget_old_questions(&mut self) {
        self.asked
            .retain(|(since, _, _)| since.elapsed() < reconcile::GRACE);
    }

    fn room(&self, project: &str, environments: &[String], kind: Kind) -> Result<(), Full> {
        match kind {
            kind if kind.moves_branch() || kind == Kind::Check => {
                self.queue.room_for_pushes(project, environments)
            }
            // The one takes the place of everything else there, the other never waits.
            Kind::Delete
            | Kind::Info
            | Kind::Approve
            | Kind::Variable
            | Kind::Run
            | Kind::Cron
            | Kind::Import
            | Kind::Upload
            | Kind::Download => Ok(()),
            _ => {
                let mut environments = environments.iter();
                environments.try_for_each(|environment| self.queue.room(project, environment))
            }
        }
    }

    /// Starts again what should serve and does not. Activities of the environment wait meanwhile;
    /// while one runs, it is left to it, and looked at again afterwards.
    fn mend(&mut self, mend: Mend) {
        let key = &mend.key;
        if !self.queue.hold(key.project.as_str(), key.id.as_str()) {
            if !self.later.iter().any(|other| other.key == *key) {
                self.later.push(mend);
            }
            return;
        }
        let (world, desk) = (Arc::clone(&self.world), self.desk.clone());
        let turns = Arc::clone(&self.mending);
        self.tasks.spawn(async move {
            let turn = turns.acquire().await;
            let again = mend.mend(&world, &desk).await;
            drop(turn);
            desk.send(Event::Mended(mend.key.clone())).await;
            if let Some((pause, mend)) = again {
                tokio::time::sleep(pause).await;
                desk.send(Event::Mend(mend)).await;
            }
        });
    }

    fn mend_later_ones(&mut self) {
        for mend in std::mem::take(&mut self.later) {
            self.mend(mend);
        }
    }

    fn reload(&mut self, reply: oneshot::Sender<Result<Reloaded, Problems>>) {
        let (world, settings) = (Arc::clone(&self.world), self.settings.clone());
        let turn = Arc::clone(&self.reloading);
        self.tasks.spawn(async move {
            // One after the other, so that an older reading never takes a newer one's place.
            let _turn = turn.lock().await;
            answer(reply, rules::reload(&world, &settings).await);
        });
    }

    /// Ends an activity for good: recorded first, then said, then the next may start.
    fn conclude(&mut self, ticket: &Ticket, conclusion: Conclusion) {
        let (world, desk) = (Arc::clone(&self.world), self.desk.clone());
        let ticket = ticket.clone();
        self.tasks
            .spawn(async move { close::close(&world, &desk, &ticket, conclusion).await });
    }
}

/// Answers somebody who may have gone away meanwhile.
fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    drop(reply.send(value));
}
