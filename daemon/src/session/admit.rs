//! What pre-receive asks: may these refs move? Nothing is written or built, whatever the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wharf_config::files::{self, Entry, Files, WANTED};
use wharf_config::name::BranchName;
use wharf_config::project::Project;
use wharf_wire::hook::{AskForced, EntryKind, FilePart, Push, Verdict, Want};
use wharf_wire::outcome::{Exit, Kind};
use wharf_wire::{FromDaemon, Refusal, ToDaemon};

use super::peer::Broken;
use super::{Session, faulty, host, unexpected};
use crate::dispatch::Event;
use crate::execute::{refs, services};
use crate::fail;
use crate::journal::{self, Message};
use crate::plan::admission::{self, Branch, Facts, Found, Judged};
use crate::plan::options::{Options, Run};
use crate::plan::places::{Asked, Places};
use crate::plan::policy::{self, Ground, Reason};
use crate::plan::queue::Full;
use crate::report;

/// Bytes of all wanted files of one push, at most.
const MAX_FILES: usize = 16 << 20;
/// Commits whose files are asked for in one push, at most.
const MAX_COMMITS: usize = 100;
/// git may have to walk through a long history to say what is forced.
const WALKING: Duration = Duration::from_secs(30);

impl Session {
    /// pre-receive: every reason, or yes.
    pub(super) async fn admit(&mut self, push: Push) -> Result<(), Broken> {
        let push = self.whole(push).await?;
        if let Some(fault) = self.world.recorder.fault() {
            return Err(faulty(fault));
        }
        if self.is_own(&push) {
            // Judged before it was made.
            let (accepted, lines) = (true, Vec::new());
            let verdict = Verdict { accepted, lines };
            return self.peer.send(&FromDaemon::Verdict(verdict)).await;
        }
        let settings = self.world.settings();
        let project = settings.of_repository(Path::new(&push.repository)).cloned();
        let commits = match &project {
            Some(project) => admission::wanted(project, &push.updates),
            None => Vec::new(),
        };
        if commits.len() > MAX_COMMITS {
            return Err(too_many(commits.len()));
        }
        let files = self.files(commits).await?;
        let options = Options::read(&push.options);
        let judged = self
            .judge(&push, project.as_ref(), Some(&options), None, &files)
            .await?;
        let codes = judged.codes();
        let mut verdict = judged.verdict;
        fail::point(format_args!("admission: judged"));
        if !verdict.accepted {
            self.refused(project.as_ref(), &codes, &verdict.lines);
        } else if let Some(project) = project {
            if options.run == Run::Dry {
                verdict = self.forecast(&push, &project, &options, &files).await?;
                return self.peer.send(&FromDaemon::Verdict(verdict)).await;
            }
            // Whoever goes away now may never let post-receive run.
            let branches = admission::served(&project, &push.updates);
            let project = project.name;
            self.desk.send(Event::Admitted { project, branches }).await;
        }
        self.peer.send(&FromDaemon::Verdict(verdict)).await
    }

