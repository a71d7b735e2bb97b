//! `git push -o dry-run`: what the push would do. It is refused in the end, so that nothing changes.

mod looked;

use std::collections::BTreeMap;

use jiff::Zoned;
use wharf_config::application::{self, Application};
use wharf_config::files::Files;
use wharf_config::name::BranchName;
use wharf_config::project::Project;
use wharf_wire::event::Event;
use wharf_wire::hook::{Compare, Compared, Push, RefUpdate, Verdict};
use wharf_wire::{FromDaemon, ToDaemon};

use super::admit::head;
use super::peer::Broken;
use super::{Session, host, store, unexpected};
use crate::execute::Failure;
use crate::execute::end::hints_of;
use crate::execute::{build, patch};
use crate::order;
use crate::plan::admission::{self, Branch};
use crate::plan::limits::{Counted, Wish};
use crate::plan::options::{Options, Rebuild};
use crate::plan::parking;
use crate::plan::places::{Asked, Places};
use crate::plan::rename;
use crate::report::{self, Forecast, Slug};
use crate::settings;
use crate::store::environment::EnvironmentKey;
use looked::Looked;

/// Lines of one answer, at most: they go in one frame.
const MAX_LINES: usize = 400;

impl Session {
    /// Says of each update what it would do.
    pub(super) async fn forecast(
        &mut self,
        push: &Push,
        project: &Project,
        options: &Options,
        files: &BTreeMap<String, Files>,
    ) -> Result<Verdict, Broken> {
        let default = head(&project.repository).await?;
        let asked = Asked::of_updates(project, default.as_ref(), &push.updates);
        let all = self.places(project, asked).await?;
        let mut places = Places::new(project, default.as_ref(), all);
        let several = admission::served(project, &push.updates).len() > 1;
        let mut lines = options.warnings.clone();
        let renamed = rename::of(project, &places, &push.updates);
        if let Some(rename) = &renamed {
            lines.extend(report::remark(&rename.said(&places)));
            places.rename(rename);
        }
        let wish = options.wish;
        let mut before = Vec::new();
        let goes_on = |update: &&RefUpdate| match &renamed {
            Some(rename) => !rename.ends(project, update),
            None => true,
        };
        for update in push.updates.iter().filter(goes_on) {
            let more = match admission::branch(project, update) {
                Ok(Branch::Moves(branch, commit)) => {
                    let files = files.get(&commit).ok_or_else(|| unexpected("its files"))?;
                    let branch = Moving {
                        branch: &branch,
                        places: &places,
                        commit: &commit,
                        files,
                        prefix: several,
                    };
                    match self.inactive(project, &branch, wish, &mut before).await? {
                        Some(lines) => lines,
                        None => self.of_branch(project, &branch, options).await?,
                    }
                }
                Ok(Branch::Goes(branch)) => of_deletion(&places, &branch),
                Ok(Branch::NotServed | Branch::Mirror(_)) => {
                    report::remark(&order::stored(project, update))
                }
                Err(reason) => report::remark(&reason),
            };
            lines.extend(more);
        }
        if lines.len() > MAX_LINES {
            lines.truncate(MAX_LINES);
            lines.push("  ... and more than fits here: push fewer branches".into());
        }
        lines.extend([String::new(), nothing(push, project, &places)]);
        Ok(Verdict {
            accepted: false,
            lines,
        })
    }

    /// What is said of a branch whose environment would be inactive; none where it would live.
    /// `before` are those of this push that take places before it.
    async fn inactive(
        &mut self,
        project: &Project,
        moving: &Moving<'_>,
        wish: Wish,
        before: &mut Vec<Counted>,
    ) -> Result<Option<Vec<String>>, Broken> {
        let environment = moving.places.environment(moving.branch);
        let Some(why) = self.idle(project, &environment, wish, before).await? else {
            return Ok(None);
        };
        let id = environment.id.to_string();
        let prefix = match moving.prefix {
            true => format!("[{id}] "),
            false => String::new(),
        };
        let names = (project.name.as_str(), moving.branch.as_str());
        Ok(Some(report::forecast_inactive(
            names,
            &id,
            &why.message,
            &hints_of(&why),
            &prefix,
        )))
    }

