//! `wharf slugs`: which slugs a project has, and who uses them.

use std::collections::{BTreeMap, BTreeSet};

use wharf_config::project::Kind as Type;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;
use wharf_wire::slug::{Slug, Use};
use wharf_wire::view::Item;

use super::super::Session;
use super::super::peer::Broken;
use super::super::scope::missing;
use super::{count, store};
use crate::settings;
use crate::store::environment::EnvironmentRecord;
use crate::store::slug::Listed;

/// Environments that are named of one slug.
const ENVIRONMENTS: usize = 100;
/// Releases that are named of one environment.
const RELEASES: usize = 20;

impl Session {
    pub(super) async fn slugs(&mut self, scope: &Scope) -> Result<(), Broken> {
        let project = self.sole_project(scope)?;
        let recorder = &self.world.recorder;
        let environments = recorder.environments(Some(project.name.clone()));
        let environments = environments.await.map_err(store)?;
        let listed = recorder.slugs_of(project.name.as_str());
        let listed = listed.await.map_err(store)?;
        let seen: Vec<Slug> = {
            let mut eyes = self.eyes();
            if !eyes.see_project(&project.name) {
                return Err(missing(
                    "unknown-project",
                    &format!("there is no project `{}`", project.name),
                )
                .hint("see which there are: wharf project list"));
            }
            let known: BTreeMap<&str, &EnvironmentRecord> = environments
                .iter()
                .filter(|record| eyes.see(record))
                .map(|record| (record.key.id.as_str(), record))
                .collect();
            // What nobody uses that they see is theirs to see where its builds would be.
            let domains: BTreeSet<&str> = match eyes.of(&project.name) {
                Some(seen) => Type::ALL
                    .iter()
                    .filter(|kind| seen.is_open() || seen.may_view(**kind))
                    .map(|kind| settings::trust_domain(*kind))
                    .collect(),
                None => BTreeSet::new(),
            };
            let sees = |one: &Listed| {
                let used = one.used.keys().any(|id| known.contains_key(id.as_str()));
                used || domains.contains(one.record.trust_domain.as_str())
            };
            let all = listed.into_iter().filter(sees);
            all.map(|one| shown(project.name.as_str(), one, &known))
                .collect()
        };
        for slug in seen {
            self.item(Item::Slug(slug)).await?;
        }
        self.end(Exit::Ok).await
    }
}

fn shown(project: &str, slug: Listed, known: &BTreeMap<&str, &EnvironmentRecord>) -> Slug {
    let used = slug.used.iter().filter_map(|(id, releases)| {
        let record = known.get(id.as_str())?;
        Some(Use {
            environment: id.clone(),
            releases: releases.iter().take(RELEASES).copied().collect(),
            live: record.live.is_some_and(|live| releases.contains(&live)),
        })
    });
    let mut used_by: Vec<Use> = used.collect();
    let left_out = count(used_by.len().saturating_sub(ENVIRONMENTS)).into();
    used_by.truncate(ENVIRONMENTS);
    let record = slug.record;
    Slug {
        project: project.to_owned(),
        rebuilt: record.key != record.base && !record.is_imported(),
        imported: record.is_imported(),
        key: record.key,
        digest: record.digest,
        created: slug.created,
        files: record.files,
        bytes: record.bytes,
        trust_domain: record.trust_domain,
        used_by,
        left_out,
    }
}
