//! `wharf mount`: which mounts there are, how much is in them, what goes in and out.

mod carry;
mod come;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use wharf_wire::Refusal;
use wharf_wire::ask::Scope;
use wharf_wire::mount::{Mount, Used};
use wharf_wire::outcome::Exit;
use wharf_wire::view::{Finding, Item, Reason};

use super::super::peer::Broken;
use super::super::scope::missing;
use super::super::{Session, host};
use super::store;
use crate::execute::mount::{self, LONGEST_LOOK, MountError};
use crate::plan::mounts::{self, Named, NoMount};
use crate::plan::rights::Act;
use crate::store::environment::EnvironmentRecord;
use crate::store::release::ReleaseRecord;

/// How long `wharf doctor` looks at one mount.
const A_LOOK: Duration = Duration::from_secs(1);

impl Session {
    pub(super) async fn mounts(
        &mut self,
        scope: &Scope,
        path: Option<&str>,
        used: bool,
    ) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        self.may_in(Act::View, &record)?;
        let release = self.mounted(&record).await?;
        let wanted = match path {
            Some(path) => {
                let named = mounts::named(&release.application, path);
                vec![named.map_err(|error| no_mount(&release, &error))?]
            }
            None => mounts::all(&release.application),
        };
        for named in wanted {
            let place = self.place_of(&record, &named);
            let is_file = named.below.is_top() && place.is_file();
            let used = match used {
                true => Some(self.counted(place, named.clone(), path.is_some()).await?),
                false => None,
            };
            let mount = Mount {
                project: record.key.project.to_string(),
                environment: record.key.id.to_string(),
                path: named.path(),
                kind: named.kind.word().to_owned(),
                file: is_file,
                quota: named.quota,
                used,
            };
            self.item(Item::Mount(mount)).await?;
        }
        self.end(Exit::Ok).await
    }

    /// Mounts that hold more than their quotas.
    pub(super) async fn mount_findings(&self) -> Vec<Finding> {
        let recorder = &self.world.recorder;
        let mut findings = Vec::new();
        let until = Instant::now() + LONGEST_LOOK;
        // A database that cannot be read is a finding of its own.
        for record in recorder.environments(None).await.unwrap_or_default() {
            let Some(live) = record.live.filter(|_| Instant::now() < until) else {
                continue;
            };
            let Ok(Some(release)) = recorder.release(&record.key, live).await else {
                continue;
            };
            let paths = &self.world.paths;
            let place = |path: &_| paths.mount(&record.key.project, &record.key.id, path);
            let over =
                tokio::task::block_in_place(|| mount::over(&release.application, A_LOOK, place));
            findings.extend(over.into_iter().map(|text| {
                let hint = format!("make room there, or raise its quota in wharf.toml\nwharf mount size -p {} -e {}", record.key.project, record.key.id);
                Finding::warning("mount-full", format!("{}: {text}", record.key), hint)
            }));
        }
        findings
    }

    /// How much is there; nothing is where no deployment has made it yet, unless it was named.
    async fn counted(&self, place: PathBuf, named: Named, is_named: bool) -> Result<Used, Broken> {
        let stop = CancellationToken::new();
        let _with_us = stop.clone().drop_guard();
        let size =
            tokio::task::spawn_blocking(move || mount::size(&place, &named, LONGEST_LOOK, &stop));
        match size.await.map_err(|error| host(error.to_string()))? {
            Ok(used) => Ok(used),
            Err(MountError::Missing(_)) if !is_named => Ok(Used {
                bytes: 0,
                files: 0,
                whole: true,
            }),
            Err(error) => Err(refused(error.reason())),
        }
    }

    /// The release whose mounts an environment has: the one that serves, or else the newest.
    async fn mounted(&self, record: &EnvironmentRecord) -> Result<ReleaseRecord, Broken> {
        let releases = self.world.recorder.releases(&record.key).await;
        let releases = releases.map_err(store)?;
        let live = releases
            .iter()
            .position(|one| Some(one.number) == record.live);
        let mut releases = releases;
        let id = &record.key.id;
        match releases.is_empty() {
            true => Err(missing("not-live", &format!("{id} has no release yet"))
                .hint(format!("see why with: wharf log -e {id}"))),
            false => Ok(releases.swap_remove(live.unwrap_or(0))),
        }
    }

    /// Where a mount is on the disk.
    fn place_of(&self, record: &EnvironmentRecord, named: &Named) -> PathBuf {
        let paths = &Arc::clone(&self.world).paths;
        paths.mount(&record.key.project, &record.key.id, &named.mount)
    }
}

fn no_mount(release: &ReleaseRecord, error: &NoMount) -> Broken {
    let mounts: Vec<&str> = release
        .application
        .mounts
        .keys()
        .map(|path| path.as_str())
        .collect();
    let hint = match mounts.is_empty() {
        true => "it has no mounts: see [mounts] in docs/configuration.md".to_owned(),
        false => format!("it has these mounts: {}", mounts.join(", ")),
    };
    missing("no-mount", &error.to_string()).hint(hint)
}

fn refused(reason: Reason) -> Broken {
    Broken::Refused(Refusal {
        exit: match reason.code.as_str() {
            "host" | "disk-full" => Exit::Failed,
            "no-path" => Exit::NotFound,
            _ => Exit::Refused,
        },
        code: reason.code,
        message: reason.message,
        hint: reason.hint,
    })
}
