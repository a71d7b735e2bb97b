//! What hooks say: may these refs move, and these refs have moved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wharf_config::files::{self, Entry, Files, WANTED};
use wharf_config::name::BranchName;
use wharf_config::project::Project;
use wharf_wire::hook::{self, EntryKind, FilePart, Push, Want};
use wharf_wire::outcome::{Exit, Kind, State};
use wharf_wire::view::Actor;
use wharf_wire::{FromDaemon, Refusal, ToDaemon};

use super::options::{Options, Run, Wait};
use super::peer::Broken;
use super::{Session, faulty, host, store, unexpected};
use crate::dispatch::Event;
use crate::execute::failure::chain;
use crate::execute::{durable, refs};
use crate::fail;
use crate::order::{self, Order};
use crate::plan::admission::{self, Branch, Facts, Found};
use crate::plan::queue::Full;
use crate::report;
use crate::store::activity::NewActivity;

/// Bytes of all wanted files of one push, at most.
const MAX_FILES: usize = 16 << 20;
/// Commits whose files are asked for in one push, at most.
const MAX_COMMITS: usize = 100;

impl Session {
    /// pre-receive: nothing is written or built, whatever the answer.
    pub(super) async fn admit(&mut self, push: Push) -> Result<(), Broken> {
        let push = self.whole(push).await?;
        if let Some(fault) = self.world.recorder.fault() {
            return Err(faulty(fault));
        }
        let settings = self.world.settings();
        let project = settings.of_repository(Path::new(&push.repository)).cloned();
        let commits = match &project {
            Some(_) => admission::wanted(&push.updates),
            None => Vec::new(),
        };
        if commits.len() > MAX_COMMITS {
            return Err(Broken::Refused(Refusal {
                code: "too-many-branches".into(),
                message: format!(
                    "{} branches in one push, at most {MAX_COMMITS}",
                    commits.len()
                ),
                hint: Some("push them in several goes".into()),
                exit: Exit::Refused,
            }));
        }
        let files = self.files(commits).await?;
        let mut verdict = self.judge(&push, project.as_ref(), &files).await?;
        fail::point(format_args!("admission: judged"));
        if verdict.accepted
            && let Some(project) = &project
            && Options::read(&push.options).run == Run::Dry
        {
            verdict = self.forecast(&push, project, &files).await?;
            return self.peer.send(&FromDaemon::Verdict(verdict)).await;
        }
        if !verdict.accepted {
            tracing::info!(
                WHARF_PROJECT = project.as_ref().map(|project| project.name.to_string()),
                WHARF_ACTOR = self.pusher(&push).name,
                WHARF_RESULT = "refused",
                "push refused: {}",
                verdict.lines.first().map_or("", String::as_str)
            );
        }
        if verdict.accepted
            && let Some(project) = project
        {
            // Whoever goes away now may never let post-receive run.
            let branches = admission::served(&push.updates);
            self.desk
                .send(Event::Admitted {
                    project: project.name,
                    branches,
                })
                .await;
        }
        self.peer.send(&FromDaemon::Verdict(verdict)).await
    }

    pub(super) async fn judge(
        &mut self,
        push: &Push,
        project: Option<&Project>,
        files: &BTreeMap<String, Files>,
    ) -> Result<hook::Verdict, Broken> {
        let default = match project {
            Some(project) => head(&project.repository).await?,
            None => None,
        };
        let queue_full = match project {
            Some(project) => self.queue_full(project, default.as_ref(), push).await,
            None => None,
        };
        let mut runtimes: BTreeMap<String, Found> = BTreeMap::new();
        for runtime in admission::runtimes(files) {
            let found = self.world.runtimes.find(&runtime).await;
            runtimes.insert(runtime.to_string(), found);
        }
        let mut serving = BTreeMap::new();
        if let Some(project) = project {
            let environments = self
                .world
                .recorder
                .environments(Some(project.name.clone()))
                .await;
            let environments = environments.map_err(store)?;
            for update in &push.updates {
                let name = update.name.strip_prefix("refs/heads/");
                let known = environments
                    .iter()
                    .find(|e| Some(e.branch.as_str()) == name);
                if let Some((known, live)) = known.and_then(|e| e.live.map(|live| (e, live))) {
                    serving.insert(known.key.id.to_string(), live);
                }
            }
        }
        // A deletion makes room.
        let lacks = match push.updates.iter().any(|update| !update.deletes()) {
            true => self.lacks(project.map(|p| p.repository.as_path())).await,
            false => Vec::new(),
        };
        Ok(admission::judge(&Facts {
            lacks: &lacks,
            queue_full,
            project,
            repository: &push.repository,
            default_branch: default.as_ref(),
            updates: &push.updates,
            files,
            runtimes: &runtimes,
            serving: &serving,
        }))
    }

