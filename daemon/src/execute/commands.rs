//! The commands around the switch: install or update before it, late ones after it.

use wharf_config::application;
use wharf_wire::event::Event;

use super::activity::Act;
use super::bound::Bound;
use super::changes::Changes;
use super::command::{self, Command};
use super::failure::Failure;
use super::release;
use crate::disk;
use crate::plan::step::Step;
use crate::report;
use crate::run::sandbox::Sandbox;
use crate::store::release::ReleaseRecord;

/// What is to be done to the environment's data before a release may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// It has nothing yet: `deploy.install.run`.
    Install,
    /// `deploy.run`.
    Update,
}

impl Work {
    /// Asks the application, where it has a way to say so.
    ///
    /// # Errors
    /// That it did not answer.
    pub(super) async fn ask(
        act: &Act,
        release: &ReleaseRecord,
        sandbox: &Sandbox,
        bound: &Bound,
    ) -> Result<Work, Failure> {
        let Some(install) = &release.application.deploy.install else {
            return Ok(Work::Update);
        };
        let unless = &install.unless;
        let step = application::Step::asking(unless).at(install.unless_at.clone());
        let failed = "it cannot be told whether it is installed".to_owned();
        let probe = command_of("install", Step::ProbeInstall, &step, sandbox, bound, failed);
        Ok(match command::probe(act, probe).await? {
            true => Work::Update,
            false => Work::Install,
        })
    }

    /// Its commands.
    pub(super) fn steps(self, release: &ReleaseRecord) -> &[application::Step] {
        let deploy = &release.application.deploy;
        match (self, &deploy.install) {
            (Work::Install, Some(install)) => &install.run,
            _ => &deploy.run,
        }
    }

    /// Whether there is anything that may change the environment's data.
    pub(super) fn may_change_data(self, release: &ReleaseRecord) -> bool {
        !self.steps(release).is_empty()
    }

    /// Runs them; what they wrote lasts.
    ///
    /// # Errors
    /// Which one failed, and why.
    pub(super) async fn run(
        self,
        act: &Act,
        release: &ReleaseRecord,
        sandbox: &Sandbox,
        bound: &Bound,
        changes: &mut Changes,
    ) -> Result<(), Failure> {
        let steps = self.steps(release);
        for (index, step) in steps.iter().enumerate() {
            let number = number(index);
            let (label, record) = match self {
                Work::Install => ("install", Step::Install(number)),
                Work::Update => ("deploy", Step::Command(number)),
            };
            let failed = format!("{label} failed in command {number} of {}", steps.len());
            let command = command_of(label, record, step, sandbox, bound, failed);
            changes.of(&step.name, command::run(act, command).await)?;
        }
        keep_what_they_wrote(act, steps.len()).await
    }
}

/// Makes durable what commands wrote into the mounts: they do not run again for this release, so a
/// power cut may not take it back once the release serves.
pub(super) async fn keep_what_they_wrote(act: &Act, commands: usize) -> Result<(), Failure> {
    if commands == 0 {
        return Ok(());
    }
    let state = act.world.paths.state();
    let syncing = tokio::task::spawn_blocking(move || disk::sync_filesystem(&state));
    // It also waits for what others write, and cannot be told to stop.
    let synced = tokio::select! {
        synced = syncing => synced,
        () = act.cancel.cancelled() => return Err(Failure::cancelled()),
    };
    synced
        .expect("syncing does not panic")
        .map_err(|error| Failure::host("what the commands wrote may not last", &error))
}

/// The late commands that have not begun yet: the site already serves, so their failure is a
/// warning.
pub(super) async fn after(act: &Act, release: &ReleaseRecord) {
    let steps = &release.application.deploy.after;
    let begun = act.late_commands();
    let left = steps.iter().enumerate().skip(begun as usize);
    if left.len() == 0 {
        return;
    }
    let bound = Bound::of_deploy(&act.settings.host.deploy);
    let done = async {
        let sandbox = release::sandbox(act, release).await?;
        for (index, step) in left {
            let number = number(index);
            let failed = format!("late command {number} of {} failed", steps.len());
            let record = Step::After(number);
            let command = command_of("after", record, step, &sandbox, &bound, failed);
            command::run(act, command).await?;
        }
        keep_what_they_wrote(act, steps.len()).await
    };
    if let Err(failure) = done.await {
        warn(act, failure);
    }
}

/// Says what failed once the release serves, as an activity's end says it.
fn warn(act: &Act, failure: Failure) {
    let text = format!(
        "{}; the release serves all the same",
        failure.reason.message
    );
    act.log.event(Event::Warning { text });
    let is_place = |line: &String| line.trim_start().starts_with("--> ");
    let place = failure.details.iter().position(is_place);
    let (printed, place) = failure
        .details
        .split_at(place.unwrap_or(failure.details.len()));
    for line in printed {
        let text = line.strip_prefix(report::TOOL).unwrap_or(line).to_owned();
        act.log.event(Event::Output { text });
    }
    for line in place {
        act.log.note(line);
    }
    if let Some(hint) = failure.reason.hint {
        act.log.note(hint);
    }
}

/// A step's number in the record.
pub(super) fn number(index: usize) -> u32 {
    u32::try_from(index + 1).expect("configuration is bounded")
}

/// A command of a release, as one recorded step.
pub(super) fn command_of<'a>(
    label: &'a str,
    record: Step,
    step: &'a application::Step,
    sandbox: &Sandbox,
    bound: &'a Bound,
    failed: String,
) -> Command<'a> {
    Command {
        label,
        step: record,
        name: &step.name,
        text: &step.run,
        at: &step.at,
        sandbox: sandbox.clone(),
        bound,
        failed,
    }
}
