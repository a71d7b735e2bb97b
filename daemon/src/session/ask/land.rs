//! How code lands on a branch without a push: computed, admitted as a push is, moved from where the
//! branch was seen, recorded, followed. Whoever loses a race computes again.

use std::collections::BTreeMap;
use std::path::Path;

use wharf_config::files::Files;
use wharf_config::name::BranchName;
use wharf_config::project::{Environment, Project};
use wharf_sandbox::git::Line;
use wharf_wire::FromDaemon;
use wharf_wire::hook::{Push, RefUpdate};
use wharf_wire::outcome::{Exit, Kind};

use super::super::admit::head;
use super::super::peer::Broken;
use super::super::{Session, host};
use super::tree::{Tree, refusal};
use crate::dispatch::Event;
use crate::dispatch::moving::{Left, Moving};
use crate::execute::failure::chain;
use crate::execute::git::Author;
use crate::execute::merge::{self, Made, Merged};
use crate::execute::refs::{self, HEADS};
use crate::execute::swap::{self, Swap, SwapError, Swapped};
use crate::execute::{durable, repository, source};
use crate::fail;
use crate::journal::{self, Facts, Message};
use crate::order::{self, Pushed};
use crate::plan::admission::Judged;
use crate::plan::beginning::Beginning;
use crate::plan::merge as texts;
use crate::plan::options::{Data, Options};
use crate::plan::places::Asked;
use crate::report;
use crate::store::activity::NewActivity;

mod check;

/// So often somebody else may be quicker.
const ATTEMPTS: u32 = 5;
/// An object id that stands for none.
const NONE: &str = "0000000000000000000000000000000000000000";

/// Where the branch is to be.
#[derive(Debug, Clone)]
pub(super) enum Aim {
    /// Where it has all that this branch has.
    Merge(BranchName),
    /// At this commit, which has all that the branch has.
    Forward(String),
    /// Where this branch is; it is not there yet.
    Begin(BranchName),
}

/// What is to land where.
#[derive(Debug)]
pub(super) struct Landing {
    pub(super) kind: Kind,
    pub(super) into: Environment,
    pub(super) aim: Aim,
    /// The id of the environment that the code comes from, or what else it is called.
    pub(super) source: String,
    /// Of a new branch: what people say of it.
    pub(super) title: String,
    /// Of a new branch: the parent that is not the rule's.
    pub(super) chosen_parent: Option<String>,
    /// Of a new branch: what data it begins with.
    pub(super) data: Option<Data>,
}

impl Landing {
    pub(super) fn new(kind: Kind, into: Environment) -> Landing {
        Landing {
            kind,
            aim: Aim::Merge(into.branch.clone()),
            into,
            source: String::new(),
            title: String::new(),
            chosen_parent: None,
            data: None,
        }
    }
}

impl Landing {
    /// The environment that the code came from, where it came from one.
    fn recorded_source(&self) -> Option<String> {
        (self.kind != Kind::Push).then(|| self.source.clone())
    }
}

/// From where to where, and the commit where it is new.
struct Change {
    old: Option<String>,
    new: String,
    made: Option<Made>,
}

impl Session {
    /// Lands it, and follows what comes of it.
    pub(super) async fn land(&mut self, tree: &Tree, landing: Landing) -> Result<(), Broken> {
        let project = &tree.project;
        for _ in 0..ATTEMPTS {
            let change = self.change(project, &landing).await?;
            let push = push_of(project, &landing.into.branch, &change);
            if !self.is_admitted(project, &push, &landing, &change).await? {
                return self.end(Exit::Refused).await;
            }
            if let Some(made) = &change.made {
                made.keep().await.map_err(|error| {
                    host(format!("the merge cannot be kept: {}", chain(&error)))
                })?;
            }
            fail::point(format_args!("move: kept"));
            if !self.is_built(project, &landing, &push).await? {
                if tip(&project.repository, &landing.into.branch).await? != change.old {
                    // That is why: the check was of a move that cannot be any more.
                    continue;
                }
                return self.end(Exit::DeployFailed).await;
            }
            let activity = self.activity_of(tree, &landing, &push).await?;
            let left = Left {
                push,
                actor: self.actor(project),
                kind: landing.kind,
                source: landing.recorded_source(),
                title: landing.title.clone(),
                chosen_parent: landing.chosen_parent.clone(),
                data: landing.data,
            };
            let swap = Swap {
                branch: landing.into.branch.clone(),
                old: change.old,
                new: Some(change.new),
            };
            let moved = self
                .carry(project, vec![swap], left, vec![activity])
                .await?;
            let Some(ids) = moved else { continue };
            return self.follow_moved(ids).await;
        }
        Err(raced(&landing.into.branch))
    }