    async fn of_branch(
        &mut self,
        project: &Project,
        moving: &Moving<'_>,
        options: &Options,
    ) -> Result<Vec<String>, Broken> {
        let world = std::sync::Arc::clone(&self.world);
        let all = world.settings();
        let environment = moving.places.environment(moving.branch);
        let key = EnvironmentKey {
            project: project.name.clone(),
            id: environment.id.clone(),
        };
        let recorder = &world.recorder;
        let record = recorder.environment(&key).await.map_err(store)?;
        let live = record.and_then(|record| record.live);
        let old = match live {
            Some(live) => build::ingredients_of(&world, &key, live)
                .await
                .map_err(store)?,
            None => None,
        };
        // Admission has read it already.
        let application = application::read(moving.files)
            .map_err(|problems| host(problems.render(report::WIDTH)))?;
        let tree = old.as_ref().map(|old| old.tree.clone());
        let looked = Looked::of(&application);
        let compared = self.compare(moving.commit, tree, looked.paths()).await?;
        let parent = options.parent.as_deref();
        let set = self
            .set_for(project, moving.places, moving.branch, parent)
            .await?;
        let seen = set.seen(&application, self.world.settings().host.network);
        let domain = settings::trust_domain(environment.kind);
        // A new tree is seen by git's hook alone: the ids of its patches are told by nobody, but no
        // slug is of it either, and that it changed is said.
        let found = patches_of(project, &compared.tree, &application).await;
        let ids = found.as_ref();
        let ids = ids.map(|found| patch::ingredients(&application.build, found));
        let ids = ids.or_else(|| old.as_ref().map(|old| old.patches.clone()));
        let patches = match found {
            Some(found) => Some(found.patches.into_iter().map(|patch| patch.path).collect()),
            None => looked.patches(compared.files.as_deref()),
        };
        let assets = looked.assets(compared.files.as_deref());
        let ids = ids.unwrap_or_default();
        let new = build::weigh(&world, &application, compared.tree, ids, domain, seen)
            .await
            .map_err(|failure: Failure| host(failure.reason.message))?;
        let base = new.key();
        let usable = build::usable(&world, &project.name, &base)
            .await
            .map_err(store)?;
        let mut why = old.map_or_else(Vec::new, |old| build::why(&old, &new, compared.changed));
        if usable.is_none() {
            why.extend(
                build::border(&world, &project.name, &new)
                    .await
                    .map_err(store)?,
            );
        }
        let slug = match (&usable, options.rebuild) {
            (Some(slug), Rebuild::No) => Slug::Reused(slug.short()),
            (None, Rebuild::No) => Slug::New(base.short(), &why),
            (_, Rebuild::Yes) => {
                why.push("a rebuild was asked for".into());
                Slug::New("of its own", &why)
            }
        };
        let releases = recorder.releases(&key).await.map_err(store)?;
        let release = releases.first().map_or(1, |newest| newest.number + 1);
        let hosts = all.hosts(project, &environment);
        let id = environment.id.as_str();
        let prefix = match moving.prefix {
            true => format!("[{id}] "),
            false => String::new(),
        };
        let forecast = Forecast {
            project: project.name.as_str(),
            branch: moving.branch.as_str(),
            environment: id,
            application: &application,
            slug,
            patches: patches.as_deref(),
            assets,
            serves: live.is_some(),
            release,
            url: &world.url(&hosts[0]),
        };
        let mut lines = forecast.lines(&prefix);
        if let Some(text) = parking::forecast(&environment.policy, &Zoned::now()) {
            lines.extend(report::lines(&Event::Note { text }, &prefix));
        }
        Ok(lines)
    }

    /// Asks the hook what a commit changes: only it can read the quarantined objects.
    async fn compare(
        &mut self,
        commit: &str,
        tree: Option<String>,
        paths: Vec<String>,
    ) -> Result<Compared, Broken> {
        let question = Compare {
            commit: commit.to_owned(),
            tree,
            paths,
        };
        self.peer.send(&FromDaemon::Compare(question)).await?;
        match self.peer.receive().await? {
            ToDaemon::Compared(compared) => Ok(compared),
            _ => Err(unexpected("Compared")),
        }
    }
}

/// What is applied to a tree that the repository has; none of one that is new.
async fn patches_of(
    project: &Project,
    tree: &str,
    application: &Application,
) -> Option<patch::Found> {
    let (repository, tree) = (project.repository.clone(), tree.to_owned());
    let wanted = application.build.patches.clone();
    let found = tokio::task::spawn_blocking(move || patch::find(&repository, &tree, &wanted).ok());
    found.await.ok()?
}

fn of_deletion(places: &Places<'_>, branch: &BranchName) -> Vec<String> {
    let text = match places.of(branch).and_then(|place| place.live) {
        Some(live) => format!("{} would be deleted; it serves r{live}", places.id(branch)),
        None => format!("branch {branch} would be deleted; it serves nothing"),
    };
    report::remark(&text)
}

/// The last line: what serves now.
fn nothing(push: &Push, project: &Project, places: &Places<'_>) -> String {
    let mut text = "dry run: nothing was changed".to_owned();
    if let [branch] = &admission::served(project, &push.updates)[..]
        && let Some(place) = places.of(branch)
        && let Some(live) = place.live
    {
        text.push_str(&format!("; {} still serves r{live}", place.id));
    }
    text.push('.');
    text
}

/// A branch that would move.
struct Moving<'a> {
    branch: &'a BranchName,
    places: &'a Places<'a>,
    commit: &'a str,
    files: &'a Files,
    prefix: bool,
}
