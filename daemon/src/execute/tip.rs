//! What a redeploy deploys: the branch's tip when it begins, not when it was asked for. A push may
//! have been recorded in between, and an older commit is never deployed over a newer one.

use std::path::Path;
use std::sync::Arc;

use wharf_config::name::BranchName;
use wharf_wire::view::Commit;

use super::activity::Act;
use super::failure::Failure;
use super::{refs, repository};
use crate::disk::DiskError;

/// The branch's tip; none where there is none that can be read. Blocks.
pub fn read(repository: &Path, branch: &BranchName) -> Option<Commit> {
    let tip = refs::find_tip(repository, &format!("refs/heads/{branch}")).ok()??;
    let commit = tip.commit?;
    let subject = repository::subject(repository, &commit).ok()?;
    Some(Commit {
        old: None,
        new: Some(commit),
        subject,
        forced: false,
    })
}

/// Has an activity go by the tip of now, durably: its bell may not have rung.
///
/// # Errors
/// That there is none, or that it may not last.
pub(super) async fn follow(act: &mut Act) -> Result<(), Failure> {
    let (world, branch) = (Arc::clone(&act.world), act.task.branch.clone());
    let repository = act.project.repository.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let tip = read(&repository, &branch);
        // Afterwards, so that what was read is on the disk whatever moves meanwhile.
        world.durable.sync(&repository, &[branch])?;
        Ok(tip)
    });
    let tip = looked.await.expect("looking does not panic");
    let tip = tip.map_err(|error: DiskError| Failure::host("the tip may not last", &error))?;
    let tip = tip.ok_or_else(|| {
        let message = format!("branch {} has no tip to deploy", act.task.branch);
        Failure::new("no-commit", message).hint("push it again")
    })?;
    if tip.new != act.task.commit.new {
        let leave = act.task.leave.clone().of_another_commit();
        let recorder = &act.world.recorder;
        recorder
            .set_commit(&act.task.id, tip.clone(), leave.clone())
            .await?;
        act.task.commit = tip;
        act.task.leave = leave;
    }
    Ok(())
}
