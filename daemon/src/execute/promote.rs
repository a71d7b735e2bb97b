//! Where the code of a command came from: said in the log; and the slug that comes with it.

use std::time::Instant;

use wharf_config::name::EnvironmentId;
use wharf_wire::event::Event;
use wharf_wire::outcome::Kind;

use super::activity::Act;
use super::build::{self, Built};
use super::failure::Failure;
use super::slug_key::SlugKey;
use super::variables;
use crate::metrics::Origin;
use crate::store::environment::EnvironmentKey;
use crate::store::release::ReleaseState;

/// Says which environment's code this is.
pub fn say_source(act: &Act) {
    let Some(source) = &act.task.source else {
        return;
    };
    let commit = act.task.commit.new.as_deref().unwrap_or_default();
    let commit = commit.get(..8).unwrap_or(commit);
    let (kind, branch) = (act.task.kind, act.branch());
    let text = match kind {
        Kind::Branch => format!("{branch} begins at {commit}, as {source}"),
        _ => format!("{source} into {branch}: {commit}"),
    };
    act.did(kind.word(), text, Instant::now());
}

/// The slug with which the child serves this commit; none where it is of the other trust domain, or
/// is gone, or its build saw other variables, which stay where they were set: then the same tree is
/// built. One that was found before it waited stays the one, whatever its child serves meanwhile: it is
/// what was approved.
///
/// # Errors
/// The store's.
pub async fn slug_of_child(act: &Act) -> Result<Option<Built>, Failure> {
    let began = Instant::now();
    let recorder = &act.world.recorder;
    if let Some(built) = found_before(act).await? {
        let text = format!("slug {}, not built again", built.slug.short());
        act.did("build", text, began);
        return Ok(Some(built));
    }
    let child = act.task.source.as_deref();
    let Some(id) = child.and_then(|id| EnvironmentId::parse(id).ok()) else {
        return Ok(None);
    };
    let key = EnvironmentKey {
        project: act.project.name.clone(),
        id,
    };
    let Some(child) = recorder.environment(&key).await? else {
        return Ok(None);
    };
    if child.trust_domain != act.trust_domain() {
        return Ok(None);
    }
    let releases = recorder.releases(&key).await?;
    let commit = act.task.commit.new.as_ref();
    let mut served = releases
        .into_iter()
        .filter(|release| release.state == ReleaseState::Ready && Some(&release.commit) == commit)
        .collect::<Vec<_>>();
    // What it serves goes before what it served.
    served.sort_by_key(|release| Some(release.number) != child.live);
    let found = served.into_iter().find_map(|release| {
        let slug = SlugKey::parse(&release.slug).ok()?;
        let directory = act.world.paths.slugs().join(slug.as_str());
        directory.is_dir().then_some((release, slug))
    });
    let Some((release, slug)) = found else {
        return Ok(None);
    };
    let (given, seen) = variables::given(act, &release.application).await?;
    let differing = match build::ingredients_of(&act.world, &key, release.number).await? {
        Some(made_of) => made_of.seen_otherwise(&seen.plain, &seen.secrets),
        // Nobody knows what it holds: it may be a secret of the child's.
        None => vec!["what it was made of".to_owned()],
    };
    if !differing.is_empty() {
        act.log.event(Event::StepStarted {
            label: "build".into(),
            text: format!(
                "built again: {} of {} is not as here",
                differing.join(", "),
                key.id
            ),
        });
        return Ok(None);
    }
    recorder.set_slug(&act.task.id, slug.as_str(), true).await?;
    act.world.metrics.slug(Origin::Reused);
    let text = format!(
        "slug {} of {} r{}, not built again",
        slug.short(),
        key.id,
        release.number
    );
    act.did("build", text, began);
    Ok(Some(Built {
        application: release.application,
        slug,
        commit: release.commit,
        given,
    }))
}

/// What this activity found or made in an earlier turn, if it is there still.
async fn found_before(act: &Act) -> Result<Option<Built>, Failure> {
    let (Some(before), Some(commit)) = (&act.task.slug, &act.task.commit.new) else {
        return Ok(None);
    };
    let record = act.world.recorder.slug(before).await?;
    let own = record.filter(|record| record.trust_domain == act.trust_domain());
    let Some(slug) = own.and_then(|record| SlugKey::parse(&record.key).ok()) else {
        return Ok(None);
    };
    if !act.world.paths.slugs().join(slug.as_str()).is_dir() {
        return Ok(None);
    }
    let application = build::application(act, commit).await?;
    let (given, _) = variables::given(act, &application).await?;
    Ok(Some(Built {
        application,
        slug,
        commit: commit.clone(),
        given,
    }))
}
