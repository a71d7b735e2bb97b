//! One activity: what became of it, at once or once it has ended.

use std::time::Duration;

use wharf_wire::ask::{Scope, WaitForm};
use wharf_wire::event::{Ended, Event as LogEvent};
use wharf_wire::outcome::Exit;
use wharf_wire::view::{Activity, Item};

use super::super::follow::exit;
use super::super::peer::Broken;
use super::super::{Session, host};
use super::store;
use crate::report;

/// Between two looks at an activity whose log broke off, because its daemon died.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Session {
    pub(super) async fn activity(&mut self, id: String) -> Result<(), Broken> {
        let activity = self.recorded(id).await?;
        self.item(Item::Activity(activity)).await?;
        self.end(Exit::Ok).await
    }

    /// Says how an activity ended, once it has; the caller exits by that.
    pub(super) async fn wait(&mut self, id: String, form: WaitForm) -> Result<(), Broken> {
        let mut activity = self.recorded(id).await?;
        while !activity.state.is_end() {
            let ended = self.follow_to_end(&activity.id).await?;
            activity = self.recorded(activity.id).await?;
            if ended.is_none() && !activity.state.is_end() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        match form {
            WaitForm::Record => self.item(Item::Activity(activity.clone())).await?,
            WaitForm::Line => {
                let ended = match self.follow_to_end(&activity.id).await? {
                    Some(ended) => Some(LogEvent::Ended(Box::new(ended))),
                    // Its log is gone; the record is not.
                    None => self.recorded_end(&activity.id).await.map(|end| end.event),
                };
                let ended = ended.ok_or_else(|| host("its end cannot be read".into()))?;
                let lines = report::lines(&ended, "");
                self.peer
                    .lines(lines.into_iter().next_back().into_iter().collect())
                    .await?;
            }
        }
        self.end(exit(Some(activity.state))).await
    }

    async fn recorded(&self, id: String) -> Result<Activity, Broken> {
        let id = self.meant(Some(id), &Scope::default()).await?;
        let found = self.world.recorder.activity(&id).await.map_err(store)?;
        let found = found.ok_or_else(|| host(format!("activity {id} is gone")))?;
        self.shown(found).await
    }

    /// Reads a log to its end, unless the caller leaves; none when the log breaks off.
    async fn follow_to_end(&self, id: &str) -> Result<Option<Ended>, Broken> {
        let Ok(mut log) = self.world.logs.follow(id).await else {
            return Ok(None);
        };
        let mut last = None;
        loop {
            match self.next_of(&mut log).await? {
                Ok(Some(entry)) => {
                    if let LogEvent::Ended(ended) = entry.event {
                        last = Some(*ended);
                    }
                }
                Ok(None) | Err(_) => return Ok(last),
            }
        }
    }
}
