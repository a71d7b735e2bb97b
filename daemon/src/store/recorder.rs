//! What the executor may record: acts by name, so that it never sees a database.

use std::collections::BTreeMap;

use rusqlite::Connection;
use wharf_config::name::ProjectName;
use wharf_wire::event::Stage;
use wharf_wire::view::{Activity, Commit, Reason};

use super::activity::{self, Approval, Ending, NewActivity, Task};
use super::environment::{self, EnvironmentKey, EnvironmentRecord, Rule};
use super::gauges::{self, Gauges};
use super::known::Opened;
use super::overview::{self, Overview};
use super::paths::Paths;
use super::process::{self, ProcessRecord};
use super::release::{self, ReleaseRecord, ReleaseState};
use super::seeded;
use super::slug::{self, SlugRecord};
use super::status::{self, Limits};
use super::stock::{self, Numbers, View};
use super::{Database, Fault, StoreError};
use crate::fail;
use crate::notify::Audience;
use crate::plan::limits::{Counted, Status};
use crate::plan::parking::Leave;
use crate::plan::retention::{Record, Release, Slug};

type Result<T> = std::result::Result<T, StoreError>;

/// Records and recalls. Every method's error is the database's; what failed is then not recorded.
#[derive(Debug, Clone)]
pub struct Recorder(pub(super) Database);

#[allow(
    missing_docs,
    reason = "each is the store's function of that name, on its thread"
)]
impl Recorder {
    pub fn new(database: Database) -> Recorder {
        Recorder(database)
    }

    /// What is wrong with the database as a whole, once that is known.
    pub fn fault(&self) -> Option<&Fault> {
        self.0.fault()
    }

    /// Says that the database is not to be used any more.
    pub fn condemn(&self, fault: Fault) {
        self.0.condemn(fault);
    }

