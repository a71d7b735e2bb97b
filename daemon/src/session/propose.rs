//! proc-receive: a push whose refs git holds until their builds have succeeded.
//!
//! Each branch that would move has an activity of its own, a check, which makes the slug that the
//! deployment will use. Nobody but this conversation waits for it: when the hook hangs up, it is
//! stopped.

use wharf_config::host::OnFailure;
use wharf_config::name::BranchName;
use wharf_config::project::Project;
use wharf_wire::FromDaemon;
use wharf_wire::event::Ended;
use wharf_wire::hook::{Judgement, Push};
use wharf_wire::outcome::{Exit, State};

use super::admit::head;
use super::peer::Broken;
use super::{Session, host};
use crate::dispatch::Event;
use crate::order::{self, Proposed, Pushed};
use crate::plan::admission;
use crate::plan::options::{Options, Run, Wait};
use crate::plan::places::{Asked, Place, Places};
use crate::plan::policy::{self, Ground, Reason};
use crate::report;
use crate::store::activity::NewActivity;

/// Why an update may not move; none when it may.
type Refused = Option<String>;

impl Session {
    /// Says for each update whether git may move it, once that is known.
    pub(super) async fn propose(&mut self, push: Push) -> Result<(), Broken> {
        let push = self.whole(push).await?;
        if self.is_own(&push) {
            // Built before it was made, where that is asked for.
            return self.judge_all(&vec![None; push.updates.len()]).await;
        }
        let project = self.pushed_to(&push)?;
        let options = Options::read(&push.options);
        if options.run == Run::Dry {
            // Only where pre-receive, which has the answer, was passed by.
            let refused = Some("dry run: nothing was changed".to_owned());
            return self.judge_all(&vec![refused; push.updates.len()]).await;
        }
        let default = head(&project.repository).await?;
        let asked = Asked::of_updates(&project, default.as_ref(), &push.updates)
            .with_children(&project, default.as_ref(), &push.updates)
            .with_parent(options.parent.as_deref());
        let all = self.places(&project, asked).await?;
        let known = (default.clone(), all.clone());
        let denied = self.denied(&push, &project, known, &options).await?;
        if denied.iter().any(Option::is_some) {
            return self.judge_all(&denied).await;
        }
        if self.world.settings().on_failure(&project) == OnFailure::Keep {
            // The hook is from before somebody changed their mind: wharf doctor says so.
            return self.judge_all(&vec![None; push.updates.len()]).await;
        }
        let actor = self.actor(&project);
        let mut notes = options.warnings.clone();
        let (wait, wish) = (options.wait, options.wish);
        let (updates, of) = (push.updates.clone(), project.clone());
        let proposed = tokio::task::spawn_blocking(move || {
            let pushed = Pushed {
                project: &of,
                default: default.as_ref(),
                places: &all,
                actor: &actor,
                options: &options,
            };
            order::of_proposal(pushed, &updates)
        });
        let proposed = proposed.await.map_err(|error| host(error.to_string()))?;
        if wait == Wait::No {
            let text = "nowait: the checks are waited for all the same, the deploy is not";
            notes.extend(report::remark(text));
        }
        let (proposed, idle) = self.without_idle(&project, proposed, wish).await?;
        notes.extend(idle);
        let refused = self.check(proposed, notes, report::waiting_push).await?;
        if refused.iter().any(Option::is_none) {
            // git moves them now; whoever goes away may never let post-receive run.
            let branches = admission::served(&project, &push.updates);
            let project = project.name;
            self.desk.send(Event::Admitted { project, branches }).await;
        }
        self.judge_all(&refused).await
    }

    /// What rights and policy say, where pre-receive was passed by or something changed since; all
    /// reasons are said, the first one of each update is git's.
    async fn denied(
        &mut self,
        push: &Push,
        project: &Project,
        (default, all): (Option<BranchName>, Vec<Place>),
        options: &Options,
    ) -> Result<Vec<Refused>, Broken> {
        let person = self.person(project);
        let (of, options, updates) = (project.clone(), options.clone(), push.updates.clone());
        let judged = tokio::task::spawn_blocking(move || {
            let places = Places::new(&of, default.as_ref(), all);
            let doubtful = policy::doubtful(&of, &places, &person, &updates);
            let is_forced = |number: &u32| {
                // git has taken the objects out of quarantine before it asks.
                let update = usize::try_from(*number).ok().and_then(|n| updates.get(n));
                update.is_some_and(|update| order::is_forced(&of.repository, update))
            };
            let forced = doubtful.into_iter().filter(is_forced).collect();
            let ground = Ground {
                project: &of,
                places: &places,
                person: &person,
                options: &options,
                forced: &forced,
            };
            policy::judge(&ground, &updates)
        });
        let judged = judged.await.map_err(|error| host(error.to_string()))?;
        let reasons: Vec<&Reason> = judged.iter().flatten().collect();
        let lines: Vec<String> = reasons
            .iter()
            .flat_map(|reason| report::reason(&reason.message, reason.hint.as_deref()))
            .collect();
        if !reasons.is_empty() {
            let codes: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
            self.refused(Some(project), &codes, &lines);
        }
        self.peer.lines(lines).await?;
        let firsts = judged
            .iter()
            .map(|reasons| Some(reasons.first()?.message.clone()));
        Ok(firsts.collect())
    }

    /// Checks what is to be checked, and waits for the results.
    pub(super) async fn check(
        &mut self,
        proposed: Vec<Proposed>,
        notes: Vec<String>,
        leaving: report::Leaving,
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
            self.peer.lines(notes).await?;
            Vec::new()
        } else {
            self.carry_out(activities, notes, leaving).await?
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
        leaving: report::Leaving,
    ) -> Result<Vec<Option<Ended>>, Broken> {
        let ids = self.ordered(activities).await?;
        let watched = self.watch(&ids, notes, leaving).await;
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
