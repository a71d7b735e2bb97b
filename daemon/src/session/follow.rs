//! Following activities for somebody who watches. The work never waits for the watcher.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wharf_wire::FromDaemon;
use wharf_wire::event::{Entry, Event};
use wharf_wire::outcome::{Exit, State};

use super::peer::Broken;
use super::{Session, host};
use crate::dispatch::{Desk, Event as Desired};
use crate::plan::queue::Reason;
use crate::report;
use crate::store::log::{Follower, Logs};

/// Something is printed at least this often.
const QUIET: Duration = Duration::from_secs(15);
/// Bytes that are too few for a record.
const FULL: u64 = 256 * 1024;
/// Events that wait for a slow watcher, at most; its followers wait then, the work does not.
const BACKLOG: usize = 64;

/// What a follower tells: an event of one of several activities, or that nothing happened.
enum Told {
    Event(usize, Box<Entry>),
    Waits(usize, String),
    End,
}

impl Session {
    /// Follows activities to their ends and exits by the worst of them. The notes come when the
    /// watcher knows what this is about and how to leave.
    pub(super) async fn follow(
        &mut self,
        ids: &[String],
        mut notes: Vec<String>,
    ) -> Result<(), Broken> {
        let mut names = vec![String::new(); ids.len()];
        let mut finals: Vec<Option<(State, String)>> = vec![None; ids.len()];
        if let [_, _, ..] = ids {
            let header = format!("wharf: {} environments", ids.len());
            self.peer
                .lines(vec![header, report::watching("ID")])
                .await?;
            self.peer.lines(std::mem::take(&mut notes)).await?;
        }
        let (tell, mut told) = mpsc::channel(BACKLOG);
        let mut followers = JoinSet::new();
        for (index, id) in ids.iter().enumerate() {
            let (logs, desk) = (self.world.logs.clone(), self.desk.clone());
            let (id, tell) = (id.clone(), tell.clone());
            followers.spawn(async move { watch(index, &id, &logs, &desk, &tell).await });
        }
        drop(tell);
        let mut last = Quiet::new();
        loop {
            let next = tokio::select! {
                next = told.recv() => next,
                () = tokio::time::sleep_until(last.due()) => {
                    let mut lines = vec![last.line()];
                    if self.is_full() {
                        lines.push("  the host's disk is full: this waits for room".into());
                    }
                    self.peer.lines(lines).await?;
                    continue;
                }
            };
            match next {
                None => break,
                Some(Told::End) => {}
                Some(Told::Waits(index, text)) => {
                    let note = Event::Note { text };
                    self.peer.lines(report::lines(&note, &names[index])).await?;
                    last.spoke();
                }
                Some(Told::Event(index, entry)) => {
                    if let Event::Opened { environment, .. } = &entry.event
                        && ids.len() > 1
                    {
                        names[index] = format!("[{environment}] ");
                    }
                    self.peer
                        .lines(report::lines(&entry.event, &names[index]))
                        .await?;
                    if matches!(entry.event, Event::Opened { .. }) && ids.len() == 1 {
                        let watching = report::watching(&ids[index]);
                        let mut lines = vec![watching];
                        lines.append(&mut notes);
                        lines.push(String::new());
                        self.peer.lines(lines).await?;
                    }
                    if let Event::StepStarted { label, .. } = &entry.event {
                        last.doing(label);
                    }
                    if let Event::Ended(ended) = &entry.event {
                        finals[index] = Some((ended.state, ended.serves.clone()));
                    }
                    last.spoke();
                }
            }
        }
        if ids.len() > 1 {
            let mut lines = vec![String::new()];
            lines.extend(finals.iter().flatten().map(|(_, serves)| serves.clone()));
            self.peer.lines(lines).await?;
        }
        let exit = finals
            .iter()
            .map(|state| exit(state.as_ref().map(|(state, _)| *state)));
        let exit = exit.max_by_key(|exit| exit.code()).unwrap_or(Exit::Ok);
        self.end(exit).await
    }

    /// Whether nothing can be recorded now: then the log says nothing, and somebody must.
    fn is_full(&self) -> bool {
        let state = self.world.paths.state();
        let free = tokio::task::block_in_place(|| crate::disk::free_space(&state));
        free.is_ok_and(|free| free.bytes < FULL)
    }

