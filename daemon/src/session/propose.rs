//! proc-receive: a push whose refs git holds until their builds have succeeded.
//!
//! Each branch that would move has an activity of its own, a check, which makes the slug that the
//! deployment will use. Nobody but this conversation waits for it: when the hook hangs up, it is
//! stopped.

use std::path::Path;

use wharf_config::host::OnFailure;
use wharf_wire::event::Ended;
use wharf_wire::hook::{Judgement, Push};
use wharf_wire::outcome::{Exit, State};
use wharf_wire::{FromDaemon, Refusal};

use super::options::{Options, Run, Wait};
use super::peer::Broken;
use super::{Session, host};
use crate::dispatch::Event;
use crate::order::{self, Proposed};
use crate::plan::admission;
use crate::report;
use crate::store::activity::NewActivity;

/// Why an update may not move; none when it may.
type Refused = Option<String>;

impl Session {
    /// Says for each update whether git may move it, once that is known.
    pub(super) async fn propose(&mut self, push: Push) -> Result<(), Broken> {
        let push = self.whole(push).await?;
        let settings = self.world.settings();
        let Some(project) = settings.of_repository(Path::new(&push.repository)).cloned() else {
            return Err(Broken::Refused(Refusal {
                code: "unknown-repository".into(),
                message: format!("no project names this repository ({})", push.repository),
                hint: Some("register it on the host: wharf project add NAME REPOSITORY".into()),
                exit: Exit::NotFound,
            }));
        };
        let options = Options::read(&push.options);
        if options.run == Run::Dry {
            // Only where pre-receive, which has the answer, was passed by.
            let refused = Some("dry run: nothing was changed".to_owned());
            return self.judge_all(&vec![refused; push.updates.len()]).await;
        }
        if settings.on_failure(&project) == OnFailure::Keep {
            // The hook is from before somebody changed their mind: wharf doctor says so.
            return self.judge_all(&vec![None; push.updates.len()]).await;
        }
        let actor = self.pusher(&push);
        let (updates, rebuild, of) = (push.updates.clone(), options.rebuild, project.clone());
        let proposed = tokio::task::spawn_blocking(move || {
            order::of_proposal(&settings, &of, &updates, &actor, rebuild)
        });
        let proposed = proposed.await.map_err(|error| host(error.to_string()))?;
        let mut notes = options.warnings;
        if options.wait == Wait::No {
            let text = "nowait: the checks are waited for all the same, the deploy is not";
            notes.extend(report::remark(text));
        }
        let refused = self.check(proposed, notes).await?;
        if refused.iter().any(Option::is_none) {
            // git moves them now; whoever goes away may never let post-receive run.
            let branches = admission::served(&push.updates);
            let project = project.name;
            self.desk.send(Event::Admitted { project, branches }).await;
        }
        self.judge_all(&refused).await
    }

    /// Checks what is to be checked, and waits for the results.
    pub(super) async fn check(
        &mut self,
        proposed: Vec<Proposed>,
        notes: Vec<String>,
    ) -> Result<Vec<Refused>, Broken> {
        let mut activities: Vec<NewActivity> = Vec::new();
        // Where the answer for an update is found: here, or with its check.
        let answers: Vec<Result<Refused, usize>> = proposed
            .into_iter()
            .map(|one| match one {
                Proposed::Free => Ok(None),
                Proposed::Refused(reason) => Ok(Some(reason)),
                Proposed::Check(activity) => {
                    activities.push(*activity);
                    Err(activities.len() - 1)
                }
            })
            .collect();
        let finals = if activities.is_empty() {
            Vec::new()
        } else {
            self.carry_out(activities, notes).await?
        };
        let refused = |end: &Option<Ended>| match end {
            Some(ended) if ended.state == State::Succeeded => None,
            Some(ended) => Some(ended.verdict.clone()),
            None => Some("the log of its check broke off".to_owned()),
        };
        Ok(answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(|index| refused(&finals[index])))
            .collect())
    }

    async fn carry_out(
        &mut self,
        activities: Vec<NewActivity>,
        notes: Vec<String>,
    ) -> Result<Vec<Option<Ended>>, Broken> {
        let ordered = self
            .desk
            .ask(|reply| Event::Order { activities, reply })
            .await;
        let ordered = ordered.ok_or_else(|| host("the daemon is stopping".into()))?;
        let ids = ordered.map_err(Broken::Refused)?;
        let watched = self.watch(&ids, notes, report::waiting_push).await;
        if watched.is_err() {
            for activity in ids {
                let by = "its own pusher".to_owned();
                // One that has ended meanwhile is no trouble.
                let stopped = |reply| Event::Cancel {
                    activity,
                    by,
                    reply,
                };
                if self.desk.ask(stopped).await == Some(true) {
                    tracing::info!("the pusher went away; its check is stopped");
                }
            }
        }
        watched
    }

    async fn judge_all(&mut self, refused: &[Refused]) -> Result<(), Broken> {
        for (update, refused) in (0_u32..).zip(refused) {
            let refused = refused.clone();
            self.peer
                .send(&FromDaemon::Judged(Judgement { update, refused }))
                .await?;
        }
        self.end(Exit::Ok).await
    }
}
