//! Housekeeping on request, and what of it an operator should see.

use std::time::Duration;

use wharf_wire::ask::Cleanup;
use wharf_wire::outcome::Exit;
use wharf_wire::view::{self, Item};

use super::super::peer::Broken;
use super::super::{Session, host};
use crate::dispatch::Event;
use crate::execute::housekeeping::{self, Wanted};
use crate::plan::retention::{Removal, Thing};
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
    /// The data of deleted environments that is still there.
    pub(super) async fn kept_findings(&self) -> Vec<view::Finding> {
        let keep = self.world.settings().host.keep.data;
        let kept = match housekeeping::kept_data(&self.world).await {
            Ok(kept) => kept,
            Err(failure) => {
                let text = failure.reason.message;
                return vec![view::Finding::error("kept-data", text, "")];
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
            view::Finding::good("kept-data", text)
        };
        kept.into_iter().map(line).collect()
    }
}

fn days_left(since: u64, age: Duration) -> u64 {
    let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let left = since.saturating_add(age).saturating_sub(now());
    left.div_ceil(24 * 60 * 60 * 1000)
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