    /// Which bound of the queue the push would break.
    async fn queue_full(
        &self,
        project: &Project,
        default: Option<&BranchName>,
        push: &Push,
    ) -> Option<Full> {
        let settings = self.world.settings();
        let moved = push.updates.iter().filter(|update| !update.deletes());
        let environments = moved
            .filter_map(|update| admission::branch(update).ok())
            .filter_map(|branch| match branch {
                Branch::Moves(name, _) => Some(settings.environment(project, &name, default).id),
                Branch::Goes(_) | Branch::NotServed => None,
            })
            .map(|id| id.to_string())
            .collect();
        let (project, kind) = (project.name.to_string(), Kind::Push);
        let room = self.desk.ask(|reply| Event::Room {
            project,
            environments,
            kind,
            reply,
        });
        room.await?.err()
    }

    /// Asks the hook for the wanted files: only it can read the quarantined objects.
    async fn files(&mut self, commits: Vec<String>) -> Result<BTreeMap<String, Files>, Broken> {
        let mut files: BTreeMap<String, Files> = commits
            .iter()
            .map(|commit| (commit.clone(), Files::default()))
            .collect();
        let paths = WANTED.iter().map(|path| (*path).to_owned()).collect();
        self.peer
            .send(&FromDaemon::Want(Want { commits, paths }))
            .await?;
        let mut bytes = 0;
        loop {
            match self.peer.receive().await? {
                ToDaemon::FilesSent => return Ok(files),
                ToDaemon::File(part) => {
                    bytes += part.bytes.len();
                    if bytes > MAX_FILES {
                        return Err(unexpected("fewer bytes of configuration"));
                    }
                    take(&mut files, part)?;
                }
                _ => return Err(unexpected("File or FilesSent")),
            }
        }
    }

    /// post-receive: recorded durably, then answered, then followed.
    pub(super) async fn ring(&mut self, push: Push) -> Result<(), Broken> {
        let push = self.whole(push).await?;
        let settings = self.world.settings();
        let Some(project) = settings.of_repository(Path::new(&push.repository)).cloned() else {
            return Err(Broken::Refused(Refusal {
                code: "unknown-repository".into(),
                message: format!("no project names this repository ({})", push.repository),
                hint: Some("register it on the host: wharf project add NAME REPOSITORY".into()),
                exit: Exit::NotFound,
            }));
        };
        let options = Options::read(&push.options);
        let actor = self.pusher(&push);
        let rebuild = options.rebuild;
        let repository = project.repository.clone();
        let order = tokio::task::spawn_blocking(move || {
            order::of_updates(&settings, &project, push.updates, &actor, rebuild)
        });
        let Order { activities, notes } = order.await.map_err(|error| host(error.to_string()))?;
        let activities = self.without_rebuilt(activities).await?;
        let mut lines = options.warnings;
        lines.extend(notes.iter().flat_map(|note| report::remark(note)));
        let places: Vec<String> = activities.iter().map(|a| a.key.id.to_string()).collect();
        let mut ids = Vec::new();
        if !activities.is_empty() {
            // Nothing is promised that a power cut could take back.
            durable::make(&self.world, repository, &activities)
                .await
                .map_err(|error| host(format!("the push may not last: {}", chain(&error))))?;
            let ordered = self
                .desk
                .ask(|reply| Event::Order { activities, reply })
                .await;
            let ordered = ordered.ok_or_else(|| host("the daemon is stopping".into()))?;
            ids.extend(ordered.map_err(Broken::Refused)?);
        }
        self.peer
            .send(&FromDaemon::Queued {
                activities: ids.clone(),
            })
            .await?;
        if ids.is_empty() {
            self.peer.lines(lines).await?;
            return self.end(Exit::Ok).await;
        }
        if options.wait == Wait::No {
            lines.extend(queued(&ids, &places));
            self.peer.lines(lines).await?;
            return self.end(Exit::Ok).await;
        }
        self.follow(&ids, lines).await
    }

