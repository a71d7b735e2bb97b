//! Following activities for somebody who watches. The work never waits for the watcher.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wharf_wire::FromDaemon;
use wharf_wire::event::{Ended, Entry, Event, Parked};
use wharf_wire::outcome::{Exit, Kind, State};

use super::peer::Broken;
use super::{Session, faulty, host};
use crate::dispatch::{Desk, Event as Desired};
use crate::execute::World;
use crate::execute::end::{self, Undoing};
use crate::report;
use crate::store::environment;
use crate::store::log::{Follower, Logs};

/// Something is printed at least this often.
const QUIET: Duration = Duration::from_secs(15);
/// Events that wait for a slow watcher, at most; its followers wait then, the work does not.
const BACKLOG: usize = 64;

/// How far somebody follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// To the end, however long it waits.
    End,
    /// As far as it goes by itself: until it waits for an approval or a window.
    Parked,
}

/// Which part of an activity somebody follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) until: Until,
    /// Nothing that happened before is shown.
    pub(super) since: u64,
    /// Whether it is said what this is about.
    pub(super) head: bool,
}

/// All of it.
const WHOLE: Part = Part {
    until: Until::End,
    since: 0,
    head: true,
};

/// How following an activity ended.
enum Final {
    Ended(Ended),
    Parked(Parked),
}

impl Final {
    fn exit(&self) -> Exit {
        match self {
            Final::Ended(ended) => exit(Some(ended.state)),
            Final::Parked(_) => Exit::Ok,
        }
    }

    fn serves(&self) -> &str {
        match self {
            Final::Ended(ended) => &ended.serves,
            Final::Parked(parked) => &parked.serves,
        }
    }
}

/// What a follower tells: an event of one of several activities, or that nothing happened.
enum Told {
    Event(usize, Box<Entry>),
    Waits(usize, String),
    End,
}

impl Session {
    /// Follows activities as far as they go by themselves and exits by the worst of them. The notes
    /// come when the watcher knows what this is about and how to leave.
    pub(super) async fn follow(
        &mut self,
        ids: &[String],
        notes: Vec<String>,
    ) -> Result<(), Broken> {
        let part = Part {
            until: Until::Parked,
            ..WHOLE
        };
        self.follow_part(ids, notes, part).await
    }

    /// Follows a part of activities and exits by the worst of them.
    pub(super) async fn follow_part(
        &mut self,
        ids: &[String],
        notes: Vec<String>,
        part: Part,
    ) -> Result<(), Broken> {
        let finals = self.watch_part(ids, notes, report::watching, part).await?;
        let exits = finals
            .iter()
            .map(|end| end.as_ref().map_or(Exit::Failed, Final::exit));
        let exit = exits.max_by_key(|exit| exit.code()).unwrap_or(Exit::Ok);
        self.end(exit).await
    }

    /// Follows activities to their ends, and returns those; none for one whose log broke off.
    /// `leaving` says how to stop watching, and what that means.
    pub(super) async fn watch(
        &mut self,
        ids: &[String],
        notes: Vec<String>,
        leaving: report::Leaving,
    ) -> Result<Vec<Option<Ended>>, Broken> {
        let finals = self.watch_part(ids, notes, leaving, WHOLE).await?;
        let ended = |end| match end {
            Some(Final::Ended(ended)) => Some(ended),
            Some(Final::Parked(_)) | None => None,
        };
        Ok(finals.into_iter().map(ended).collect())
    }

