//! `wharf slug why`: why a slug is as it is, and what a redeploy would make of it now.

use wharf_config::application::Application;
use wharf_config::project::Project;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;
use wharf_wire::slug::{Comparison, Effect, Origin, Tip, Why};
use wharf_wire::view::{Item, Reason};

use super::super::peer::Broken;
use super::super::rights::kind_of;
use super::super::scope::missing;
use super::super::{Session, host};
use super::store;
use crate::execute::slug_key::{Ingredients, SlugKey};
use crate::execute::slug_why::{Made, Rows, compare, effect};
use crate::execute::{Failure, build, patch, tip, variables};
use crate::plan::rights::Act;
use crate::plan::variables::{Given, missing as unset};
use crate::settings;
use crate::store::environment::EnvironmentRecord;
use crate::store::release::{ReleaseRecord, ReleaseState};
use crate::store::slug::SlugRecord;

/// What a release was made of, as far as it is known still.
struct Past {
    release: ReleaseRecord,
    slug: Option<SlugRecord>,
    ingredients: Option<Ingredients>,
}

impl Past {
    /// What a comparison needs; none where its slug is forgotten.
    fn made(&self) -> Option<Made<'_>> {
        let is_kept = self.release.state == ReleaseState::Ready;
        Some(Made {
            ingredients: self.ingredients.as_ref()?,
            commit: &self.release.commit,
            // What was set for one that failed is not kept.
            given: is_kept.then_some(&self.release.variables),
            rebuilt: false,
        })
    }

    /// Whether its own activity built its slug again on request.
    fn was_rebuilt(&self) -> bool {
        let base = self.slug.as_ref();
        let base = base.and_then(|slug| SlugKey::parse(&slug.base).ok());
        let own = base.map(|base| base.rebuilt(&self.release.activity));
        own.is_some_and(|own| own.as_str() == self.release.slug)
    }
}

/// What a deployment of the branch's tip would be made of.
struct Coming {
    commit: String,
    ingredients: Ingredients,
    given: Given,
}

