//! What somebody carries by hand, and `wharf mount download`.

use std::sync::Arc;

use tokio::net::unix::pipe;
use tokio_util::sync::CancellationToken;
use wharf_wire::ask::Scope;
use wharf_wire::mount::Download;
use wharf_wire::outcome::{Exit, Kind, State};
use wharf_wire::passed::Passed;
use wharf_wire::view::{Item, Reason};

use super::super::super::Session;
use super::super::super::peer::Broken;
use super::super::super::scope::missing;
use super::super::archive::{Undone, no_pipe, until_ended};
use super::super::run::no_place;
use super::{no_mount, refused};
use crate::execute::archive::Outlet;
use crate::execute::aside::Aside;
use crate::execute::hands::Place;
use crate::execute::mount::{self, MountError, SILENCE};
use crate::plan::mounts::{self, Named};
use crate::plan::rights::Act;
use crate::report;
use crate::store::environment::EnvironmentRecord;

/// Something that is carried, and where.
pub(super) struct Carried {
    pub(super) record: EnvironmentRecord,
    pub(super) named: Named,
    /// Among those who do something by hand there: whoever takes the environment down ends it first.
    pub(super) place: Place,
}

/// Why nothing was carried, or not all.
pub(super) enum Ended {
    /// For this reason.
    Failed(Reason),
    /// Somebody stopped it.
    Stopped(Reason),
    /// Its caller went away; what is done by then, where something is.
    Gone(Option<String>),
}

impl Ended {
    pub(super) fn reason(&self) -> Reason {
        match self {
            Ended::Failed(reason) | Ended::Stopped(reason) => reason.clone(),
            Ended::Gone(done) => Reason {
                code: "caller-gone".into(),
                message: match done {
                    Some(done) => format!("whoever carried it went away; {done}"),
                    None => "whoever carried it went away".into(),
                },
                hint: None,
            },
        }
    }

    /// The same, where something was done by then.
    fn with(self, done: Option<String>) -> Ended {
        match (self, done) {
            (Ended::Stopped(reason), Some(done)) => Ended::Stopped(Reason {
                message: format!("{}; {done}", reason.message),
                ..reason
            }),
            (Ended::Gone(_), done) => Ended::Gone(done),
            (ended, _) => ended,
        }
    }

    fn state(&self) -> State {
        match self {
            Ended::Failed(_) => State::Failed,
            Ended::Stopped(_) | Ended::Gone(_) => State::Cancelled,
        }
    }

    pub(super) fn said(self) -> Broken {
        match self {
            Ended::Failed(reason) => refused(reason),
            Ended::Stopped(reason) => refused(Reason {
                message: format!("it was ended: {}", reason.message),
                ..reason
            }),
            Ended::Gone(_) => Broken::Gone,
        }
    }
}

impl Session {
    pub(in crate::session) async fn download(
        &mut self,
        scope: &Scope,
        path: &str,
    ) -> Result<(), Broken> {
        let mut carried = self.carried(scope, Act::Download, path).await?;
        let place = self.place_of(&carried.record, &carried.named);
        let thing = tokio::task::block_in_place(|| mount::open(&place, &carried.named));
        let thing = thing.map_err(|error| refused(error.reason()))?;
        let aside = self.begin(Kind::Download, &carried).await?;
        let taken = async {
            let (ours, theirs) = pipe::pipe().map_err(no_pipe)?;
            let theirs = theirs.into_blocking_fd().map_err(no_pipe)?;
            self.peer.pass(vec![(Passed::Output, theirs)]).await?;
            Ok(ours)
        };
        let taken = match taken.await {
            Ok(ours) => {
                self.until_carried(&mut carried.place, move |stop| {
                    let mut out = Outlet::new(ours, stop.clone()).patient(SILENCE);
                    let taken = mount::download(&mut out, thing, &place, stop)?;
                    Ok((taken, out.written))
                })
                .await
            }
            Err(broken) => Err(not_passed(broken)),
        };
        let (taken, size) = match taken {
            Ok(taken) => taken,
            Err(ended) => {
                aside.close(ended.state(), Some(ended.reason())).await;
                return Err(ended.said());
            }
        };
        let files = report::count(taken.files, "file");
        aside.note(&format!("taken: {files}, {}", report::size(taken.bytes)));
        aside.close(State::Succeeded, None).await;
        for text in &taken.left_out {
            self.peer
                .lines(report::warning(&format!("left out: {text}")))
                .await?;
        }
        if taken.more > 0 {
            let text = format!("left out: {} more", taken.more);
            self.peer.lines(report::warning(&text)).await?;
        }
        let download = Download {
            activity: aside.id,
            files: taken.files,
            bytes: taken.bytes,
            size,
        };
        self.item(Item::Download(download)).await?;
        self.end(Exit::Ok).await
    }