    async fn watch_part(
        &mut self,
        ids: &[String],
        mut notes: Vec<String>,
        leaving: report::Leaving,
        part: Part,
    ) -> Result<Vec<Option<Final>>, Broken> {
        let mut names = vec![String::new(); ids.len()];
        let mut finals: Vec<Option<Final>> = ids.iter().map(|_| None).collect();
        if ids.len() > 1 && part.head {
            let header = format!("wharf: {} environments", ids.len());
            // Several are what a push or a deployment of many began.
            self.peer
                .lines(vec![header, leaving("ID", Kind::Push)])
                .await?;
            self.peer.lines(std::mem::take(&mut notes)).await?;
        }
        let (tell, mut told) = mpsc::channel(BACKLOG);
        let mut followers = JoinSet::new();
        for (index, id) in ids.iter().enumerate() {
            let (world, desk) = (Arc::clone(&self.world), self.desk.clone());
            let (id, tell, until) = (id.clone(), tell.clone(), part.until);
            followers.spawn(async move { watch(index, &id, until, &world, &desk, &tell).await });
        }
        drop(tell);
        let mut last = Quiet::new();
        loop {
            let next = tokio::select! {
                next = told.recv() => next,
                () = self.peer.gone() => return Err(Broken::Gone),
                () = tokio::time::sleep_until(last.due()) => {
                    if let Some(fault) = self.world.recorder.fault() {
                        // It waits for the next daemon; nobody should wait with it.
                        return Err(faulty(fault));
                    }
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
                    let head = match entry.event {
                        Event::Opened { kind, .. } if part.head => Some(kind),
                        _ => None,
                    };
                    // Whatever was heard before, nobody is left without the end.
                    let is_end = matches!(entry.event, Event::Ended(_));
                    if entry.at >= part.since || head.is_some() || is_end {
                        let lines = report::lines(&entry.event, &names[index]);
                        self.peer.lines(lines).await?;
                    }
                    if let Some(kind) = head
                        && ids.len() == 1
                    {
                        let mut lines = vec![leaving(&ids[index], kind)];
                        lines.append(&mut notes);
                        lines.push(String::new());
                        self.peer.lines(lines).await?;
                    }
                    if let Event::StepStarted { label, .. } = &entry.event {
                        last.doing(label);
                    }
                    if let Event::Ended(ended) = &entry.event {
                        finals[index] = Some(Final::Ended((**ended).clone()));
                    }
                    if let Event::Parked(parked) = &entry.event {
                        finals[index] = Some(Final::Parked((**parked).clone()));
                        last.doing("parked");
                    } else if !matches!(entry.event, Event::Ended(_)) {
                        finals[index] = None;
                    }
                    last.spoke();
                }
            }
        }
        for (index, id) in ids.iter().enumerate() {
            if !matches!(finals[index], Some(Final::Ended(_)))
                && let Some(entry) = self.recorded_end(id).await
                && let Event::Ended(ended) = &entry.event
            {
                let lines = report::lines(&entry.event, &names[index]);
                self.peer.lines(lines).await?;
                finals[index] = Some(Final::Ended((**ended).clone()));
            }
        }
        if ids.len() > 1 {
            let mut lines = vec![String::new()];
            lines.extend(finals.iter().flatten().map(|end| end.serves().to_owned()));
            self.peer.lines(lines).await?;
        }
        Ok(finals)
    }

    /// Whether nothing can be recorded now: then the log says nothing, and somebody must.
    fn is_full(&self) -> bool {
        let state = self.world.paths.state();
        tokio::task::block_in_place(|| crate::disk::is_full(&state))
    }

    /// Sends one log, as far as it goes or to its end.
    pub(super) async fn log(&mut self, id: &str, follow: bool, events: bool) -> Result<(), Broken> {
        if follow && !events {
            return self.follow_part(&[id.to_owned()], vec![], WHOLE).await;
        }
        let mut follower = open(&self.world.logs, id).await?;
        let mut state = None;
        loop {
            let entry = if follow {
                self.next_of(&mut follower).await?
            } else {
                follower.read_line().await
            };
            let Some(entry) = entry.map_err(|error| host(error.to_string()))? else {
                break;
            };
            if let Event::Ended(ended) = &entry.event {
                state = Some(ended.state);
            }
            self.entry(entry, events).await?;
        }
        if state.is_none()
            && let Some(entry) = self.recorded_end(id).await
            && let Event::Ended(ended) = &entry.event
        {
            state = Some(ended.state);
            self.entry(entry, events).await?;
        }
        self.end(if follow { exit(state) } else { Exit::Ok }).await
    }