    /// Says what is recorded, and follows it.
    pub(super) async fn follow_moved(&mut self, ids: Vec<String>) -> Result<(), Broken> {
        let activities = ids.clone();
        self.peer.send(&FromDaemon::Queued { activities }).await?;
        self.follow(&ids, vec![]).await
    }

    /// Computes it anew, by what the branches are now.
    async fn change(&mut self, project: &Project, landing: &Landing) -> Result<Change, Broken> {
        let (at, into) = (project.repository.as_path(), &landing.into);
        let old = tip(at, &into.branch).await?;
        let from = match &landing.aim {
            Aim::Merge(branch) | Aim::Begin(branch) => needed(at, branch).await?,
            Aim::Forward(commit) => commit.clone(),
        };
        let forward = |old: String, new: String| Change {
            old: Some(old),
            new,
            made: None,
        };
        match &landing.aim {
            Aim::Begin(_) => Ok(Change {
                old: None,
                new: from,
                made: None,
            }),
            Aim::Forward(commit) => {
                let old = needed(at, &into.branch).await?;
                if is_ancestor(at, commit, &old).await? {
                    return Err(up_to_date(into, &landing.source));
                }
                if !is_ancestor(at, &old, commit).await? {
                    return Err(diverged(into, landing));
                }
                Ok(forward(old, from))
            }
            Aim::Merge(branch) => {
                let old = match old {
                    Some(old) => old,
                    None => needed(at, &into.branch).await?,
                };
                let message = format!("Merge {branch} into {}\n", into.branch);
                let author = self.author(project);
                let merged =
                    merge::merge(project, &self.world.paths, &old, &from, &message, &author).await;
                let merged =
                    merged.map_err(|error| host(format!("cannot merge: {}", chain(&error))))?;
                match merged {
                    Merged::Nothing => Err(up_to_date(into, &landing.source)),
                    Merged::Forward => Ok(forward(old, from)),
                    Merged::Commit(made) => Ok(Change {
                        old: Some(old),
                        new: made.id.clone(),
                        made: Some(made),
                    }),
                    Merged::Unrelated => Err(refusal(
                        "unrelated-histories",
                        format!("{branch} and {} have no commit in common", into.branch),
                        "begin the branch anew: wharf branch NAME",
                    )),
                    Merged::Conflicts(files) => {
                        self.peer.lines(texts::conflicts(&files)).await?;
                        let (child, parent) = match landing.kind {
                            Kind::Sync => (&into.branch, branch),
                            _ => (branch, &into.branch),
                        };
                        let lines = texts::solving(child.as_str(), parent.as_str());
                        self.peer.lines(lines).await?;
                        Err(conflicts(landing, files.len()))
                    }
                }
            }
        }
    }

