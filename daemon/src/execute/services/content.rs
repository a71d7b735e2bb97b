//! What a service holds, on its way out, and people's own hands in it.

use wharf_config::application::{Application, Service};
use wharf_config::name::ProcessName;
use wharf_wire::ask::DatabaseAct;

use super::command::Stand;
use super::{One, plan};
use crate::execute::activity::Act;
use crate::execute::failure::Failure;
use crate::plan::dumps::{Mark, marked};
use crate::plan::services::{Command, Content};
use crate::run::sandbox::Sandbox;

/// The sandbox and the command for what somebody does with one of a release's services; the only one that holds
/// something, where none is named.
///
/// # Errors
/// That there is none such, it does not run, or nobody knows how that is done with its kind.
pub(in crate::execute) async fn by_hand(
    act: &Act,
    application: &Application,
    name: Option<&str>,
    wanted: DatabaseAct,
) -> Result<(Sandbox, Command), Failure> {
    let (name, service) = choose(application, name)?;
    let one = One::of(act, name, service).await?;
    let Content { dump, shell, .. } = one.recipe.content.ok_or_else(|| empty(name, service))?;
    let command = match wanted {
        DatabaseAct::Dump => marked(service.kind, &dump, &mark(act, name)),
        DatabaseAct::Shell => shell.ok_or_else(|| {
            let message = format!("a {} service has no shell", service.kind.as_str());
            Failure::new("no-database", message).hint("use its own: wharf shell")
        })?,
    };
    insist_it_runs(act, name).await?;
    let sandbox = Stand::own(act, name).client(act, &command);
    Ok((sandbox, command))
}

/// What a dump of one of the environment's services says of itself.
pub(super) fn mark(act: &Act, name: &ProcessName) -> Mark {
    Mark {
        project: act.project.name.to_string(),
        environment: act.key().id.to_string(),
        kind: act.environment.kind,
        service: name.to_string(),
    }
}

/// The service that is meant, where something can be read into it.
///
/// # Errors
/// That there is none such, or it holds nothing, or nobody knows how it is read in.
pub(in crate::execute) fn readable<'a>(
    application: &'a Application,
    name: Option<&str>,
) -> Result<(&'a ProcessName, &'a Service), Failure> {
    let (name, service) = choose(application, name)?;
    let custom = service.custom.as_ref();
    let is_mute = custom.is_some_and(|custom| custom.dump.is_none() || custom.restore.is_none());
    match plan::lasts(service.kind) && !is_mute {
        true => Ok((name, service)),
        false => Err(empty(name, service)),
    }
}

/// Refuses to ask a service that does not run.
pub(super) async fn insist_it_runs(act: &Act, name: &ProcessName) -> Result<(), Failure> {
    let record = act.world.recorder.service(act.key(), name).await?;
    if record.is_some_and(|record| record.instance.is_some()) {
        return Ok(());
    }
    Err(stopped(act, name))
}

/// That a service does not run.
pub(super) fn stopped(act: &Act, name: &ProcessName) -> Failure {
    let id = &act.key().id;
    let message = format!("service {name} of {id} does not run");
    Failure::new("service-stopped", message).hint(format!("start it again: wharf resume -e {id}"))
}

/// The service that is meant.
fn choose<'a>(
    application: &'a Application,
    name: Option<&str>,
) -> Result<(&'a ProcessName, &'a Service), Failure> {
    let all = &application.services;
    let names = |services: &[&ProcessName]| {
        let names: Vec<&str> = services.iter().map(|name| name.as_str()).collect();
        names.join(", ")
    };
    if let Some(wanted) = name {
        let found = all.iter().find(|(name, _)| name.as_str() == wanted);
        return found.ok_or_else(|| {
            let there: Vec<&ProcessName> = all.keys().collect();
            let failure = Failure::new("no-database", "the release has no service of that name");
            match there.is_empty() {
                true => failure.hint("services are named in wharf.toml: [services]"),
                false => failure.hint(format!("its services are: {}", names(&there))),
            }
        });
    }
    let lasting = all.iter().filter(|(_, service)| plan::lasts(service.kind));
    let lasting: Vec<_> = lasting.collect();
    // A cache beside a database is rarely meant.
    let databases = lasting
        .iter()
        .filter(|(_, service)| plan::is_database(service.kind));
    let databases: Vec<_> = databases.copied().collect();
    match (databases.as_slice(), lasting.as_slice()) {
        ([one], _) | ([], [one]) => Ok(*one),
        ([], []) => Err(Failure::new(
            "no-database",
            "the release has no service that holds something",
        )
        .hint("services are named in wharf.toml: [services]")),
        _ => {
            let names = names(&lasting.iter().map(|(name, _)| *name).collect::<Vec<_>>());
            Err(
                Failure::new("no-database", "the release has several services")
                    .hint(format!("name one of them: {names}")),
            )
        }
    }
}

fn empty(name: &ProcessName, service: &Service) -> Failure {
    let kind = service.kind.as_str();
    let message = format!("service {name} ({kind}) holds nothing that could be written out");
    Failure::new("no-database", message).hint("a custom one says how with `dump` and `restore`")
}
