//! A move that is built before its branch moves, where a push would be.

use wharf_config::host::OnFailure;
use wharf_config::project::Project;
use wharf_wire::hook::Push;
use wharf_wire::outcome::Kind;

use super::{Landing, head, host};
use crate::order::{self, Proposed, Pushed};
use crate::plan::limits::Wish;
use crate::plan::options::Options;
use crate::plan::places::Asked;
use crate::plan::policy::Reason;
use crate::report;
use crate::session::Session;
use crate::session::peer::Broken;

impl Session {
    /// Whether it builds, where a push would have to.
    pub(super) async fn is_built(
        &mut self,
        project: &Project,
        landing: &Landing,
        push: &Push,
    ) -> Result<bool, Broken> {
        let settings = self.world.settings();
        if settings.on_failure(project) == OnFailure::Keep {
            return Ok(true);
        }
        let actor = self.actor(project);
        let default = head(&project.repository).await?;
        let asked = Asked::of_updates(project, default.as_ref(), &push.updates);
        let places = self.places(project, asked).await?;
        let (of, updates) = (project.clone(), push.updates.clone());
        let proposed = tokio::task::spawn_blocking(move || {
            let pushed = Pushed {
                project: &of,
                default: default.as_ref(),
                places: &places,
                actor: &actor,
                options: &Options::read(&[]),
            };
            order::of_proposal(pushed, &updates)
        });
        let mut proposed = proposed.await.map_err(|error| host(error.to_string()))?;
        for one in &mut proposed {
            if let Proposed::Check(check) = one {
                // What a child serves goes live as it is.
                check.source = (landing.kind == Kind::Promote).then(|| landing.source.clone());
            }
        }
        let wish = match landing.kind {
            // Whoever asks for an environment by name does not wish for a branch alone.
            Kind::Branch => Wish::Active,
            _ => Wish::AsItIs,
        };
        let (proposed, mut notes) = self.without_idle(project, proposed, wish).await?;
        if proposed.iter().any(|one| matches!(one, Proposed::Check(_))) {
            let text = format!("{} moves only if this succeeds", landing.into.branch);
            notes.extend(report::remark(&text));
        }
        let leaving = report::waiting_move;
        let refused = self.check(proposed, notes, leaving).await?;
        let reasons = refused.into_iter().flatten().map(|message| Reason {
            code: "build-failed",
            message,
            hint: None,
        });
        let reasons: Vec<Reason> = reasons.collect();
        self.name_reasons(&reasons).await?;
        Ok(reasons.is_empty())
    }
}