    /// Who a commit is by: a name that git takes, an address of the project's.
    pub(super) fn author(&self, project: &Project) -> Author {
        let name: String = self.actor(project).name.chars().take(100).collect();
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || "._@+-".contains(c) {
                c
            } else {
                '-'
            }
        };
        let address: String = name.chars().map(plain).collect();
        let email = match address.contains('@') {
            true => address,
            false => format!("{address}@{}", project.name),
        };
        Author { name, email }
    }

    /// Whether a push of the same would be accepted; else every reason is said.
    async fn is_admitted(
        &mut self,
        project: &Project,
        push: &Push,
        landing: &Landing,
        change: &Change,
    ) -> Result<bool, Broken> {
        let at = match &change.made {
            Some(made) => made.scratch().to_owned(),
            None => project.repository.clone(),
        };
        let commit = change.new.clone();
        let read = tokio::task::spawn_blocking(move || source::files(&at, &commit)).await;
        let files: Files = read
            .map_err(|error| host(error.to_string()))?
            .map_err(|error| host(chain(&error)))?;
        let files = BTreeMap::from([(change.new.clone(), files)]);
        let parent = landing.chosen_parent.as_deref();
        self.passes(project, push, parent, &files).await
    }

    /// The same, with the files at hand.
    pub(super) async fn passes(
        &mut self,
        project: &Project,
        push: &Push,
        parent: Option<&str>,
        files: &BTreeMap<String, Files>,
    ) -> Result<bool, Broken> {
        let judged = self.judge(push, Some(project), None, parent, files).await?;
        let Judged { verdict, reasons } = judged;
        fail::point(format_args!("move: judged"));
        if !verdict.accepted {
            let codes: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
            let facts = Facts {
                project: Some(project.name.to_string()),
                trigger: Some("command"),
                ..Facts::of_refusal(self.actor(project), codes.join(","))
            };
            let why = report::why(&verdict.lines);
            journal::say(
                Message::Refused,
                &facts,
                format_args!("move refused: {why}"),
            );
            self.peer.lines(verdict.lines).await?;
            self.name_reasons(&reasons).await?;
        }
        Ok(verdict.accepted)
    }

    async fn activity_of(
        &self,
        tree: &Tree,
        landing: &Landing,
        push: &Push,
    ) -> Result<NewActivity, Broken> {
        let (project, kind) = (tree.project.clone(), landing.kind);
        let actor = self.actor(&project);
        let default = head(&project.repository).await?;
        let asked = Asked::of(&project, default.as_ref(), [&landing.into.branch]);
        let places = self.places(&project, asked).await?;
        let (branch, update) = (landing.into.branch.clone(), push.updates[0].clone());
        let made = tokio::task::spawn_blocking(move || {
            let pushed = Pushed {
                project: &project,
                default: default.as_ref(),
                places: &places,
                actor: &actor,
                options: &Options::read(&[]),
            };
            order::of_move(pushed, branch, kind, &update)
        });
        let mut activity = made.await.map_err(|error| host(error.to_string()))?;
        activity.source = landing.recorded_source();
        if let Some(environment) = &mut activity.environment {
            environment.title.clone_from(&landing.title);
            environment.choose(landing.chosen_parent.clone());
            environment.beginning = Beginning::of(landing.data);
        }
        Ok(activity)
    }

    /// Moves branches and records what comes of it, once; none where somebody else was quicker, and
    /// nothing moved. A daemon that dies in between leaves word to the next.
    pub(super) async fn carry(
        &self,
        project: &Project,
        swaps: Vec<Swap>,
        left: Left,
        activities: Vec<NewActivity>,
    ) -> Result<Option<Vec<String>>, Broken> {
        let why = Line::try_from(format!("wharf {}", left.kind.word())).expect("a word is short");
        let moving = tokio::task::block_in_place(|| Moving::begin(&self.world, &left))
            .map_err(|error| host(format!("cannot leave word of it: {}", chain(&error))))?;
        fail::point(format_args!("move: announced"));
        // As after a push that was admitted: should nothing be recorded, it is made up for.
        let branches = swaps.iter().map(|swap| swap.branch.clone()).collect();
        let name = project.name.clone();
        let admitted = Event::Admitted {
            project: name,
            branches,
        };
        self.desk.send(admitted).await;
        let author = self.author(project);
        match swap::swap(&self.world, project, &swaps, &author, why).await {
            Ok(Swapped::Yes) => {}
            Ok(Swapped::Lost) => {
                tokio::task::block_in_place(|| moving.end());
                return Ok(None);
            }
            Err(error) => {
                // What broke off may have moved them all the same: the word stays.
                if error.moved_nothing() {
                    tokio::task::block_in_place(|| moving.end());
                }
                if let Some(refused) = by_host(project, &error) {
                    return Err(refused);
                }
                return Err(host(format!(
                    "the branch cannot be moved: {}",
                    chain(&error)
                )));
            }
        }
        fail::point(format_args!("move: done"));
        durable::make(&self.world, project.repository.clone(), &activities)
            .await
            .map_err(|error| host(format!("the move may not last: {}", chain(&error))))?;
        let ids = self.ordered(activities).await?;
        fail::point(format_args!("move: recorded"));
        tokio::task::block_in_place(|| moving.end());
        fail::point(format_args!("move: ended"));
        Ok(Some(ids))
    }
}

