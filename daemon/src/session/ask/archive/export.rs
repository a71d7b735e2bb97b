//! `wharf slug export`: which slug, and who may take it away.

use std::sync::Arc;

use tokio::net::unix::pipe;
use wharf_config::project::Project;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;
use wharf_wire::passed::Passed;
use wharf_wire::slug::Archive;
use wharf_wire::view::Item;

use super::super::super::Session;
use super::super::super::peer::Broken;
use super::super::super::rights::kind_of;
use super::super::super::scope::missing;
use super::super::store;
use super::super::tree::refusal;
use super::{busy, no_pipe, said};
use crate::execute::archive::{self, ArchiveError, Header, Outlet, VERSION};
use crate::execute::build;
use crate::execute::slug_key::Ingredients;
use crate::plan::rights::Act;
use crate::settings;
use crate::store::environment::EnvironmentRecord;
use crate::store::release::ReleaseState;
use crate::store::slug::SlugRecord;

/// Digits of a key or digest that name a slug, at least: as many as are shown.
const DIGITS: usize = 6;

/// A slug, and the commit that it is of in an environment.
struct Chosen {
    slug: SlugRecord,
    ingredients: Ingredients,
    commit: Option<String>,
}

impl Session {
    pub(in crate::session) async fn export_slug(
        &mut self,
        scope: &Scope,
        wanted: Option<&str>,
    ) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        self.may_in(Act::Export, &record)?;
        let project = self.project_of(&record)?;
        let Chosen {
            slug,
            ingredients,
            commit,
        } = self.chosen(&project, &record, wanted).await?;
        let world = Arc::clone(&self.world);
        let _place = world.archives.try_acquire().map_err(|_| busy())?;
        let until = self.until();
        let (path, scratch) = (world.paths.slugs().join(&slug.key), world.paths.builds());
        let tree = path.clone();
        let survey = self
            .attended(until, move |stop| archive::survey(&tree, &scratch, stop))
            .await?;
        if survey.digest != slug.digest {
            return Err(said(&ArchiveError::Rotten(slug.short().to_owned())));
        }
        let header = Header {
            archive: VERSION,
            project: project.name.to_string(),
            commit: commit.clone(),
            key: ingredients.key(),
            ingredients,
            digest: survey.digest.clone(),
            entries: survey.entries,
            files: survey.files,
            bytes: survey.bytes,
        };
        let exported = Archive {
            project: header.project.clone(),
            environment: record.key.id.to_string(),
            key: header.key.to_string(),
            digest: header.digest.clone(),
            commit,
            files: header.files,
            bytes: header.bytes,
            size: 0,
        };
        let (ours, theirs) = pipe::pipe().map_err(no_pipe)?;
        let theirs = theirs.into_blocking_fd().map_err(no_pipe)?;
        self.peer.pass(vec![(Passed::Output, theirs)]).await?;
        let size = self
            .attended(until, move |stop| {
                let mut out = Outlet::new(ours, stop.clone());
                archive::write(&mut out, &path, &header, survey, stop)?;
                Ok(out.written)
            })
            .await?;
        let actor = self.actor(&project);
        tracing::info!(
            WHARF_PROJECT = exported.project,
            WHARF_ENVIRONMENT = exported.environment,
            WHARF_ACTOR = actor.name,
            WHARF_ACTOR_SOURCE = actor.source,
            WHARF_BYTES = size,
            "slug {} exported by {}",
            slug.short(),
            actor.name
        );
        self.item(Item::Archive(Archive { size, ..exported }))
            .await?;
        self.end(Exit::Ok).await
    }

    /// The slug that is meant.
    async fn chosen(
        &self,
        project: &Project,
        record: &EnvironmentRecord,
        wanted: Option<&str>,
    ) -> Result<Chosen, Broken> {
        let recorder = &self.world.recorder;
        let id = &record.key.id;
        let number = |text: &str| text.strip_prefix('r')?.parse::<u32>().ok();
        let (slug, commit) = match (wanted, wanted.and_then(number)) {
            (Some(digits), None) => self.named(project, record, digits).await?,
            (_, asked) => {
                let releases = recorder.releases(&record.key).await.map_err(store)?;
                let number = asked.or(record.live);
                let found = releases.into_iter().find(|release| {
                    Some(release.number) == number && release.state == ReleaseState::Ready
                });
                let Some(release) = found else {
                    let message = match asked {
                        Some(number) => format!("{id} has no release r{number} that could serve"),
                        None => format!("{id} serves nothing yet"),
                    };
                    return Err(missing("no-release", &message)
                        .hint(format!("see which there are: wharf releases -e {id}")));
                };
                let slug = recorder.slug(&release.slug).await.map_err(store)?;
                (slug.ok_or_else(|| gone(id.as_str()))?, Some(release.commit))
            }
        };
        let is_there = self.world.paths.slugs().join(&slug.key).is_dir();
        let ingredients = build::made_of(&slug).filter(|_| is_there);
        Ok(Chosen {
            ingredients: ingredients.ok_or_else(|| gone(id.as_str()))?,
            slug,
            commit,
        })
    }

    /// The slug whose key or digest begins so, if it may be known in this environment: releases of it
    /// are of it, or builds for it would use it.
    async fn named(
        &self,
        project: &Project,
        record: &EnvironmentRecord,
        digits: &str,
    ) -> Result<(SlugRecord, Option<String>), Broken> {
        let recorder = &self.world.recorder;
        let id = record.key.id.as_str();
        let kind = kind_of(&self.world.settings(), project, record);
        let domain = settings::trust_domain(kind);
        let listed = recorder.slugs_of(project.name.as_str());
        let listed = listed.await.map_err(store)?;
        let is_meant = |text: &str| digits.len() >= DIGITS && text.starts_with(digits);
        let mut found = listed.into_iter().filter(|one| {
            let own = one.record.project == project.name.as_str();
            let known = one.used.contains_key(id) || own && one.record.trust_domain == domain;
            known && (is_meant(&one.record.key) || is_meant(&one.record.digest))
        });
        let shown: String = digits.chars().take(64).collect();
        let shown = shown.escape_default();
        let Some(newest) = found.next() else {
            return Err(missing(
                "unknown-slug",
                &format!("{id} has no slug {shown}, neither by its key nor by its digest"),
            )
            .hint(
                "see which there are: wharf slugs; six digits name one, or a release such as r41",
            ));
        };
        if found.any(|other| other.record.digest != newest.record.digest) {
            return Err(refusal(
                "unknown-slug",
                format!("several slugs begin with {shown}"),
                "give more of its digits: wharf slugs --json",
            ));
        }
        let of_it = newest.used.get(id).and_then(|numbers| numbers.first());
        let commit = match of_it {
            Some(number) => {
                let release = recorder.release(&record.key, *number).await;
                release.map_err(store)?.map(|release| release.commit)
            }
            None => None,
        };
        Ok((newest.record, commit))
    }
}

fn gone(environment: &str) -> Broken {
    missing("slug-missing", "the slug is gone from this host").hint(format!(
        "build it again: wharf redeploy --rebuild -e {environment}"
    ))
}
