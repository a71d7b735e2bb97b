//! `wharf slug export` and `wharf slug import`: the bytes go through a pipe that the caller holds the
//! other end of, the word about them through the conversation.

mod export;
mod import;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wharf_wire::Refusal;
use wharf_wire::outcome::Exit;

use super::super::peer::Broken;
use super::super::{Session, host};
use super::tree::refusal;
use crate::execute::archive::ArchiveError;
use crate::execute::failure::{Failure, chain};

impl Session {
    /// When work that begins now has to be done.
    fn until(&self) -> Instant {
        Instant::now() + self.world.settings().host.build.time
    }

    /// Does work that blocks, which ends early when the caller is gone, the time is over, or the
    /// daemon stops.
    async fn attended<T: Send + 'static>(
        &self,
        until: Instant,
        work: impl FnOnce(&CancellationToken) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, Broken> {
        let ended = async {
            tokio::select! {
                () = self.peer.gone() => false,
                () = tokio::time::sleep_until(until) => true,
            }
        };
        match until_ended(ended, work).await {
            Ok(done) => Ok(done),
            Err(Undone::Broke(text)) => Err(host(text)),
            Err(Undone::Failed(error)) => Err(said(&error)),
            Err(Undone::Ended(true, _)) => Err(late(self.world.settings().host.build.time)),
            Err(Undone::Ended(false, _)) => Err(Broken::Gone),
        }
    }
}

/// Why work was not done.
pub(super) enum Undone<E, W> {
    /// It says so itself.
    Failed(E),
    /// It was ended, for this reason; and what it said then.
    Ended(W, E),
    /// It did not come to an end.
    Broke(String),
}

/// Does work that blocks until it is done or `ended` says that it is not wanted any more; it is told
/// to stop then, and waited for. What is done by that time is done.
pub(super) async fn until_ended<T, E, W>(
    ended: impl Future<Output = W>,
    work: impl FnOnce(&CancellationToken) -> Result<T, E> + Send + 'static,
) -> Result<T, Undone<E, W>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    let stop = CancellationToken::new();
    let _with_us = stop.clone().drop_guard();
    let seen = stop.clone();
    let mut working = tokio::task::spawn_blocking(move || work(&seen));
    let why = tokio::select! {
        done = &mut working => {
            let done = done.map_err(|error| Undone::Broke(error.to_string()))?;
            return done.map_err(Undone::Failed);
        }
        why = ended => why,
    };
    stop.cancel();
    let done = working
        .await
        .map_err(|error| Undone::Broke(error.to_string()))?;
    done.map_err(|error| Undone::Ended(why, error))
}

fn said(error: &ArchiveError) -> Broken {
    refused(
        Failure::new(error.code(), chain(error))
            .hint(error.hint())
            .or_full(),
    )
}

pub(super) fn refused(failure: Failure) -> Broken {
    let reason = failure.reason;
    Broken::Refused(Refusal {
        exit: match reason.code.as_str() {
            "host" | "disk-full" => Exit::Failed,
            _ => Exit::Refused,
        },
        code: reason.code,
        message: reason.message,
        hint: reason.hint,
    })
}

pub(super) fn busy() -> Broken {
    refusal(
        "archive-busy",
        "as much is exported and imported as may at a time".to_owned(),
        "try it again when one is done",
    )
}

fn late(limit: std::time::Duration) -> Broken {
    let limit = humantime::format_duration(limit);
    refusal(
        "archive-late",
        format!("it took longer than {limit}"),
        "from a machine with a better line, or ask the operator to raise build.limits.time",
    )
}

pub(super) fn no_pipe(error: std::io::Error) -> Broken {
    host(format!("cannot make a pipe: {error}"))
}
