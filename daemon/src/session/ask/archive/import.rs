//! `wharf slug import`: who may bring a slug, and taking it in.

use std::path::Path;
use std::sync::Arc;

use tokio::net::unix::pipe;
use tokio::runtime::Handle;
use wharf_config::name::ProjectName;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;
use wharf_wire::passed::Passed;
use wharf_wire::variable::Level;
use wharf_wire::view::Commit;

use super::super::super::peer::Broken;
use super::super::super::{Session, host};
use super::super::set::Place;
use super::super::store;
use super::super::tree::refusal;
use super::{busy, no_pipe, refused};
use crate::disk;
use crate::execute::archive::{self, Go, Header, Inlet, Unpacked};
use crate::execute::failure::{Failure, chain};
use crate::execute::{World, build, freeze};
use crate::order;
use crate::plan::rights::Act;
use crate::report;
use crate::store::StoreError;
use crate::store::slug::{SlugRecord, within};

impl Session {
    pub(in crate::session) async fn import_slug(&mut self, scope: &Scope) -> Result<(), Broken> {
        let place = self.place(scope, Level::Project).await?;
        // Of what trust domain it is only the archive tells; who may for all need not be asked again.
        for (name, kind) in place.concerned() {
            self.may(Act::Import, &place.project, &name, kind)?;
        }
        let world = Arc::clone(&self.world);
        let _place = world.archives.try_acquire().map_err(|_| busy())?;
        self.need_room(&place.project.repository).await?;
        let staging = world.paths.arriving();
        let done = self.take_in(place, &staging).await;
        let removed = tokio::task::block_in_place(|| disk::remove_tree(&staging));
        let ids = done?;
        removed.map_err(|error| host(chain(&error)))?;
        match ids {
            Some(ids) => self.follow_moved(ids).await,
            None => self.end(Exit::Ok).await,
        }
    }

    /// Takes an archive in, and records its slug; none where it is there already, which is said.
    async fn take_in(
        &mut self,
        place: Place,
        staging: &Path,
    ) -> Result<Option<Vec<String>>, Broken> {
        let world = Arc::clone(&self.world);
        let project = place.project.name.clone();
        let (theirs, ours) = pipe::pipe().map_err(no_pipe)?;
        let theirs = theirs.into_blocking_fd().map_err(no_pipe)?;
        self.peer.pass(vec![(Passed::Input, theirs)]).await?;
        let (scratch, tree) = (world.paths.builds(), staging.to_owned());
        let (known, of) = (Arc::clone(&world), project.clone());
        let unpacked = self
            .attended(self.until(), move |stop| {
                let input = Inlet::new(ours, stop.clone());
                archive::unpack(input, &scratch, &tree, |header| {
                    // It is looked for again under its turn: here it only saves the way.
                    match Handle::current().block_on(standing(&known, &of, header)) {
                        Ok(Some(_)) => Go::No,
                        Ok(None) | Err(_) => Go::On,
                    }
                })
            })
            .await?;
        let (header, is_whole) = match unpacked {
            Unpacked::Whole(header) => (header, true),
            Unpacked::Unwanted(header) => (header, false),
        };
        // Nobody builds the same meanwhile.
        let turn = world.building.turn(header.key.as_str());
        let _turn = tokio::select! {
            turn = turn.lock() => turn,
            () = self.peer.gone() => return Err(Broken::Gone),
        };
        if let Some(slug) = standing(&world, &project, &header).await.map_err(store)? {
            self.say_there(&slug, &header).await?;
            return Ok(None);
        }
        if !is_whole {
            return Err(refusal(
                "slug-missing",
                format!("slug {} was here, and went meanwhile", header.key.short()),
                "import it again",
            ));
        }
        if !header.ingredients.secrets.is_empty() {
            let count = report::count(header.ingredients.secrets.len() as u64, "secret");
            let text = format!(
                "its build saw {count}: only the project that it comes from finds it again"
            );
            self.peer.lines(report::warning(&text)).await?;
        }
        self.bring(place, staging, header).await.map(Some)
    }

    /// Moves it into the store, then records it: a death between the two leaves what the next start
    /// sweeps.
    async fn bring(
        &self,
        place: Place,
        staging: &Path,
        header: Header,
    ) -> Result<Vec<String>, Broken> {
        let project = &place.project.name;
        let key = header.key.imported(project.as_str());
        let path = self.world.paths.slugs().join(key.as_str());
        let settled = tokio::task::block_in_place(|| {
            // What is there under its name is in no record, or it would stand.
            disk::remove_tree(&path)?;
            freeze::settle(staging, &path, &key)
        });
        settled.map_err(|error| {
            let failure = Failure::host("cannot store the slug", &error).or_full();
            refused(failure)
        })?;
        let slug = SlugRecord {
            key: key.to_string(),
            base: within(header.key.as_str(), project.as_str()),
            project: project.to_string(),
            trust_domain: header.ingredients.trust_domain.clone(),
            ingredients: serde_json::to_string(&header.ingredients)
                .expect("strings and maps of strings"),
            digest: header.digest,
            files: header.files,
            bytes: header.bytes,
        };
        let commit = Commit {
            new: header.commit,
            subject: format!("exported from {}", header.project),
            ..Commit::default()
        };
        let actor = self.actor(&place.project);
        let activity = order::of_import(place.key, place.branch, place.kind, actor, commit, slug);
        let ordered = self.ordered(vec![activity]).await;
        if ordered.is_err() {
            let removed = tokio::task::block_in_place(|| disk::remove_tree(&path));
            if let Err(error) = removed {
                tracing::warn!(error = chain(&error), "a slug that is not recorded stays");
            }
        }
        ordered
    }

    async fn say_there(&mut self, slug: &SlugRecord, header: &Header) -> Result<(), Broken> {
        let short = slug.short();
        if slug.digest != header.digest {
            return Err(refusal(
                "slug-differs",
                format!(
                    "slug {short} is made of the same here, and holds something else: its build \
                     does not make the same twice"
                ),
                "what is here stays; redeploy it, or build it anew: wharf redeploy --rebuild",
            ));
        }
        let text = format!("slug {short} is here already, with the digest that the archive names");
        self.peer.lines(report::remark(&text)).await
    }
}

/// The slug that was imported before, or that a build of the same would use.
async fn standing(
    world: &World,
    project: &ProjectName,
    header: &Header,
) -> Result<Option<SlugRecord>, StoreError> {
    let own = header.key.imported(project.as_str());
    if world.paths.slugs().join(own.as_str()).is_dir()
        && let Some(record) = world.recorder.slug(own.as_str()).await?
    {
        return Ok(Some(record));
    }
    match build::usable(world, project, &header.key).await? {
        Some(key) => world.recorder.slug(key.as_str()).await,
        None => Ok(None),
    }
}