    /// What is meant, where it may be carried, and a place among those who carry something.
    pub(super) async fn carried(
        &mut self,
        scope: &Scope,
        act: Act,
        path: &str,
    ) -> Result<Carried, Broken> {
        let record = self.environment(scope).await?;
        self.may_in(act, &record)?;
        let release = self.mounted(&record).await?;
        let named = mounts::named(&release.application, path);
        let named = named.map_err(|error| no_mount(&release, &error))?;
        let place = self.world.hands.take(&record.key);
        let place = place.map_err(|error| no_place(&record.key, &error))?;
        // As it is once nobody takes it down any more without waiting for this.
        let record = self.recorded_environment(&record.key).await?;
        let record = record.ok_or_else(|| missing("unknown-environment", "it is gone"))?;
        Ok(Carried {
            record,
            named,
            place,
        })
    }

    /// Records that it begins.
    pub(super) async fn begin(&self, kind: Kind, carried: &Carried) -> Result<Aside, Broken> {
        let actor = self.actor(&self.project_of(&carried.record)?);
        let words = match kind {
            Kind::Upload => format!("into {}", carried.named.path()),
            _ => format!("of {}", carried.named.path()),
        };
        let world = Arc::clone(&self.world);
        let begun = Aside::begin(&world, &carried.record, kind, actor, None, &words).await;
        let aside = begun.map_err(|failure| refused(failure.or_full().reason))?;
        carried.place.is_of(&aside.id);
        Ok(aside)
    }

    /// Does work that blocks, which ends early when the caller is gone or somebody stops it.
    pub(super) async fn until_carried<T: Send + 'static>(
        &self,
        place: &mut Place,
        work: impl FnOnce(&CancellationToken) -> Result<T, MountError> + Send + 'static,
    ) -> Result<T, Ended> {
        let ended = async {
            tokio::select! {
                () = self.peer.gone() => Ended::Gone(None),
                reason = place.stopped() => Ended::Stopped(reason),
            }
        };
        until_ended(ended, work)
            .await
            .map_err(|undone| match undone {
                Undone::Failed(MountError::Stopped) => Ended::Gone(None),
                Undone::Failed(error) => Ended::Failed(error.reason()),
                Undone::Ended(ended, error) => ended.with(error.partly()),
                Undone::Broke(text) => Ended::Failed(Reason {
                    code: "host".into(),
                    message: text,
                    hint: None,
                }),
            })
    }
}

/// Why a caller was not given the end of a pipe.
pub(super) fn not_passed(broken: Broken) -> Ended {
    match broken {
        Broken::Refused(refusal) => Ended::Failed(Reason {
            code: refusal.code,
            message: refusal.message,
            hint: refusal.hint,
        }),
        Broken::Several(_) | Broken::Gone => Ended::Gone(None),
    }
}

/// Closes what was begun by how it ended.
pub(super) async fn close(aside: &Aside, ended: &Ended, reason: Reason) {
    aside.close(ended.state(), Some(reason)).await;
}
