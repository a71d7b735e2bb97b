//! What was printed: logs of activities and of applications.

use std::path::Path;

use tokio::io::AsyncReadExt;
use wharf_wire::FromDaemon;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;

use super::super::peer::Broken;
use super::super::scope::missing;
use super::super::{Session, host};
use super::store;
use crate::plan::rights::Act;
use crate::run::mask::Mask;

/// Bytes of raw output in one frame: as JSON each may take four.
const RAW: usize = 12 * 1024;
/// Activities among which the newest is looked for: of some nothing may be seen, and others are words
/// or commands of somebody's own.
const RECENT: u32 = 100;

impl Session {
    /// The activity that is meant: by its id, or the newest of the scope.
    pub(in crate::session) async fn meant(
        &self,
        activity: Option<String>,
        scope: &Scope,
    ) -> Result<String, Broken> {
        let recorder = &self.world.recorder;
        if let Some(id) = activity {
            let shown: String = id.chars().take(20).collect();
            let found = recorder.activity(&id).await.map_err(store)?;
            let found = found.ok_or_else(|| {
                missing(
                    "unknown-activity",
                    &format!("there is no activity `{shown}`"),
                )
                .hint("see which there are: wharf activities")
            })?;
            self.may_see(&found)?;
            return Ok(found.id);
        }
        if scope.environment.is_some() {
            self.may_in(Act::View, &self.environment(scope).await?)?;
        }
        let (project, key) = self.filter(scope).await?;
        let project = project.map(|project| project.to_string());
        let environment = key.map(|key| key.id.to_string());
        let newest = recorder
            .activities(project, environment, RECENT)
            .await
            .map_err(store)?;
        let mut eyes = self.eyes();
        let mut seen = newest
            .into_iter()
            .filter(|activity| eyes.see_activity(activity))
            .peekable();
        let first = seen.peek().cloned();
        // Who asks what happens does not ask who said what, or ran what by hand.
        seen.find(|activity| !activity.kind.is_aside())
            .or(first)
            .map(|activity| activity.id)
            .ok_or_else(|| {
                missing("unknown-activity", "there is no activity yet").hint("push a branch")
            })
    }

    /// Whether the activity has ended and its log is not there: retention removed it, or the disk
    /// was full. How it ended stands in its record.
    pub(super) async fn is_log_gone(&self, id: &str) -> Result<bool, Broken> {
        if self.world.paths.events(id).exists() {
            return Ok(false);
        }
        let record = self.world.recorder.activity(id).await.map_err(store)?;
        Ok(record.is_some_and(|record| record.state.is_end()))
    }

    pub(super) async fn raw(&mut self, path: &Path) -> Result<(), Broken> {
        match tokio::fs::File::open(path).await {
            Ok(mut file) => {
                let mut buffer = vec![0; RAW];
                loop {
                    let read = file.read(&mut buffer).await;
                    match read.map_err(|error| host(error.to_string()))? {
                        0 => break,
                        n => {
                            self.peer
                                .send(&FromDaemon::Raw(buffer[..n].to_vec()))
                                .await?
                        }
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(host(error.to_string())),
        }
        self.end(Exit::Ok).await
    }

    pub(super) async fn app_log(&mut self, scope: &Scope) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        self.may_in(Act::View, &record)?;
        let key = record.key;
        let secrets = self.world.recorder.secrets(&key).await.map_err(store)?;
        let processes = self
            .world
            .recorder
            .processes_of(&key)
            .await
            .map_err(store)?;
        let services = self.world.recorder.services_of(&key).await;
        let live = record.live.unwrap_or_default();
        let services = services.map_err(store)?.into_iter();
        let services = services.filter_map(|service| service.process(live));
        for process in processes.into_iter().chain(services) {
            let path = self.world.paths.output(&process.instance);
            let tail = crate::disk::read_tail(&path, 1 << 20).unwrap_or_default();
            let mut mask = Mask::new(&secrets);
            let mut shown = mask.push(&tail);
            shown.extend(mask.finish());
            let header = format!("--- {} of r{} ---\n", process.name, process.release);
            for chunk in std::iter::once(header.as_bytes()).chain(shown.chunks(RAW)) {
                self.peer.send(&FromDaemon::Raw(chunk.to_vec())).await?;
            }
        }
        self.end(Exit::Ok).await
    }
}
