//! `wharfd stop`: ends the daemon, every application and the router of a place.

use std::io::Read;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use wharf_config::place::Place;

use super::End;
use crate::execute::failure::chain;
use crate::execute::launch::GRACE;
use crate::execute::router::Router;
use crate::execute::world::sibling;
use crate::run::isolation::Isolation;
use crate::run::job::Jobs;
use crate::run::keepers::Keepers;
use crate::store::paths::Paths;

/// A process that was told to end has this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends everything; returns when it is gone. It need not all be there.
///
/// # Errors
/// What did not end.
pub(super) async fn stop(place: &Place) -> Result<(), End> {
    let paths = Paths::new(place);
    if let Some(pid) = holder(&paths)? {
        end(pid)
            .await
            .map_err(|error| End::host("wharfd did not end", &error))?;
        println!("stopped wharfd (pid {})", pid.as_raw_nonzero());
    }
    let applications = stop_applications(&paths).await?;
    println!("stopped the processes of applications: {applications}");
    let router = Router::new(place.router_socket());
    if let Ok(standing) = router.status().await
        && let pid = standing.pid
        && let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
    {
        end(pid)
            .await
            .map_err(|error| End::host("the router did not end", &error))?;
        println!("stopped the router (pid {})", pid.as_raw_nonzero());
    }
    Ok(())
}

/// The daemon that holds the state directory, if one does.
fn holder(paths: &Paths) -> Result<Option<Pid>, End> {
    let failed = |error: std::io::Error| End::host(&paths.lock().display().to_string(), &error);
    let mut file = match std::fs::File::open(paths.lock()) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if file.try_lock().is_ok() {
        return Ok(None);
    }
    let mut pid = String::new();
    file.read_to_string(&mut pid).map_err(failed)?;
    Ok(pid.trim().parse().ok().and_then(Pid::from_raw))
}

async fn stop_applications(paths: &Paths) -> Result<usize, End> {
    let jobs = Jobs::new(paths.jobs());
    let program = sibling("wharf-keeper").map_err(|error| End::host("no keeper", &error))?;
    let isolation = Isolation::find(&paths.state())
        .map_err(|error| End::host("no sandbox", &error).hint(&error.hint()))?;
    let keepers = Keepers::new(program, jobs.clone(), paths.keepers(), &isolation);
    let instances = match keepers.instances() {
        Ok(instances) => instances,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(End::host("cannot list the keepers", &error)),
    };
    let mut stopped = 0;
    for instance in instances {
        // A socket that nobody answers on is left of a keeper that is gone.
        let Ok(keeper) = keepers.connect(&instance).await else {
            continue;
        };
        match keeper.stop(GRACE).await {
            Ok(()) => stopped += 1,
            Err(error) => eprintln!("warning: {instance} did not stop: {}", chain(&error)),
        }
    }
    // What does not end as it is told, and what has no keeper any more.
    tokio::task::spawn_blocking(move || jobs.marks()?.kill_if(|_| true))
        .await
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(|error| End::host("cannot see to it that nothing is left", &error))?;
    Ok(stopped)
}

/// Tells a process to end and waits until it has; a pid that was recycled cannot be hit, since the
/// descriptor is the process.
async fn end(pid: Pid) -> std::io::Result<()> {
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    pidfd_send_signal(&process, Signal::TERM)?;
    let patience = Timespec::try_from(PATIENCE).expect("some seconds");
    let ended = tokio::task::spawn_blocking(move || {
        let mut wanted = [PollFd::new(&process, PollFlags::IN)];
        retry_on_intr(|| poll(&mut wanted, Some(&patience)))
    });
    match ended.await.map_err(std::io::Error::other)?? {
        0 => Err(std::io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}