    /// Decides. Without options it is a move of the daemon's own, whose rights and policy whoever
    /// makes it has asked for; a new branch of it may have a chosen parent.
    pub(super) async fn judge(
        &mut self,
        push: &Push,
        project: Option<&Project>,
        options: Option<&Options>,
        parent: Option<&str>,
        files: &BTreeMap<String, Files>,
    ) -> Result<Judged, Broken> {
        let mut runtimes: BTreeMap<String, Found> = BTreeMap::new();
        for runtime in admission::runtimes(files) {
            let found = self.world.runtimes.find(&runtime).await;
            runtimes.insert(runtime.to_string(), found);
        }
        for service in admission::services(files) {
            let found = services::find(&self.world, &service).await;
            runtimes.insert(service.wanted(), found);
        }
        let (mut serving, mut against, mut queue_full) = (BTreeMap::new(), Vec::new(), None);
        let (mut hosts, settings) = (BTreeMap::new(), self.world.settings());
        let taken = settings.taken();
        let mut set = BTreeMap::new();
        if let Some(project) = project {
            let default = head(&project.repository).await?;
            let default = default.as_ref();
            let mut asked = Asked::of_updates(project, default, &push.updates);
            if let Some(options) = options {
                asked = asked
                    .with_children(project, default, &push.updates)
                    .with_parent(options.parent.as_deref());
            }
            let all = self.places(project, asked).await?;
            let places = Places::new(project, default, all);
            for update in &push.updates {
                let name = update.name.strip_prefix(refs::HEADS);
                let name = name.and_then(|name| BranchName::parse(name).ok());
                let place = name.and_then(|name| places.of(&name));
                if let Some((place, live)) = place.and_then(|place| place.live.map(|l| (place, l)))
                {
                    serving.insert(place.id.to_string(), live);
                }
            }
            for branch in admission::served(project, &push.updates) {
                let own = settings.hosts(project, &places.environment(&branch));
                hosts.insert(branch, own);
            }
            queue_full = self.queue_full(project, &places, push).await;
            let parent = parent.or(options.and_then(|options| options.parent.as_deref()));
            for update in &push.updates {
                if let Ok(Branch::Moves(branch, _)) = admission::branch(project, update) {
                    let own = self.set_for(project, &places, &branch, parent).await?;
                    set.insert(branch, own.settings());
                }
            }
            if let Some(options) = options {
                against = self.against(push, project, &places, options).await?;
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
            updates: &push.updates,
            files,
            runtimes: &runtimes,
            hosts: &hosts,
            taken: &taken,
            against: &against,
            set: &set,
            serving: &serving,
        }))
    }

    /// What rights and policy say against each update.
    async fn against(
        &mut self,
        push: &Push,
        project: &Project,
        places: &Places<'_>,
        options: &Options,
    ) -> Result<Vec<Vec<Reason>>, Broken> {
        let person = self.person(project);
        let doubtful = policy::doubtful(project, places, &person, &push.updates);
        let forced = match doubtful.is_empty() {
            true => BTreeSet::new(),
            false => self.forced(doubtful).await?,
        };
        let ground = Ground {
            project,
            places,
            person: &person,
            options,
            forced: &forced,
        };
        Ok(policy::judge(&ground, &push.updates))
    }

    /// Asks the hook which updates are forced: only it can read the quarantined objects.
    async fn forced(&mut self, updates: Vec<u32>) -> Result<BTreeSet<u32>, Broken> {
        self.peer
            .send(&FromDaemon::AskForced(AskForced { updates }))
            .await?;
        match self.peer.receive_within(WALKING).await? {
            ToDaemon::Forced(forced) => Ok(forced.updates.into_iter().collect()),
            _ => Err(unexpected("Forced")),
        }
    }

    /// Which bound of the queue the push would break.
    async fn queue_full(
        &self,
        project: &Project,
        places: &Places<'_>,
        push: &Push,
    ) -> Option<Full> {
        let moved = push.updates.iter().filter(|update| !update.deletes());
        let environments = moved
            .filter_map(|update| match admission::branch(project, update) {
                Ok(Branch::Moves(name, _)) => Some(places.id(&name).to_string()),
                _ => None,
            })
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

    /// A push that was refused, for the operator.
    pub(super) fn refused(&self, project: Option<&Project>, codes: &[&str], lines: &[String]) {
        let actor = match project {
            Some(project) => self.actor(project),
            None => self.account.actor(),
        };
        let facts = journal::Facts {
            project: project.map(|project| project.name.to_string()),
            trigger: Some("push"),
            ..journal::Facts::of_refusal(actor, codes.join(","))
        };
        let why = report::why(lines);
        journal::say(
            Message::Refused,
            &facts,
            format_args!("push refused: {why}"),
        );
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
}

fn too_many(branches: usize) -> Broken {
    Broken::Refused(Refusal {
        code: "too-many-branches".into(),
        message: format!("{branches} branches in one push, at most {MAX_COMMITS}"),
        hint: Some("push them in several goes".into()),
        exit: Exit::Refused,
    })
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
