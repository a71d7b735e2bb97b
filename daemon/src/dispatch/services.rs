//! Services of environments that a new daemon finds, or that were missed.

use std::collections::BTreeMap;
use std::sync::Arc;

use wharf_config::name::ProcessName;

use super::fleet::Member;
use super::mend::Found;
use crate::execute::World;
use crate::execute::failure::Failure;
use crate::execute::services;
use crate::store::environment::EnvironmentKey;
use crate::store::release::ReleaseRecord;

/// Adopts the services that the serving release has, and ends the others; the name of one that should run and does
/// not.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn adopt(
    world: &Arc<World>,
    key: &EnvironmentKey,
    serving: Option<&ReleaseRecord>,
    warm: &[u32],
    found: &mut Found,
) -> Result<Option<ProcessName>, Failure> {
    let nothing = BTreeMap::new();
    let wanted = serving.map_or(&nothing, |release| &release.application.services);
    // What is kept warm may have others.
    let mut used = wanted.clone();
    for number in warm {
        let release = world.recorder.release(key, *number).await?;
        used.extend(
            release
                .into_iter()
                .flat_map(|release| release.application.services),
        );
    }
    if let Err(failure) = services::stop_others(world, key, &used).await {
        found.unknown = Some(failure);
    }
    let mut lost: Vec<ProcessName> = wanted.keys().cloned().collect();
    for service in world.recorder.services_of(key).await? {
        let live = serving.map_or(0, |release| release.number);
        // Its settings are recorded once it has answered.
        let process = service
            .process(live)
            .filter(|_| !service.settings.is_empty());
        let Some(process) = process else { continue };
        match Member::find(world, process).await {
            Ok(Some(member)) => {
                lost.retain(|name| *name != service.name);
                found.members.push(member);
            }
            Ok(None) => {}
            Err(error) => {
                // Nothing is done to it, and nothing is started in its place.
                lost.retain(|name| *name != service.name);
                let what = format!("cannot find out how service {} is", service.name);
                found.unknown = Some(Failure::host(&what, &error));
            }
        }
    }
    Ok(lost.into_iter().next())
}