    /// What was built anew by this push's own check is not built once more.
    async fn without_rebuilt(
        &mut self,
        mut activities: Vec<NewActivity>,
    ) -> Result<Vec<NewActivity>, Broken> {
        for activity in activities.iter_mut().filter(|activity| activity.rebuild) {
            let (project, id) = (&activity.key.project, &activity.key.id);
            let newest = self
                .world
                .recorder
                .activities(Some(project.to_string()), Some(id.to_string()), 1)
                .await;
            let newest = newest.map_err(store)?;
            let checked = newest.iter().any(|newest| {
                newest.kind == Kind::Check
                    && newest.state == State::Succeeded
                    && newest.commit == activity.commit
            });
            activity.rebuild = !checked;
        }
        Ok(activities)
    }

    /// Takes in the updates that did not fit in the first frame.
    pub(super) async fn whole(&mut self, mut push: Push) -> Result<Push, Broken> {
        loop {
            if push.updates.len() > hook::MAX_UPDATES
                || push.options.len() > hook::MAX_PUSH_OPTIONS
                || push
                    .updates
                    .iter()
                    .any(|update| update.name.len() > 2 * hook::MAX_REF_NAME)
            {
                return Err(unexpected("a smaller push"));
            }
            match self.peer.receive().await? {
                ToDaemon::Sent => return Ok(push),
                ToDaemon::More(updates) if updates.is_empty() => {
                    return Err(unexpected("updates in More"));
                }
                ToDaemon::More(updates) => push.updates.extend(updates),
                _ => return Err(unexpected("More or Sent")),
            }
        }
    }

    /// Who pushed: what `wharf-shell` or the git host says, else the peer's own name.
    pub(super) fn pusher(&self, push: &Push) -> Actor {
        order::claimed(push).unwrap_or_else(|| self.actor.clone())
    }
}

/// How whoever does not wait goes on; which is which, where there are several.
fn queued(ids: &[String], places: &[String]) -> Vec<String> {
    let follow = |id: &String| format!("queued; follow it with: wharf log {id} -f");
    if ids.len() == places.len() && ids.len() > 1 {
        let each = ids.iter().zip(places);
        return each
            .map(|(id, place)| format!("[{place}] {}", follow(id)))
            .collect();
    }
    ids.iter().map(follow).collect()
}

fn take(files: &mut BTreeMap<String, Files>, part: FilePart) -> Result<(), Broken> {
    let wanted = WANTED.contains(&part.path.as_str());
    let Some(files) = files.get_mut(&part.commit).filter(|_| wanted) else {
        return Err(unexpected("only the wanted files"));
    };
    let kind = match part.kind {
        EntryKind::File => files::EntryKind::File,
        EntryKind::Symlink => files::EntryKind::Symlink,
        EntryKind::Directory => files::EntryKind::Directory,
        EntryKind::Submodule => files::EntryKind::Submodule,
    };
    let readable = kind == files::EntryKind::File && part.size <= files::MAX_FILE;
    let entry = files.0.entry(part.path).or_insert_with(|| Entry {
        kind,
        size: part.size,
        content: readable.then(Vec::new),
    });
    if let Some(content) = &mut entry.content {
        content.extend(part.bytes);
        if content.len() as u64 > files::MAX_FILE {
            return Err(unexpected("a smaller file"));
        }
    }
    Ok(())
}

pub(super) async fn head(repository: &Path) -> Result<Option<BranchName>, Broken> {
    let repository: PathBuf = repository.to_owned();
    tokio::task::spawn_blocking(move || refs::head(&repository))
        .await
        .map_err(|error| host(error.to_string()))
}