    /// A call that changes the record: a place to die at, before and after it.
    pub(super) fn write<R: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<R> + Send + 'static,
    ) -> impl Future<Output = Result<R>> + Send + 'static {
        self.0.call(move |connection| {
            fail::point(format_args!("record {what}: before"));
            let done = work(connection);
            fail::point(format_args!("record {what}: after"));
            done
        })
    }

    /// Records activities. What the disk holds of one that an older record does not know, once that
    /// was restored, is never taken for a new one's.
    pub fn open(
        &self,
        activities: Vec<NewActivity>,
        limits: Limits,
        paths: &Paths,
    ) -> impl Future<Output = Result<Vec<Opened>>> + Send + 'static {
        let paths = paths.clone();
        self.write("activities", move |connection| {
            activity::open(connection, &activities, &limits, |id| paths.bears(id))
        })
    }

    pub async fn begin(&self, activity: NewActivity, paths: &Paths) -> Result<String> {
        let paths = paths.clone();
        self.write("what begins at once", move |connection| {
            activity::begin(connection, &activity, |id| paths.bears(id))
        })
        .await
    }

    pub async fn task(&self, id: &str) -> Result<Option<Task>> {
        let id = id.to_owned();
        self.0
            .call(move |connection| activity::task(connection, &id))
            .await
    }

    pub async fn unfinished(&self) -> Result<Vec<Task>> {
        self.0
            .call(|connection| activity::unfinished(connection))
            .await
    }

    pub async fn start(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write("beginning", move |connection| {
            activity::start(connection, &id)
        })
        .await
    }

    pub async fn end(&self, id: &str, ending: Ending) -> Result<()> {
        let id = id.to_owned();
        self.write("end", move |connection| {
            activity::end(connection, &id, &ending).map(drop)
        })
        .await
    }

    pub async fn activity(&self, id: &str) -> Result<Option<Activity>> {
        let id = id.to_owned();
        self.0
            .call(move |connection| activity::find(connection, &id))
            .await
    }

    pub async fn activities(
        &self,
        project: Option<String>,
        environment: Option<String>,
        limit: u32,
    ) -> Result<Vec<Activity>> {
        self.0
            .call(move |connection| {
                activity::list(
                    connection,
                    project.as_deref(),
                    environment.as_deref(),
                    limit,
                )
            })
            .await
    }

    pub async fn step_started(&self, id: &str, stage: Stage, name: &str) -> Result<u32> {
        let (id, name) = (id.to_owned(), name.to_owned());
        self.0
            .call(move |connection| activity::step_started(connection, &id, stage, &name))
            .await
    }

    pub async fn step_ended(
        &self,
        id: &str,
        number: u32,
        result: &'static str,
        exit_code: Option<i32>,
    ) -> Result<()> {
        let id = id.to_owned();
        self.0
            .call(move |connection| {
                activity::step_ended(connection, &id, number, result, exit_code)
            })
            .await
    }

    pub async fn set_commit(&self, id: &str, commit: Commit, leave: Leave) -> Result<()> {
        let id = id.to_owned();
        self.write("commit of activity", move |connection| {
            activity::set_commit(connection, &id, &commit, &leave)
        })
        .await
    }

    pub async fn restart(&self, id: &str, decision: &'static str) -> Result<()> {
        let id = id.to_owned();
        self.write("restart", move |connection| {
            activity::restart(connection, &id, decision)
        })
        .await
    }

    pub async fn stopping(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write("stopping", move |connection| {
            activity::stopping(connection, &id)
        })
        .await
    }

    pub async fn park(
        &self,
        id: &str,
        leave: Leave,
        reason: Reason,
        audience: Audience,
    ) -> Result<()> {
        let id = id.to_owned();
        self.write("parking", move |connection| {
            activity::park(connection, &id, &leave, &reason, &audience)
        })
        .await
    }

    pub async fn approve(
        &self,
        approval: Approval,
        paths: &Paths,
    ) -> Result<Option<(String, Option<u32>)>> {
        let paths = paths.clone();
        self.write("going on", move |connection| {
            activity::approve(connection, &approval, |id| paths.bears(id))
        })
        .await
    }

    pub async fn environment(&self, key: &EnvironmentKey) -> Result<Option<EnvironmentRecord>> {
        let key = key.clone();
        self.0
            .call(move |connection| environment::find(connection, &key))
            .await
    }

    pub async fn environments(
        &self,
        project: Option<ProjectName>,
    ) -> Result<Vec<EnvironmentRecord>> {
        self.0
            .call(move |connection| environment::list(connection, project.as_ref()))
            .await
    }

    pub async fn overview(&self, project: Option<ProjectName>) -> Result<Vec<Overview>> {
        self.0
            .call(move |connection| overview::list(connection, project.as_ref()))
            .await
    }

    pub async fn set_rules(&self, rules: Vec<Rule>) -> Result<()> {
        self.write("rules", move |connection| {
            environment::set_rules(connection, &rules)
        })
        .await
    }

    pub async fn next_generation(&self, key: &EnvironmentKey) -> Result<u64> {
        let key = key.clone();
        self.write("generation", move |connection| {
            environment::next_generation(connection, &key)
        })
        .await
    }

    pub async fn set_live(&self, key: &EnvironmentKey, release: Option<u32>) -> Result<()> {
        let key = key.clone();
        self.write("live", move |connection| {
            environment::set_live(connection, &key, release)
        })
        .await
    }

    pub async fn set_maintenance(&self, key: &EnvironmentKey, who: Option<String>) -> Result<()> {
        let key = key.clone();
        self.write("maintenance", move |connection| {
            environment::set_maintenance(connection, &key, who.as_deref())
        })
        .await
    }

    pub async fn is_seeded(&self, key: &EnvironmentKey) -> Result<bool> {
        let key = key.clone();
        self.0
            .call(move |connection| seeded::is_seeded(connection, &key))
            .await
    }

    pub async fn set_seeded(&self, key: &EnvironmentKey, activity: &str) -> Result<()> {
        let (key, activity) = (key.clone(), activity.to_owned());
        self.write("sample data", move |connection| {
            seeded::set(connection, &key, &activity)
        })
        .await
    }

    pub async fn set_status(&self, key: &EnvironmentKey, to: Status) -> Result<()> {
        let key = key.clone();
        self.write("status", move |connection| {
            status::set(connection, &key, to)
        })
        .await
    }

    pub async fn set_target(&self, id: &str, release: u32) -> Result<()> {
        let id = id.to_owned();
        self.write("target", move |connection| {
            activity::set_target(connection, &id, release)
        })
        .await
    }

    pub async fn rest(&self, key: &EnvironmentKey) -> Result<()> {
        let key = key.clone();
        self.write("inactive environment", move |connection| {
            status::rest(connection, &key)
        })
        .await
    }

    pub async fn counted(&self, key: &EnvironmentKey) -> Result<Vec<Counted>> {
        let key = key.clone();
        self.0
            .call(move |connection| status::counted(connection, &key))
            .await
    }

    pub async fn deployed(&self) -> Result<BTreeMap<EnvironmentKey, u64>> {
        self.0
            .call(|connection| status::deployed(connection, None))
            .await
    }

    pub async fn forget_environment(&self, key: &EnvironmentKey) -> Result<()> {
        let key = key.clone();
        self.write("no environment", move |connection| {
            environment::forget(connection, &key)
        })
        .await
    }

    pub async fn secret(&self, key: &EnvironmentKey, name: &str, fresh: String) -> Result<String> {
        let (key, name) = (key.clone(), name.to_owned());
        self.write("secret", move |connection| {
            environment::secret(connection, &key, &name, &fresh)
        })
        .await
    }

    pub async fn secrets(&self, key: &EnvironmentKey) -> Result<Vec<String>> {
        let key = key.clone();
        self.0
            .call(move |connection| environment::secrets(connection, &key))
            .await
    }

    pub async fn slug(&self, key: &str) -> Result<Option<SlugRecord>> {
        let key = key.to_owned();
        self.0
            .call(move |connection| slug::find(connection, &key))
            .await
    }

    pub async fn newest_slug(&self, bases: [String; 2]) -> Result<Option<SlugRecord>> {
        self.0
            .call(move |connection| slug::newest(connection, &bases))
            .await
    }

    pub async fn add_slug(&self, record: SlugRecord) -> Result<()> {
        self.write("slug", move |connection| slug::add(connection, &record))
            .await
    }

    pub async fn set_slug(&self, id: &str, key: &str, reused: bool) -> Result<()> {
        let (id, key) = (id.to_owned(), key.to_owned());
        self.write("slug of activity", move |connection| {
            activity::set_slug(connection, &id, &key, reused)
        })
        .await
    }

    pub async fn stock(&self, view: &View) -> Result<(Vec<Release>, Vec<Slug>)> {
        let view = view.clone();
        self.0
            .call(move |connection| {
                let releases = stock::releases(connection, &view)?;
                Ok((releases, stock::slugs(connection, &view)?))
            })
            .await
    }

    pub async fn release_numbers(&self) -> Result<Numbers> {
        self.0.call(|connection| stock::numbers(connection)).await
    }

    pub async fn old_records(&self, before: u64) -> Result<Vec<Record>> {
        self.0
            .call(move |connection| stock::records(connection, before))
            .await
    }

    pub async fn prune_release(
        &self,
        key: &EnvironmentKey,
        number: u32,
        view: &View,
    ) -> Result<bool> {
        let (key, view) = (key.clone(), view.clone());
        self.write("pruned release", move |connection| {
            stock::prune_release(connection, &key, number, &view)
        })
        .await
    }

    pub async fn forget_slug(&self, key: &str) -> Result<bool> {
        let key = key.to_owned();
        self.write("no slug", move |connection| {
            stock::forget_slug(connection, &key)
        })
        .await
    }

    pub async fn forget_activity(&self, id: &str) -> Result<bool> {
        let id = id.to_owned();
        self.write("no activity", move |connection| {
            stock::forget_activity(connection, &id)
        })
        .await
    }

    /// Takes the next number, at least the record's, and records the release as being made, in one
    /// go.
    pub async fn make_release(
        &self,
        key: &EnvironmentKey,
        mut record: ReleaseRecord,
    ) -> Result<ReleaseRecord> {
        let key = key.clone();
        self.write("release", move |connection| {
            record.number = environment::next_release(connection, &key, record.number)?;
            release::make(connection, &key, &record)?;
            Ok(record)
        })
        .await
    }

    pub async fn release(
        &self,
        key: &EnvironmentKey,
        number: u32,
    ) -> Result<Option<ReleaseRecord>> {
        let key = key.clone();
        self.0
            .call(move |connection| release::find(connection, &key, number))
            .await
    }

    /// How much there is, for monitoring.
    pub async fn gauges(&self) -> Result<Gauges> {
        self.0.call(|connection| gauges::read(connection)).await
    }

    pub async fn releases(&self, key: &EnvironmentKey) -> Result<Vec<ReleaseRecord>> {
        let key = key.clone();
        self.0
            .call(move |connection| release::list(connection, &key))
            .await
    }

    pub async fn set_release(
        &self,
        key: &EnvironmentKey,
        number: u32,
        state: ReleaseState,
    ) -> Result<()> {
        let key = key.clone();
        self.write("state of release", move |connection| {
            release::set_state(connection, &key, number, state)
        })
        .await
    }

    pub async fn add_process(&self, record: ProcessRecord) -> Result<()> {
        self.write("process", move |connection| {
            process::add(connection, &record)
        })
        .await
    }

    pub async fn forget_process(&self, instance: &str) -> Result<()> {
        let instance = instance.to_owned();
        self.write("no process", move |connection| {
            process::forget(connection, &instance)
        })
        .await
    }

    pub async fn processes(&self) -> Result<Vec<ProcessRecord>> {
        self.0.call(|connection| process::list(connection)).await
    }

    pub async fn processes_of(&self, key: &EnvironmentKey) -> Result<Vec<ProcessRecord>> {
        let key = key.clone();
        self.0
            .call(move |connection| process::of(connection, &key))
            .await
    }
}
