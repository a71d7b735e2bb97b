//! Sample data: once in an environment's first deployment, after what installs the application and
//! before its processes start; and once more whenever somebody asks.

use wharf_config::application::Seed;
use wharf_wire::outcome::Kind;

use super::activity::Act;
use super::bound::Bound;
use super::changes::Changes;
use super::command;
use super::commands::{self, command_of, number};
use super::failure::Failure;
use super::{release, standing};
use crate::plan::seed::{Before, wants};
use crate::plan::step::Step;
use crate::run::sandbox::Sandbox;
use crate::store::release::ReleaseRecord;

/// Brings sample data where the environment is new and of a type that gets it.
///
/// # Errors
/// Which command failed, and why; it is tried again by the next deployment.
pub(super) async fn first(
    act: &Act,
    release: &ReleaseRecord,
    sandbox: &Sandbox,
    bound: &Bound,
    changes: &mut Changes,
) -> Result<(), Failure> {
    let Some(seed) = &release.application.seed else {
        return Ok(());
    };
    let begins = act.task.kind == Kind::Reset;
    let before = Before {
        kind: act.environment.kind,
        // What people left there is put aside by then.
        serves: act.previous.is_some() && !begins,
        cloned: !begins && act.is_cloned().await?,
        seeded: !begins && act.world.recorder.is_seeded(act.key()).await?,
    };
    if !wants(seed, before) {
        return Ok(());
    }
    bring(act, seed, sandbox, bound, changes).await
}

/// Brings it once more, to what serves; for the types that get it.
///
/// # Errors
/// Why not, or which command failed.
pub(super) async fn again(act: &Act) -> Result<Option<u32>, Failure> {
    let id = &act.key().id;
    if !act.status.lives() {
        return Err(standing::inactive(act));
    }
    let nothing = || {
        Failure::new("not-live", format!("nothing serves {id} yet"))
            .hint(format!("see why with: wharf log -e {id}"))
    };
    let live = act.previous.ok_or_else(nothing)?;
    let release = act.world.recorder.release(act.key(), live).await?;
    let release = release.ok_or_else(nothing)?;
    let kind = act.environment.kind;
    let seed = release.application.seed.as_ref();
    let seed = seed
        .filter(|seed| seed.only.contains(&kind))
        .ok_or_else(|| {
            let text = format!(
                "r{live} has no sample data for {} environments",
                kind.as_str()
            );
            Failure::new("no-seed", text)
                .hint("say so in wharf.toml: [seed] run and only; then push")
        })?;
    let sandbox = release::sandbox(act, &release).await?;
    let bound = Bound::of_deploy(&act.settings.host.deploy);
    let mut changes = Changes::default();
    match bring(act, seed, &sandbox, &bound, &mut changes).await {
        Ok(()) => Ok(Some(live)),
        Err(failure) => Err(changes.told(failure, &release)),
    }
}

async fn bring(
    act: &Act,
    seed: &Seed,
    sandbox: &Sandbox,
    bound: &Bound,
    changes: &mut Changes,
) -> Result<(), Failure> {
    let count = seed.run.len();
    for (index, step) in seed.run.iter().enumerate() {
        let failed = format!("the sample data failed in command {} of {count}", index + 1);
        let record = Step::Seed(number(index));
        let command = command_of("seed", record.clone(), step, sandbox, bound, failed);
        let seeded = act.step(record, async {
            command::execute(act, &command).await?;
            if index + 1 == count {
                commands::keep_what_they_wrote(act, count).await?;
                // Before the step has ended: whoever goes on after a death sees one or the other.
                act.world
                    .recorder
                    .set_seeded(act.key(), &act.task.id)
                    .await?;
            }
            Ok(())
        });
        changes.of(&step.name, seeded.await)?;
    }
    Ok(())
}