/// What the git host has against a push to it.
fn by_host(project: &Project, error: &SwapError) -> Option<Broken> {
    let (code, hint) = match error {
        SwapError::Refused(_) => (
            "host-refuses",
            "let the account that push.remote names push there, or do it by a push of your own",
        ),
        SwapError::Unreachable(_) => (
            "host-unreachable",
            "the host's operator: push.remote and push.ssh_command in the project's file",
        ),
        SwapError::Git(_) | SwapError::Refs(_) => return None,
    };
    let text = error.to_string();
    tracing::warn!(WHARF_PROJECT = %project.name, WHARF_ERROR = code, "{text}");
    Some(refusal(code, text, hint))
}

/// A branch that others move all the time.
pub(super) fn raced(branch: &BranchName) -> Broken {
    refusal(
        "moved",
        format!("branch {branch} was moved by somebody else, again and again"),
        "try again; nothing was changed",
    )
}

fn up_to_date(into: &Environment, source: &str) -> Broken {
    refusal(
        "up-to-date",
        format!("{} has all of {source} already", into.branch),
        format!("deploy its tip again with: wharf redeploy -e {}", into.id),
    )
}

fn diverged(into: &Environment, landing: &Landing) -> Broken {
    let (branch, source) = (&into.branch, &landing.source);
    let (lacks, bring) = match landing.kind {
        Kind::Promote => (
            "does not serve",
            format!("bring them there and try again: wharf sync code -e {source}"),
        ),
        // It is a commit, which nothing can be brought to.
        _ => (
            "does not have",
            format!("merge {branch} in a work tree, push that, and deploy the new commit"),
        ),
    };
    let message = format!("{branch} has commits that {source} {lacks}");
    refusal("not-fast-forward", message, bring)
}

fn conflicts(landing: &Landing, files: usize) -> Broken {
    let (into, source) = (&landing.into.branch, &landing.source);
    let files = report::count(files as u64, "file");
    let then = match landing.kind {
        Kind::Sync => "that push is all it takes".to_owned(),
        _ => format!("then: wharf merge -e {source}"),
    };
    refusal(
        "conflicts",
        format!("{source} and {into} conflict in {files}; nothing was changed"),
        then,
    )
}

fn push_of(project: &Project, branch: &BranchName, change: &Change) -> Push {
    let new = Some(change.new.as_str());
    push(project, vec![update(branch, change.old.as_deref(), new)])
}

/// The push that would do the same.
pub(super) fn push(project: &Project, updates: Vec<RefUpdate>) -> Push {
    Push {
        repository: project.repository.display().to_string(),
        updates,
        options: Vec::new(),
        claims: Vec::new(),
    }
}

/// One branch's move, as git tells a hook of it.
pub(super) fn update(branch: &BranchName, old: Option<&str>, new: Option<&str>) -> RefUpdate {
    RefUpdate {
        name: format!("{HEADS}{branch}"),
        lossy: false,
        old: old.unwrap_or(NONE).to_owned(),
        new: new.unwrap_or(NONE).to_owned(),
    }
}

/// Where a branch is now; none where it is not there.
pub(super) async fn tip(at: &Path, branch: &BranchName) -> Result<Option<String>, Broken> {
    let (at, name) = (at.to_owned(), format!("{HEADS}{branch}"));
    let found = tokio::task::spawn_blocking(move || refs::find_tip(&at, &name)).await;
    let found = found.map_err(|error| host(error.to_string()))?;
    let found = found.map_err(|error| host(chain(&error)))?;
    Ok(found.and_then(|tip| tip.commit))
}

async fn needed(at: &Path, branch: &BranchName) -> Result<String, Broken> {
    tip(at, branch).await?.ok_or_else(|| {
        refusal(
            "no-commit",
            format!("branch {branch} is not there"),
            format!("push it: git push wharf {branch}"),
        )
    })
}

pub(super) async fn is_ancestor(at: &Path, old: &str, new: &str) -> Result<bool, Broken> {
    let (at, old, new) = (at.to_owned(), old.to_owned(), new.to_owned());
    let asked = tokio::task::spawn_blocking(move || repository::is_ancestor(&at, &old, &new));
    let asked = asked.await.map_err(|error| host(error.to_string()))?;
    asked.map_err(|error| host(chain(&error)))
}
