//! Commands of ours whose bytes go between a service and somewhere else: no byte passes through the daemon.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio_util::sync::CancellationToken;

use crate::execute::activity::Act;
use crate::execute::command::job_id;
use crate::execute::failure::Failure;
use crate::execute::ready::last_lines;
use crate::execute::world::World;
use crate::plan::services::Command;
use crate::run::job::{Job, JobId, Kind};
use crate::run::runner::Exit;
use crate::run::running::Running;
use crate::run::sandbox::Sandbox;
use crate::run::streams::Near;

/// Bytes of what it complains about that are kept.
const MOST: usize = 64 << 10;

/// A command that runs. Dropped, it is killed and forgotten: whoever was to be fed by it may have failed.
#[derive(Debug)]
pub(super) struct Attached {
    world: Arc<World>,
    /// Set when somebody stops what it belongs to.
    cancel: CancellationToken,
    id: JobId,
    running: Running,
    complaints: Receiver,
}

/// Begins a command with these streams.
///
/// # Errors
/// That it could not be run.
pub(super) async fn begin(
    act: &Act,
    words: &str,
    sandbox: Sandbox,
    command: &Command,
    (input, output): (Stdio, Stdio),
) -> Result<Attached, Failure> {
    let id = job_id(act, words);
    let job = Job {
        id: id.clone(),
        sandbox,
        command: command.text.clone(),
        arguments: command.arguments.clone(),
        kind: Kind::Attended,
    };
    let (complaints, errors) = io::pipe().map_err(no_pipe)?;
    let complaints = Receiver::from_owned_fd(OwnedFd::from(complaints)).map_err(no_pipe)?;
    tokio::task::block_in_place(|| act.world.jobs.write(&job))
        .map_err(|error| Failure::host("cannot write a job", &error))?;
    let near = Near::new(input, output, errors.into());
    match act.world.runner.attach(&id, near).await {
        Ok(running) => Ok(Attached {
            world: Arc::clone(&act.world),
            cancel: act.cancel.clone(),
            id,
            running,
            complaints,
        }),
        Err(error) => {
            forget(&act.world, &id);
            Err(Failure::host("cannot start the sandbox", &error))
        }
    }
}

impl Attached {
    /// Waits until it has ended.
    ///
    /// # Errors
    /// That it was stopped, or failed: with what it complained about.
    pub(super) async fn finish(mut self, failed: &str) -> Result<(), Failure> {
        let both = async { tokio::join!(hear(&mut self.complaints), self.running.ended()) };
        tokio::pin!(both);
        let (said, exit) = tokio::select! {
            ended = &mut both => ended,
            () = self.cancel.cancelled() => {
                self.world.runner.kill(&self.id);
                both.await
            }
        };
        match exit {
            _ if self.cancel.is_cancelled() => Err(Failure::cancelled()),
            Exit::Code(0) => Ok(()),
            Exit::Exceeded(excess) => Err(Failure::new(
                crate::execute::bound::OVER,
                format!("{failed}: {}", excess.said(crate::execute::launch::LIMITS)),
            )),
            _ => Err(Failure::new("service-broken", failed).details(last_lines(&said))),
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        forget(&self.world, &self.id);
    }
}

/// The first of what it complains about is why; the rest is read, and dropped.
async fn hear(complaints: &mut Receiver) -> Vec<u8> {
    let (mut said, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = complaints.read(&mut chunk).await {
        let room = MOST.saturating_sub(said.len());
        said.extend_from_slice(&chunk[..count.min(room)]);
    }
    said
}

fn forget(world: &World, id: &JobId) {
    if let Err(error) = tokio::task::block_in_place(|| world.jobs.remove(id)) {
        tracing::warn!(job = %id, %error, "job file stays");
    }
}

fn no_pipe(error: io::Error) -> Failure {
    Failure::host("cannot make a pipe", &error)
}
