//! Letting a deployment go on that is built and waits.

use wharf_wire::Refusal;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::{Exit, Kind, State};
use wharf_wire::view::Commit;

use super::super::follow::{Part, Until};
use super::super::peer::Broken;
use super::super::scope::missing;
use super::super::{Session, host};
use super::store;
use crate::dispatch::Event;
use crate::order;
use crate::plan::options::When;
use crate::plan::rights::Act;
use crate::store::activity::{Approval, Task};
use crate::store::now as this_moment;

impl Session {
    /// Approves what waits for it, or lets it pass by its window; then follows it from there.
    pub(super) async fn approve(&mut self, activity: String, now: bool) -> Result<(), Broken> {
        let id = self.meant(Some(activity), &Scope::default()).await?;
        let task = self.world.recorder.task(&id).await.map_err(store)?;
        let task = task.ok_or_else(|| host(format!("activity {id} is gone")))?;
        let record = self.recorded_environment(&task.key).await?;
        let record =
            record.ok_or_else(|| missing("unknown-environment", "its environment is gone"))?;
        let when = When::of(now);
        let mut acts = Vec::new();
        if task.leave.wants_approval() || when == When::InWindow {
            acts.push(Act::Approve);
        }
        if when == When::Now {
            acts.push(Act::Now);
        }
        // Whoever may not even ask learns nothing of what it waits for.
        self.rights(&acts, &record)?.verdict()?;
        if !task.parked {
            return Err(waits_for_nobody(&task));
        }
        let by = self.actor(&self.project_of(&record)?);
        let word = task.leave.word(&by.name, when);
        let word = word.ok_or_else(|| waits_for_its_window(&id))?;
        let since = this_moment();
        // Nothing moves by the word itself.
        let commit = Commit {
            old: None,
            forced: false,
            ..task.commit.clone()
        };
        let approval = Box::new(Approval {
            activity: id.clone(),
            word,
            by: order::of_record(&record, Kind::Approve, commit, by),
        });
        let approve = |reply| Event::Approve { approval, reply };
        let goes_on = self.desk.ask(approve).await;
        if goes_on != Some(true) {
            return Err(waits_for_nobody(&task));
        }
        let part = Part {
            until: Until::Parked,
            since,
            head: true,
        };
        self.follow_part(&[id], vec![], part).await
    }
}

fn waits_for_nobody(task: &Task) -> Broken {
    let id = &task.id;
    let message = match task.state {
        State::Waiting | State::Running => format!("{id} does not wait for approval now"),
        ended => format!("{id} has ended: {}", ended.word()),
    };
    refused(
        "not-parked",
        message,
        "see what waits: wharf activities".into(),
    )
}

fn waits_for_its_window(id: &str) -> Broken {
    let message = format!("{id} waits for its deploy window, not for approval");
    let hint = format!("to deploy it without waiting: wharf approve {id} --now");
    refused("not-parked", message, hint)
}

fn refused(code: &str, message: String, hint: String) -> Broken {
    Broken::Refused(Refusal {
        code: code.into(),
        message,
        hint: Some(hint),
        exit: Exit::Refused,
    })
}