impl Session {
    pub(super) async fn slug_why(
        &mut self,
        scope: &Scope,
        asked: Option<u32>,
    ) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        self.may_in(Act::View, &record)?;
        let project = self.project_of(&record)?;
        let number = asked.or(record.live);
        let past = match number {
            Some(number) => self.past(&record, number).await?,
            None => None,
        };
        if let (Some(asked), None) = (asked, &past) {
            let id = &record.key.id;
            return Err(
                missing("no-release", &format!("{id} has no release r{asked}"))
                    .hint(format!("see which there are: wharf releases -e {id}")),
            );
        }
        let since = match &past {
            Some(past) => Some(self.since(&project, &record, past).await?),
            None => None,
        };
        let now = match asked {
            Some(_) => None,
            None => Some(self.tip_now(&project, &record, past.as_ref()).await?),
        };
        let why = Why {
            project: project.name.to_string(),
            environment: record.key.id.to_string(),
            release: past.map(|past| past.release.number),
            since,
            now,
        };
        self.item(Item::Why(why)).await?;
        self.end(Exit::Ok).await
    }

    async fn past(&self, record: &EnvironmentRecord, number: u32) -> Result<Option<Past>, Broken> {
        let recorder = &self.world.recorder;
        let release = recorder.release(&record.key, number).await.map_err(store)?;
        let Some(release) = release else {
            return Ok(None);
        };
        let slug = recorder.slug(&release.slug).await.map_err(store)?;
        let ingredients = slug.as_ref().and_then(build::made_of);
        Ok(Some(Past {
            release,
            slug,
            ingredients,
        }))
    }

    /// A release against the one that served when it was made.
    async fn since(
        &self,
        project: &Project,
        record: &EnvironmentRecord,
        new: &Past,
    ) -> Result<Comparison, Broken> {
        let recorder = &self.world.recorder;
        let activity = recorder.activity(&new.release.activity).await;
        let activity = activity.map_err(store)?;
        let reused = activity.as_ref().is_some_and(|one| one.slug_reused);
        let before = match activity {
            Some(activity) => activity.previous,
            // Its record is past retention: then the newest that served before it.
            None => {
                let releases = recorder.releases(&record.key).await.map_err(store)?;
                let served = [ReleaseState::Ready, ReleaseState::Pruned];
                let mut earlier = releases
                    .iter()
                    .filter(|one| one.number < new.release.number && served.contains(&one.state));
                earlier.next().map(|one| one.number)
            }
        };
        let old = match before {
            Some(number) => self.past(record, number).await?,
            None => None,
        };
        let is_same = |old: &Past| old.release.slug == new.release.slug;
        let origin = match &old {
            Some(old) if is_same(old) => Origin::Same,
            _ if reused => Origin::Found,
            _ => Origin::Built,
        };
        let rows = match old.as_ref().and_then(Past::made).zip(new.made()) {
            Some((old, new_made)) => {
                let new_made = Made {
                    rebuilt: origin == Origin::Built && new.was_rebuilt(),
                    ..new_made
                };
                Some(held(project, &old, &new_made))
            }
            None => None,
        };
        let border = match (origin, &new.ingredients) {
            (Origin::Built, Some(own)) => {
                let border = build::border_then(&self.world, own, &new.release.slug);
                border.await.map_err(store)?
            }
            _ => None,
        };
        Ok(Comparison {
            border,
            ..comparison(&new.release.slug, origin, before, rows)
        })
    }

    /// The branch's tip against what serves.
    async fn tip_now(
        &self,
        project: &Project,
        record: &EnvironmentRecord,
        live: Option<&Past>,
    ) -> Result<Tip, Broken> {
        let (repository, branch) = (project.repository.clone(), record.branch.clone());
        let found = tokio::task::spawn_blocking(move || tip::read(&repository, &branch));
        let found = found.await.map_err(|error| host(error.to_string()))?;
        let Some(commit) = found.and_then(|commit| commit.new) else {
            let message = format!("branch {} has no tip to deploy", record.branch);
            let failure = Failure::new("no-commit", message).hint("push it again");
            return Ok(failing(None, failure.reason));
        };
        let coming = match self.coming(project, record, &commit).await? {
            Ok(coming) => coming,
            Err(failure) => return Ok(failing(Some(commit), failure.reason)),
        };
        let new = Made {
            ingredients: &coming.ingredients,
            commit: &coming.commit,
            given: Some(&coming.given),
            rebuilt: false,
        };
        let base = coming.ingredients.key();
        let usable = build::usable(&self.world, &project.name, &base)
            .await
            .map_err(store)?;
        let rows = live
            .and_then(Past::made)
            .map(|old| held(project, &old, &new));
        let slug = usable.as_ref().unwrap_or(&base);
        let is_live = live.is_some_and(|live| live.release.slug == slug.as_str());
        let origin = match (is_live, &usable) {
            (true, _) => Origin::Same,
            (false, Some(_)) => Origin::Found,
            (false, None) => Origin::Built,
        };
        let effect = match &rows {
            Some(rows) => effect(&rows.rows, usable.is_some()),
            None if usable.is_some() => Effect::Redeploy,
            None => Effect::Rebuild,
        };
        let before = live.map(|live| live.release.number);
        let border = match effect {
            Effect::Rebuild => build::border(&self.world, &project.name, &coming.ingredients).await,
            _ => Ok(None),
        };
        let comparison = Comparison {
            border: border.map_err(store)?,
            ..comparison(slug.as_str(), origin, before, rows)
        };
        Ok(Tip {
            commit: Some(commit),
            effect,
            comparison: Some(comparison),
            reason: None,
        })
    }

    /// What a deployment of a commit would be made of, or why there would be none.
    async fn coming(
        &self,
        project: &Project,
        record: &EnvironmentRecord,
        commit: &str,
    ) -> Result<Result<Coming, Failure>, Broken> {
        let (repository, id) = (project.repository.clone(), commit.to_owned());
        let looked = tokio::task::spawn_blocking(move || build::look(&repository, &id));
        let looked = looked.await.map_err(|error| host(error.to_string()))?;
        let (application, tree, patches) = match looked {
            Ok(looked) => looked,
            Err(failure) => return Ok(Err(failure)),
        };
        let settings = self.world.settings();
        let (kind, network) = (kind_of(&settings, project, record), settings.host.network);
        let recorder = &self.world.recorder;
        let set = recorder.variables(&record.key, None).await.map_err(store)?;
        let given = Given::of(&set.all, &record.key.id, kind, &application.committed);
        if let Some(failure) = lacking(&application, &given, record) {
            return Ok(Err(failure));
        }
        let seen = variables::seen(&application, &given, &set, network);
        let applied = patch::ingredients(&application.build, &patches);
        let domain = settings::trust_domain(kind);
        let weighed = build::weigh(&self.world, &application, tree, applied, domain, seen).await;
        Ok(weighed.map(|ingredients| Coming {
            commit: commit.to_owned(),
            ingredients,
            given,
        }))
    }
}

fn lacking(
    application: &Application,
    given: &Given,
    record: &EnvironmentRecord,
) -> Option<Failure> {
    let id = record.key.id.as_str();
    let first = unset(application, given).into_iter().next()?;
    Some(Failure::new("variable-missing", first.message(id)).hint(first.hint(id)))
}

fn failing(commit: Option<String>, reason: Reason) -> Tip {
    Tip {
        commit,
        effect: Effect::Failure,
        comparison: None,
        reason: Some(reason),
    }
}

fn held(project: &Project, old: &Made<'_>, new: &Made<'_>) -> Rows {
    tokio::task::block_in_place(|| compare(&project.repository, old, new))
}

fn comparison(slug: &str, origin: Origin, before: Option<u32>, rows: Option<Rows>) -> Comparison {
    let known = rows.is_some();
    let Rows { rows, left_out } = rows.unwrap_or_default();
    Comparison {
        slug: slug.to_owned(),
        origin,
        before,
        known,
        changes: rows,
        left_out,
        border: None,
    }
}
