//! Environments that a push would leave inactive: nothing is built for them.

use wharf_config::project::{Environment, Project};
use wharf_wire::view::Reason;

use super::admit::head;
use super::peer::Broken;
use super::{Session, store};
use crate::execute::standing::why_inactive;
use crate::order::{self, Proposed};
use crate::plan::limits::{self, Counted, Status, Wish};
use crate::report;
use crate::store::environment::EnvironmentKey;

impl Session {
    /// Why an environment would be inactive after a push, as it looks now; none where it would
    /// live. `before` are those of the same push that take places before it.
    pub(super) async fn idle(
        &self,
        project: &Project,
        environment: &Environment,
        wish: Wish,
        before: &mut Vec<Counted>,
    ) -> Result<Option<Reason>, Broken> {
        let key = EnvironmentKey {
            project: project.name.clone(),
            id: environment.id.clone(),
        };
        let recorder = &self.world.recorder;
        let known = recorder.environment(&key).await.map_err(store)?;
        let known = known.map(|record| record.status());
        let mut others = recorder.counted(&key).await.map_err(store)?;
        others.retain(|other| before.iter().all(|one| one.id != other.id));
        others.extend(before.iter().cloned());
        let (limits, kind) = (&project.max_active, environment.kind);
        let wish = match wish {
            Wish::AsItIs => order::rule(environment.policy.on_new_branch),
            wish => wish,
        };
        let status = limits::decide(limits, kind, known, wish, &others);
        let id = environment.id.to_string();
        before.push(Counted {
            id: id.clone(),
            kind,
            status,
            deployed: u64::MAX,
            is_parent: false,
        });
        if status != Status::Inactive {
            return Ok(None);
        }
        let full = limits::room(limits, kind, &others).err();
        Ok(Some(why_inactive(&id, full.as_ref())))
    }

    /// Leaves out the checks of environments that would be inactive; says so of each. Whether they
    /// live is decided when the move is recorded: one that finds a place until then is built there.
    pub(super) async fn without_idle(
        &mut self,
        project: &Project,
        mut proposed: Vec<Proposed>,
        wish: Wish,
    ) -> Result<(Vec<Proposed>, Vec<String>), Broken> {
        let default = head(&project.repository).await?;
        let (mut before, mut notes) = (Vec::new(), Vec::new());
        for one in &mut proposed {
            let Proposed::Check(check) = one else {
                continue;
            };
            let mut environment = project.environment(&check.branch, default.as_ref());
            // The record's counts, not the rule's.
            environment.id.clone_from(&check.key.id);
            let idle = self.idle(project, &environment, wish, &mut before).await?;
            if idle.is_some() {
                let text = format!("{} is not built: it would be inactive", environment.id);
                notes.extend(report::remark(&text));
                *one = Proposed::Free;
            }
        }
        Ok((proposed, notes))
    }
}
