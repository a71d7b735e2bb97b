//! What an environment is to be: active, inactive, paused.

use wharf_config::project::Kind as Type;
use wharf_wire::Refusal;
use wharf_wire::ask::{Scope, SlugUse};
use wharf_wire::outcome::{Exit, Kind};
use wharf_wire::view::Commit;

use super::super::Session;
use super::super::peer::Broken;
use super::store;
use crate::execute::standing::{full, why_inactive};
use crate::plan::limits::Status;
use crate::plan::rights::Act;
use crate::store::environment::EnvironmentRecord;

impl Session {
    pub(super) async fn activate(&mut self, scope: &Scope) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let mut against = self.rights(&[Act::Activate], &record)?;
        against.take(self.may_begin(&record).await)?;
        let commit = against.and(self.tip_of(&record).await)?;
        self.order(record, Kind::Activate, commit, SlugUse::Reuse, None)
            .await
    }

    /// Refuses to let live what lives already, or has no place.
    async fn may_begin(&self, record: &EnvironmentRecord) -> Result<(), Broken> {
        let name = record.key.id.as_str();
        match (record.status(), record.live) {
            (Status::Inactive, _) => self.has_place(record).await,
            // Nothing of it was ever live.
            (Status::Active, None) => Ok(()),
            (Status::Active, Some(_)) => {
                let hint = format!("deploy its branch's tip again: wharf redeploy -e {name}");
                Err(refused(format!("{name} is active already"), hint))
            }
            (Status::Paused, _) => {
                let hint = format!("start it again: wharf resume -e {name}");
                Err(refused(format!("{name} is paused, not inactive"), hint))
            }
            (Status::Deleting, _) => Err(goes(name)),
        }
    }

    /// Refuses one more environment past the plan's limit. The record decides again when it takes
    /// the order.
    async fn has_place(&self, record: &EnvironmentRecord) -> Result<(), Broken> {
        let settings = self.world.settings();
        let Some(project) = settings.projects.get(&record.key.project) else {
            return Ok(());
        };
        let others = self.world.recorder.counted(&record.key).await;
        match full(&project.max_active, record, &others.map_err(store)?) {
            None => Ok(()),
            Some(full) => Err(Broken::Refused(Refusal {
                code: "plan-limit".into(),
                message: full.to_string(),
                hint: Some(full.hint()),
                exit: Exit::Refused,
            })),
        }
    }

    pub(super) async fn deactivate(&mut self, scope: &Scope) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let mut against = self.rights(&[Act::Deactivate], &record)?;
        against.take(not_production(&record, "deactivated"))?;
        against.and(lives(&record))?;
        self.order_plainly(record, Kind::Deactivate, None).await
    }

    pub(super) async fn pause(&mut self, scope: &Scope) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let mut against = self.rights(&[Act::Pause], &record)?;
        against.take(not_production(&record, "paused"))?;
        against.and(runs(&record))?;
        self.order_plainly(record, Kind::Pause, None).await
    }

    pub(super) async fn resume(&mut self, scope: &Scope) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let against = self.rights(&[Act::Resume], &record)?;
        against.and(is_paused(&record))?;
        let live = record.live;
        self.order_plainly(record, Kind::Resume, live).await
    }

    pub(super) async fn seed(&mut self, scope: &Scope) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let against = self.rights(&[Act::Seed], &record)?;
        against.and(runs(&record))?;
        let live = record.live;
        self.order_plainly(record, Kind::Seed, live).await
    }

    pub(super) async fn reset_data(&mut self, scope: &Scope) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let mut against = self.rights(&[Act::Reset], &record)?;
        against.take(not_production(&record, "reset"))?;
        against.and(runs(&record))?;
        self.order_plainly(record, Kind::Reset, None).await
    }

    pub(super) async fn maintain(&mut self, scope: &Scope, on: bool) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let against = self.rights(&[Act::Maintenance], &record)?;
        against.and(may_switch(&record, on))?;
        let kind = match on {
            true => Kind::MaintenanceOn,
            false => Kind::MaintenanceOff,
        };
        self.order_plainly(record, kind, None).await
    }

    /// Orders what brings something from another environment to what serves.
    pub(super) async fn order_from(
        &mut self,
        record: EnvironmentRecord,
        kind: Kind,
        source: String,
    ) -> Result<(), Broken> {
        let commit = self.live_commit(&record).await?;
        let mut activity = self.new_activity(record, kind, commit, SlugUse::Reuse, None)?;
        activity.source = Some(source);
        self.order_new(activity).await
    }

    /// Orders what is about no commit but the one that serves.
    async fn order_plainly(
        &mut self,
        record: EnvironmentRecord,
        kind: Kind,
        target: Option<u32>,
    ) -> Result<(), Broken> {
        let commit = self.live_commit(&record).await?;
        self.order(record, kind, commit, SlugUse::Reuse, target)
            .await
    }

    /// The commit that serves, if one does.
    async fn live_commit(&self, record: &EnvironmentRecord) -> Result<Commit, Broken> {
        let live = match record.live {
            Some(live) => self.world.recorder.release(&record.key, live).await,
            None => Ok(None),
        };
        let commit = live.map_err(store)?.map(|release| Commit {
            old: None,
            new: Some(release.commit),
            subject: release.subject,
            forced: false,
        });
        Ok(commit.unwrap_or_default())
    }
}

