//! Housekeeping on request, and what of it an operator should see.

use std::time::Duration;

use wharf_config::host::MinFree;
use wharf_wire::ask::Cleanup;
use wharf_wire::outcome::Exit;
use wharf_wire::view::{self, Item};

use super::super::peer::Broken;
use super::super::{Session, host};
use crate::dispatch::Event;
use crate::execute::failure::chain;
use crate::execute::housekeeping::{self, Wanted};
use crate::plan::retention::{Removal, Thing};
use crate::plan::room::{self, FileSystem};
use crate::report;
use crate::store::now;

impl Session {
    pub(super) async fn clean_up(&mut self, cleanup: Cleanup) -> Result<(), Broken> {
        self.may_host("clean it up")?;
        let (removed, failed) = match cleanup {
            Cleanup::Look => {
                let gone = housekeeping::look(&self.world).await;
                (gone.map_err(|f| host(f.reason.message))?, Vec::new())
            }
            Cleanup::Remove => {
                let wanted = Wanted::Order;
                let report = self.desk.ask(|reply| Event::Keep { wanted, reply }).await;
                let report = report.ok_or_else(|| host("the daemon is stopping".into()))?;
                (report.removed, report.failed)
            }
        };
        for removal in &removed {
            self.item(Item::Removal(shown(removal))).await?;
        }
        let exit = match failed.is_empty() {
            true => Exit::Ok,
            false => Exit::Failed,
        };
        let warnings = failed.iter().map(|text| format!("warning: {text}"));
        self.peer.lines(warnings.collect()).await?;
        self.end(exit).await
    }
}

impl Session {
    /// The room on each file system that deployments write to: too little, or soon.
    pub(super) fn disk_findings(&self) -> Vec<view::Finding> {
        let settings = self.world.settings();
        let wanted = settings.host.keep.min_free;
        let repositories = settings.projects.values().map(|p| p.repository.as_path());
        let repositories = std::iter::once(None).chain(repositories.map(Some));
        let mut systems: Vec<FileSystem> = Vec::new();
        let mut findings = Vec::new();
        for repository in repositories {
            let found =
                tokio::task::block_in_place(|| housekeeping::file_systems(&self.world, repository));
            match found {
                Ok(found) => {
                    for system in found {
                        if !systems.iter().any(|known| known.mount == system.mount) {
                            systems.push(system);
                        }
                    }
                }
                // A repository that is not there is a finding of its own.
                Err(error) if repository.is_none() => {
                    findings.push(finding(view::Severity::Error, "disk", chain(&error), None));
                }
                Err(_) => {}
            }
        }
        findings.extend(
            systems
                .iter()
                .flat_map(|system| disk_finding(system, &wanted)),
        );
        findings
    }

    /// The data of deleted environments that is still there.
    pub(super) async fn kept_findings(&self) -> Vec<view::Finding> {
        let keep = self.world.settings().host.keep.data;
        let kept = match housekeeping::kept_data(&self.world).await {
            Ok(kept) => kept,
            Err(failure) => {
                let text = failure.reason.message;
                return vec![finding(view::Severity::Error, "kept-data", text, None)];
            }
        };
        let line = |data: housekeeping::KeptData| {
            let of = match data.of {
                Some(of) => format!("{of}, deleted"),
                None => "a deleted environment".to_owned(),
            };
            let until = match keep.map(|age| days_left(data.since, age)) {
                Some(days) => format!("it goes in {}", report::count(days, "day")),
                None => "it stays until somebody removes it".to_owned(),
            };
            let text = format!("data of {of}: {}; {until}", data.path.display());
            finding(view::Severity::Good, "kept-data", text, None)
        };
        kept.into_iter().map(line).collect()
    }
}

fn disk_finding(system: &FileSystem, wanted: &MinFree) -> Vec<view::Finding> {
    let one = std::slice::from_ref(system);
    let lacks = room::lacks(one, wanted);
    if !lacks.is_empty() {
        let hint = Some("pushes are refused: make room, or lower keep.min_free");
        let error = |text| finding(view::Severity::Error, "disk", text, hint);
        return lacks.into_iter().map(error).collect();
    }
    let bytes = report::size(system.bytes);
    let free = match system.files {
        Some(files) => format!("{bytes} and {files} more files are free"),
        None => format!("{bytes} are free"),
    };
    let text = format!("{free} on {} ({})", system.mount, system.holds);
    if room::lacks(one, &room::twice(wanted)).is_empty() {
        return vec![finding(view::Severity::Good, "disk", text, None)];
    }
    let (size, files) = (report::size(wanted.size), wanted.files);
    let hint = format!("below {size} or {files} files pushes are refused: make room");
    vec![finding(view::Severity::Warning, "disk", text, Some(&hint))]
}

fn days_left(since: u64, age: Duration) -> u64 {
    let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let left = since.saturating_add(age).saturating_sub(now());
    left.div_ceil(24 * 60 * 60 * 1000)
}

fn finding(
    severity: view::Severity,
    code: &str,
    message: String,
    hint: Option<&str>,
) -> view::Finding {
    view::Finding {
        severity,
        code: code.into(),
        message,
        hint: hint.map(str::to_owned),
    }
}

fn shown(removal: &Removal) -> view::Removal {
    let (of, name) = match &removal.thing {
        Thing::Release { key, number } => (Some(key.to_string()), format!("r{number}")),
        Thing::Slug(slug) => (Some(slug.project.clone()), slug.key.clone()),
        Thing::Cache(cache) => (Some(cache.project.to_string()), cache.trust_domain.clone()),
        Thing::Log(id) | Thing::Data(id) | Thing::Record(id) => (None, id.clone()),
    };
    view::Removal {
        kind: housekeeping::word(&removal.thing).into(),
        of,
        name,
        why: removal.why.word().into(),
        bytes: removal.bytes,
    }
}