    /// Sends one log, as far as it goes or to its end.
    pub(super) async fn log(&mut self, id: &str, follow: bool, events: bool) -> Result<(), Broken> {
        if follow && !events {
            return self.follow(&[id.to_owned()], vec![]).await;
        }
        let mut follower = open(&self.world.logs, id).await?;
        let mut state = None;
        loop {
            let entry = if follow {
                follower.next().await
            } else {
                follower.read_line().await
            };
            let Some(entry) = entry.map_err(|error| host(error.to_string()))? else {
                break;
            };
            if let Event::Ended(ended) = &entry.event {
                state = Some(ended.state);
            }
            if events {
                let item = Box::new(wharf_wire::view::Item::Event(entry));
                self.peer.send(&FromDaemon::Item(item)).await?;
            } else {
                self.peer.lines(report::lines(&entry.event, "")).await?;
            }
        }
        self.end(if follow { exit(state) } else { Exit::Ok }).await
    }
}

async fn open(logs: &Logs, id: &str) -> Result<Follower, Broken> {
    logs.follow(id)
        .await
        .map_err(|error| host(format!("the log of {id}: {error}")))
}

/// How whoever waits for an activity exits.
fn exit(state: Option<State>) -> Exit {
    match state {
        Some(State::Succeeded) => Exit::Ok,
        Some(State::Failed | State::Cancelled | State::Superseded) => Exit::DeployFailed,
        Some(State::Waiting | State::Running) | None => Exit::Failed,
    }
}

async fn watch(index: usize, id: &str, logs: &Logs, desk: &Desk, tell: &mpsc::Sender<Told>) {
    let Ok(mut follower) = logs.follow(id).await else {
        return;
    };
    let mut waited = tokio::time::interval(QUIET);
    waited.reset_after(Duration::from_millis(200));
    let mut began = false;
    loop {
        let next = tokio::select! {
            next = follower.next() => next,
            _ = waited.tick(), if !began => {
                if let Some(text) = place(id, desk).await
                    && tell.send(Told::Waits(index, text)).await.is_err()
                {
                    return;
                }
                continue;
            }
        };
        let Ok(Some(entry)) = next else { break };
        began |= !matches!(entry.event, Event::Opened { .. });
        if tell
            .send(Told::Event(index, Box::new(entry)))
            .await
            .is_err()
        {
            return;
        }
    }
    // Nobody listens any more: nothing to tell.
    drop(tell.send(Told::End).await);
}

async fn place(id: &str, desk: &Desk) -> Option<String> {
    let activity = id.to_owned();
    let place = desk
        .ask(|reply| Desired::Place { activity, reply })
        .await??;
    let why = match place.reason {
        Reason::Environment { activity } => {
            format!("{activity} is still at work in this environment")
        }
        Reason::Mended => "what serves is being started again".to_owned(),
        Reason::Parallel { running } => format!("{running} others run, as many as may at a time"),
    };
    Some(match place.before {
        0 => format!("waiting: {why}; this is next"),
        1 => format!("waiting: {why}; 1 goes before this"),
        before => format!("waiting: {why}; {before} go before this"),
    })
}

/// Keeps a watcher from wondering.
struct Quiet {
    since: Instant,
    spoke: Instant,
    doing: String,
}

impl Quiet {
    fn new() -> Quiet {
        Quiet {
            since: Instant::now(),
            spoke: Instant::now(),
            doing: "working".into(),
        }
    }

    fn due(&self) -> tokio::time::Instant {
        (self.spoke + QUIET).into()
    }

    fn spoke(&mut self) {
        self.spoke = Instant::now();
    }

    fn doing(&mut self, label: &str) {
        self.since = Instant::now();
        self.doing = match label {
            "build" => "building",
            "deploy" => "deploying",
            "after" => "finishing",
            _ => "working",
        }
        .into();
    }

    fn line(&mut self) -> String {
        self.spoke = Instant::now();
        format!(
            "  still {} ({}s)",
            self.doing,
            self.since.elapsed().as_secs()
        )
    }
}
