//! What is done in a release without a turn in the queue: recorded as begun before it begins, and as
//! ended once it has.

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use wharf_wire::event::{Ended, Event};
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::{Actor, Commit, Reason};

use super::activity::{Act, milliseconds};
use super::end;
use super::failure::Failure;
use super::world::World;
use crate::journal::{self, Facts, Message};
use crate::notify::Audience;
use crate::order;
use crate::plan::parking::Leave;
use crate::store::activity::{Ending, Task};
use crate::store::environment::EnvironmentRecord;
use crate::store::insist::insist;
use crate::store::log::Log;

/// How a command that ran beside ended.
#[derive(Debug)]
pub(super) struct End {
    /// In a word.
    pub(super) state: State,
    /// Why, unless it succeeded.
    pub(super) reason: Option<Reason>,
    /// Lines below the verdict: the last output.
    pub(super) details: Vec<String>,
}

impl End {
    /// An end of which there is no more to say.
    pub(super) fn of(state: State, reason: Option<Reason>) -> End {
        End {
            state,
            reason,
            details: Vec::new(),
        }
    }
}

/// What somebody does by hand, while it goes on.
#[derive(Debug)]
pub struct Aside {
    world: Arc<World>,
    environment: EnvironmentRecord,
    /// The activity's id.
    pub id: String,
    kind: Kind,
    began: Instant,
}

impl Aside {
    /// Records that somebody begins something, in this release where it is in one; `words` say what.
    ///
    /// # Errors
    /// That it cannot be recorded.
    pub async fn begin(
        world: &Arc<World>,
        environment: &EnvironmentRecord,
        kind: Kind,
        actor: Actor,
        release: Option<u32>,
        words: &str,
    ) -> Result<Aside, Failure> {
        let key = &environment.key;
        let commit = Commit {
            subject: words.to_owned(),
            ..Commit::default()
        };
        let by = actor.name.clone();
        let mut activity = order::of_record(environment, kind, commit, actor);
        activity.target = release;
        let facts = Facts::of_new(&activity);
        let id = world.recorder.begin(activity, &world.paths).await?;
        let facts = Facts {
            activity: Some(id.clone()),
            environment_type: Some(environment.kind.clone()),
            ..facts
        };
        let said = format!("started: {} by {by}: {words}", kind.word());
        journal::say(Message::Started, &facts, said);
        let log = world.logs.open(&id);
        log.event(Event::Opened {
            kind,
            project: key.project.to_string(),
            branch: environment.branch.to_string(),
            environment: key.id.to_string(),
            activity: id.clone(),
        });
        log.note(match release {
            Some(release) => format!("in r{release}: {words}"),
            None => words.to_owned(),
        });
        Ok(Aside {
            world: Arc::clone(world),
            environment: environment.clone(),
            id,
            kind,
            began: Instant::now(),
        })
    }

    /// Adds a line to its log.
    pub fn note(&self, text: &str) {
        self.world.logs.open(&self.id).note(text.to_owned());
    }

    /// Records its end, then says it.
    pub async fn close(&self, state: State, reason: Option<Reason>) {
        let (world, environment, id) = (&self.world, &self.environment, self.id.as_str());
        let end = End::of(state, reason);
        close(world, environment, self.kind, id, self.began, end).await;
    }
}

impl Act {
    /// What something works with in a release that is there; `id` is the activity that it belongs to.
    ///
    /// # Errors
    /// That its project is gone.
    pub fn aside(
        world: &Arc<World>,
        environment: &EnvironmentRecord,
        kind: Kind,
        release: u32,
        id: String,
    ) -> Result<Act, Failure> {
        let task = Task {
            id,
            number: 0,
            key: environment.key.clone(),
            branch: environment.branch.clone(),
            kind,
            state: State::Running,
            actor: None,
            commit: Commit::default(),
            rebuild: false,
            release: Some(release),
            source: None,
            slug: None,
            leave: Leave::default(),
            parked: false,
        };
        let cancel = CancellationToken::new();
        Act::new(
            Arc::clone(world),
            task,
            Some(release),
            None,
            Log::silent(),
            cancel,
        )
    }
}

/// Records the end of a command that ran beside, then says it.
pub(super) async fn close(
    world: &World,
    environment: &EnvironmentRecord,
    kind: Kind,
    id: &str,
    began: Instant,
    end: End,
) {
    let key = &environment.key;
    let End {
        state,
        reason,
        details,
    } = end;
    // Another release may have gone live meanwhile.
    let live = match world.recorder.environment(key).await {
        Ok(Some(now)) => now.live,
        Ok(None) | Err(_) => environment.live,
    };
    let ending = Ending {
        state,
        reason: reason.clone(),
        live_after: live,
    };
    match kind {
        // Somebody may want to know that a cron fails; who ran a command of their own has seen it.
        Kind::Cron => {
            let audience = Audience::of(&world.settings(), key.project.as_str(), None);
            let end = || {
                let recorder = &world.recorder;
                recorder.end_and_tell(id, ending.clone(), audience.clone())
            };
            insist(id, "its end", end).await;
            world.telling.notify_one();
        }
        _ => insist(id, "its end", || world.recorder.end(id, ending.clone())).await,
    }
    let verdict = match &reason {
        Some(reason) => reason.message.clone(),
        None => end::success(kind, key.id.as_str(), None, live).0,
    };
    let facts = Facts {
        environment_type: Some(environment.kind.clone()),
        branch: Some(environment.branch.to_string()),
        activity: Some(id.to_owned()),
        kind: Some(kind),
        live,
        result: Some(state.word()),
        duration: Some(milliseconds(began).saturating_mul(1000)),
        error: reason.as_ref().map(|reason| reason.code.clone()),
        ..Facts::of_environment(key)
    };
    world.metrics.ended(&facts);
    world.traces.ended(&facts);
    match (kind, state) {
        // As often as each minute, and nothing that an operator looks for.
        (Kind::Cron, State::Succeeded) => tracing::debug!(
            WHARF_PROJECT = %key.project,
            WHARF_ENVIRONMENT = %key.id,
            WHARF_ACTIVITY = id,
            "a cron ran to its end"
        ),
        _ => {
            let message = Message::of_end(kind, state, live);
            journal::say(message, &facts, format_args!("{}: {verdict}", state.word()));
        }
    }
    let ended = Ended {
        state,
        verdict,
        details,
        hints: reason.and_then(|reason| reason.hint).into_iter().collect(),
        url: None,
        serves: end::stays(key.id.as_str(), live),
        milliseconds: milliseconds(began),
        maintenance_ms: None,
    };
    world.logs.open(id).event(Event::Ended(Box::new(ended)));
}
