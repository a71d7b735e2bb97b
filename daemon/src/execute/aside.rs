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
use crate::order;
use crate::plan::parking::Leave;
use crate::store::activity::{Ending, Task};
use crate::store::environment::EnvironmentRecord;
use crate::store::insist::insist;
use crate::store::log::Log;

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
        let key = &environment.key;
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
        insist(id, "its end", || world.recorder.end(id, ending.clone())).await;
        let verdict = match &reason {
            Some(reason) => reason.message.clone(),
            None => end::success(self.kind, key.id.as_str(), None, live).0,
        };
        let facts = Facts {
            environment_type: Some(environment.kind.clone()),
            branch: Some(environment.branch.to_string()),
            activity: Some(id.to_owned()),
            kind: Some(self.kind),
            live,
            result: Some(state.word()),
            duration: Some(milliseconds(self.began).saturating_mul(1000)),
            error: reason.as_ref().map(|reason| reason.code.clone()),
            ..Facts::of_environment(key)
        };
        let message = Message::of_end(self.kind, state, live);
        world.metrics.ended(&facts);
        world.traces.ended(&facts);
        journal::say(message, &facts, format_args!("{}: {verdict}", state.word()));
        let ended = Ended {
            state,
            verdict,
            details: vec![],
            hints: reason.and_then(|reason| reason.hint).into_iter().collect(),
            url: None,
            serves: end::stays(key.id.as_str(), live),
            milliseconds: milliseconds(self.began),
            maintenance_ms: None,
        };
        world.logs.open(id).event(Event::Ended(Box::new(ended)));
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
