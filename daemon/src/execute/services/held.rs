//! Which version of its server made what a service holds: the data itself says it, wherever it came from.

use std::path::Path;

use wharf_config::application::{Application, Service};

use super::command::Stand;
use super::server;
use crate::execute::activity::Act;
use crate::execute::beneath::{self, Beneath};
use crate::execute::failure::Failure;
use crate::plan::services as plan;
use crate::store::log::Log;

/// The most that is read of it.
const MOST: u64 = 16;

/// The version that made what a directory holds, as far as its kind's data says that.
///
/// # Errors
/// When it cannot be read.
pub(super) fn version(service: &Service, directory: &Path) -> Result<Option<String>, Failure> {
    let Some(file) = plan::says_version(service.kind).filter(|_| service.provider.is_own()) else {
        return Ok(None);
    };
    let read = tokio::task::block_in_place(|| match directory.is_dir() {
        true => beneath::read(directory, Path::new(file), MOST),
        false => Ok(Beneath::Absent),
    });
    let read =
        read.map_err(|error| Failure::host("cannot tell what made a service's data", &error))?;
    Ok(match read {
        Beneath::File(text) => plan::read_version(&text),
        Beneath::Absent | Beneath::Large | Beneath::Other => None,
    })
}

/// An application that served, with its services as they are now: where a later release had the data brought to a newer
/// version, and did not come to serve, this one stays with that.
///
/// # Errors
/// As [`version`].
pub(in crate::execute) async fn as_it_stands(
    act: &Act,
    application: &Application,
    log: &Log,
) -> Result<Application, Failure> {
    let mut standing = application.clone();
    for (name, service) in &mut standing.services {
        let held = version(service, &Stand::own(act, name).data)?;
        let Some((held, asked)) = held.zip(service.version.as_deref()) else {
            continue;
        };
        let is_newer = plan::step(service.kind, &held, asked) == plan::Step::Older;
        if !is_newer {
            continue;
        }
        let runtimes = &act.world.runtimes;
        if let Some(server) = server::of_version(runtimes, service, &held).await {
            let (kind, now) = (service.kind.as_str(), &server.version);
            log.note(format!("{name}: its data is {kind} {now}'s, and stays so"));
            service.version = Some(held);
        }
    }
    Ok(standing)
}
