//! What services of one environment hold, brought to fresh places beside those of another.

use std::path::{Path, PathBuf};

use futures_util::future::try_join_all;
use wharf_config::application::{Application, Service};
use wharf_config::name::ProcessName;

use super::beside::beside;
use super::command::Stand;
use super::{One, fill, start};
use crate::execute::activity::Act;
use crate::execute::failure::Failure;
use crate::plan::services as plan;
use crate::run::sandbox::{Access, Bind, SERVICES, Sandbox};

/// Has what services of `from` hold come into directories below `into`, by their names, of those that `application`
/// has, too; says which came. All dumps begin together: each is of that moment.
///
/// # Errors
/// That one does not run there, cannot be written out or read in; something may be there then.
pub(in crate::execute) async fn copy(
    act: &Act,
    (from, theirs): (&Act, &Application),
    application: &Application,
    into: &Path,
) -> Result<Vec<ProcessName>, Failure> {
    let both = theirs.services.iter().filter_map(|(name, theirs)| {
        let ours = application.services.get(name)?;
        (plan::lasts(theirs.kind) && theirs.kind == ours.kind).then_some((name, theirs, ours))
    });
    let copied = both.map(|(name, theirs, ours)| {
        let directory = into.join(name.as_str());
        Box::pin(async move { one(act, from, (name, theirs, ours), &directory).await })
    });
    let copied = try_join_all(copied).await?;
    Ok(copied.into_iter().flatten().collect())
}

async fn one(
    act: &Act,
    from: &Act,
    (name, theirs, ours): (&ProcessName, &Service, &Service),
    directory: &Path,
) -> Result<Option<ProcessName>, Failure> {
    let theirs = One::of(from, name, theirs).await?;
    let stand = Stand::own(from, name);
    let ours = One::like(act, name, ours, &stand.data).await?;
    start::answers_elsewhere(from, &theirs, &stand).await?;
    let failed = format!("service {name} of {} cannot be written out", from.key().id);
    let (theirs, ours) = ((from, &theirs, &stand), (act, &ours, directory));
    fill::pass_on(theirs, ours, &failed).await?;
    // Of what a custom one holds nothing comes where nobody says how.
    Ok(directory.is_dir().then(|| name.clone()))
}

/// Services whose content came, each in a directory of its own.
#[derive(Debug)]
pub(in crate::execute) struct Came<'a>(Vec<(One<'a>, PathBuf)>);

impl<'a> Came<'a> {
    /// Those of an application that are below this directory.
    ///
    /// # Errors
    /// That this host has no server for one.
    pub(in crate::execute) async fn of(
        act: &Act,
        application: &'a Application,
        into: &Path,
    ) -> Result<Came<'a>, Failure> {
        let mut all = Vec::new();
        for (name, service) in &application.services {
            let directory = into.join(name.as_str());
            if directory.is_dir() {
                let one = One::holding(act, name, service, &directory).await?;
                all.push((one, directory));
            }
        }
        Ok(Came(all))
    }

    /// Whether none came.
    pub(in crate::execute) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn all(&self) -> &[(One<'a>, PathBuf)] {
        &self.0
    }

    /// Has a server run on each while the work goes on, which is told where their sockets are.
    ///
    /// # Errors
    /// That one does not start or may go on, and the work's.
    pub(in crate::execute) async fn served<T>(
        &self,
        act: &Act,
        work: impl AsyncFnOnce(&Path) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let all: Vec<_> = self
            .0
            .iter()
            .map(|(one, data)| (one, data.clone()))
            .collect();
        beside(act, &all, work).await
    }

    /// Shows a command those servers instead of the environment's own.
    ///
    /// # Errors
    /// That their passwords cannot be recorded.
    pub(in crate::execute) async fn relate(
        &self,
        act: &Act,
        sockets: &Path,
        sandbox: &mut Sandbox,
    ) -> Result<(), Failure> {
        sandbox.binds.push(Bind {
            source: sockets.to_owned(),
            target: SERVICES.into(),
            access: Access::Read,
        });
        let mut known = Vec::new();
        for (one, data) in &self.0 {
            known.push(super::passwords(act, (one.name, one.service), data).await?);
        }
        for ((one, _), passwords) in self.0.iter().zip(&known) {
            super::lead_out(sandbox, one.name, passwords);
        }
        let all = self.0.iter().zip(&known);
        let all = all.map(|((one, _), passwords)| (one.name, one.service, passwords));
        sandbox.environment.extend(plan::variables(all));
        Ok(())
    }
}