    /// The next event of a log that goes on. Ends the conversation where the caller left, and where
    /// no event may ever come.
    pub(super) async fn next_of(
        &self,
        log: &mut Follower,
    ) -> Result<io::Result<Option<Entry>>, Broken> {
        loop {
            tokio::select! {
                next = log.next() => return Ok(next),
                () = self.peer.gone() => return Err(Broken::Gone),
                () = tokio::time::sleep(QUIET) => {
                    if let Some(fault) = self.world.recorder.fault() {
                        return Err(faulty(fault));
                    }
                }
            }
        }
    }

    async fn entry(&mut self, entry: Entry, events: bool) -> Result<(), Broken> {
        if !events {
            return self.peer.lines(report::lines(&entry.event, "")).await;
        }
        let item = Box::new(wharf_wire::view::Item::Event(entry));
        self.peer.send(&FromDaemon::Item(item)).await
    }

    /// The end of an activity whose log has none: the daemon died, or the host lost power, before
    /// it was written. None while the activity goes on.
    pub(super) async fn recorded_end(&self, id: &str) -> Option<Entry> {
        let recorder = &self.world.recorder;
        let activity = recorder.activity(id).await.ok()??;
        let key = environment::key(&activity.project, &activity.environment).ok()?;
        let record = recorder.environment(&key).await.ok()?;
        let url = record.and_then(|record| self.url_of(&record));
        let settings = self.world.settings();
        let who = Undoing::of(settings.projects.get(&key.project));
        let ended = end::recorded(&activity, url, who)?;
        Some(Entry {
            at: activity.ended?,
            event: Event::Ended(Box::new(ended)),
        })
    }
}

async fn open(logs: &Logs, id: &str) -> Result<Follower, Broken> {
    logs.follow(id)
        .await
        .map_err(|error| host(format!("the log of {id}: {error}")))
}

/// How whoever waits for an activity exits.
pub(super) fn exit(state: Option<State>) -> Exit {
    match state {
        Some(State::Succeeded) => Exit::Ok,
        Some(State::Failed | State::Cancelled | State::Superseded) => Exit::DeployFailed,
        Some(State::Waiting | State::Running) | None => Exit::Failed,
    }
}

async fn watch(
    index: usize,
    id: &str,
    until: Until,
    world: &World,
    desk: &Desk,
    tell: &mpsc::Sender<Told>,
) {
    let Ok(mut follower) = world.logs.follow(id).await else {
        return;
    };
    let mut ahead = None;
    let mut waited = tokio::time::interval(QUIET);
    waited.reset_after(Duration::from_millis(200));
    let mut began = false;
    loop {
        let next = tokio::select! {
            next = next_of(&mut ahead, &mut follower) => next,
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
        let is_parked = matches!(entry.event, Event::Parked(_)) && until == Until::Parked;
        if tell
            .send(Told::Event(index, Box::new(entry)))
            .await
            .is_err()
        {
            return;
        }
        if is_parked && stays_parked(id, world).await {
            // Another one may have been said since.
            match follower.read_line().await {
                Ok(Some(entry)) => ahead = Some(entry),
                Ok(None) | Err(_) => break,
            }
        }
    }
    // Nobody listens any more: nothing to tell.
    drop(tell.send(Told::End).await);
}

/// The next event, first what was read ahead.
async fn next_of(ahead: &mut Option<Entry>, follower: &mut Follower) -> io::Result<Option<Entry>> {
    match ahead.take() {
        Some(entry) => Ok(Some(entry)),
        None => follower.next().await,
    }
}

/// Whether an activity waits still, of which that was said once.
async fn stays_parked(id: &str, world: &World) -> bool {
    let task = world.recorder.task(id).await;
    task.is_ok_and(|task| task.is_some_and(|task| task.parked))
}

async fn place(id: &str, desk: &Desk) -> Option<String> {
    let activity = id.to_owned();
    let place = desk
        .ask(|reply| Desired::Place { activity, reply })
        .await??;
    Some(format!("waiting: {place}"))
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
            "parked" => "waiting",
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