/// Refuses what only an environment that lives can do.
pub(super) fn lives(record: &EnvironmentRecord) -> Result<(), Broken> {
    let name = record.key.id.as_str();
    match record.status() {
        Status::Active | Status::Paused => Ok(()),
        Status::Inactive => {
            let why = why_inactive(name, None);
            Err(Broken::Refused(Refusal {
                code: why.code,
                message: why.message,
                hint: why.hint,
                exit: Exit::Refused,
            }))
        }
        Status::Deleting => Err(goes(name)),
    }
}

/// Refuses to pause what is paused, or has nothing to stop.
pub(super) fn runs(record: &EnvironmentRecord) -> Result<(), Broken> {
    lives(record)?;
    let name = record.key.id.as_str();
    if record.status() == Status::Paused {
        let hint = format!("start it again: wharf resume -e {name}");
        return Err(refused(format!("{name} is paused already"), hint));
    }
    serves(record, "that could be paused")
}

/// Refuses to start what is not paused.
fn is_paused(record: &EnvironmentRecord) -> Result<(), Broken> {
    lives(record)?;
    if record.status() == Status::Paused {
        return Ok(());
    }
    let hint = "see what each one is: wharf environments".to_owned();
    Err(refused(format!("{} is not paused", record.key.id), hint))
}

/// Refuses to switch maintenance to where it is, or where nobody visits anything.
fn may_switch(record: &EnvironmentRecord, on: bool) -> Result<(), Broken> {
    lives(record)?;
    let name = record.key.id.as_str();
    if record.maintenance.is_some() == on {
        let (is, other) = if on { ("on", "off") } else { ("off", "on") };
        let hint = format!("the other way: wharf maintenance {other} -e {name}");
        let message = format!("maintenance of {name} is {is} already");
        return Err(refused(message, hint));
    }
    serves(record, "from which to keep visitors away")
}

fn serves(record: &EnvironmentRecord, what: &str) -> Result<(), Broken> {
    let name = record.key.id.as_str();
    match record.live {
        Some(_) => Ok(()),
        None => Err(Broken::Refused(Refusal {
            code: "no-release".into(),
            message: format!("{name} serves nothing {what}"),
            hint: Some(format!("see why with: wharf log -e {name}")),
            exit: Exit::Refused,
        })),
    }
}

fn not_production(record: &EnvironmentRecord, done: &str) -> Result<(), Broken> {
    if record.type_of() != Type::Production {
        return Ok(());
    }
    Err(Broken::Refused(Refusal {
        code: "production".into(),
        message: format!("{} is production, which is never {done}", record.key.id),
        hint: Some("see which are not: wharf environments".into()),
        exit: Exit::Refused,
    }))
}

fn refused(message: String, hint: String) -> Broken {
    Broken::Refused(Refusal {
        code: "status".into(),
        message,
        hint: Some(hint),
        exit: Exit::Refused,
    })
}

fn goes(name: &str) -> Broken {
    let hint = "push its branch again to have it again".to_owned();
    refused(format!("{name} is being deleted"), hint)
}
