//! Branches that a git host is to know of: moved by a push to it, as anybody's, so that its database,
//! its protected branches and whoever listens to it see them.
//!
//! The host runs Wharf's hooks in that push, which ask this daemon. They name the push by a word that
//! nobody else knows: it was judged before, and whoever makes it records it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use wharf_config::name::ProjectName;
use wharf_config::project::{Project, Remote};
use wharf_wire::hook::{Push, RefUpdate};

use super::git::{self, GitError, Input, isolated};
use super::merge::scratch;
use super::refs::{self, HEADS};
use super::repository::RepositoryError;
use super::swap::{Swap, SwapError, Swapped};
use super::world::World;

/// The push option that carries the word.
const OPTION: &str = "wharf.move=";
/// An object id that stands for none.
const NONE: &str = "0000000000000000000000000000000000000000";
/// What git may use to get there; never a command of anybody's.
const PROTOCOLS: &str = "ssh:https:http:file";
/// An ssh that asks nobody for anything.
const SSH: &str = "ssh -o BatchMode=yes";
/// Characters of what a host says that are passed on.
const MOST: usize = 300;

/// Pushes of the daemon's own that are on their way: their words, and what they move.
#[derive(Debug, Clone, Default)]
pub struct Pushes(Arc<Mutex<BTreeMap<String, Own>>>);

#[derive(Debug)]
struct Own {
    project: ProjectName,
    updates: Vec<RefUpdate>,
}

/// One of them; forgotten once this is dropped.
#[derive(Debug)]
struct OnItsWay {
    pushes: Pushes,
    word: String,
}

impl Pushes {
    fn begin(&self, project: ProjectName, updates: Vec<RefUpdate>) -> OnItsWay {
        let word = format!("{:032x}", rand::random::<u128>());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(word.clone(), Own { project, updates });
        OnItsWay {
            pushes: self.clone(),
            word,
        }
    }

    /// Whether a hook of this project tells of one of these, or a part of one, and of nothing else.
    pub fn is_own(&self, project: &ProjectName, push: &Push) -> bool {
        let word = push.options.iter().find_map(|one| one.strip_prefix(OPTION));
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = word.and_then(|word| all.get(word)) else {
            return false;
        };
        own.project == *project
            && !push.updates.is_empty()
            && push
                .updates
                .iter()
                .all(|update| own.updates.contains(update))
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let mut all = self.pushes.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.word);
    }
}

/// Whether a repository is a git host's that keeps a record of its own of branches: Gitea's, Forgejo's,
/// GitLab's, by where Wharf's hooks stand there.
pub fn is_forge(repository: &Path) -> bool {
    let hooks = [
        "hooks/pre-receive.d/wharf",
        "custom_hooks/pre-receive.d/wharf",
    ];
    hooks.iter().any(|hook| repository.join(hook).exists())
}

/// Moves branches on the host: all of them from where they are expected, or none.
///
/// # Errors
/// [`SwapError::Refused`] where the host says no, [`SwapError::Unreachable`] where nobody is reached.
pub async fn push(
    world: &World,
    project: &Project,
    remote: &Remote,
    swaps: &[Swap],
) -> Result<Swapped, SwapError> {
    // A repository of our own that sees the objects: no configuration of the true one's counts here,
    // such as what it has for ssh or for passwords.
    let (of, below) = (project.repository.clone(), world.paths.builds());
    let made = tokio::task::spawn_blocking(move || scratch(&of, &below)).await;
    let scratch = made.map_err(io::Error::other).and_then(|made| made);
    let scratch = scratch.map_err(|error| GitError::Run("push".into(), error))?;
    let updates = swaps.iter().map(update).collect();
    let own = world.pushes.begin(project.name.clone(), updates);
    let words = words(remote, swaps, &own.word);
    let mut command =
        isolated(scratch.path(), &words).map_err(|error| GitError::Run("push".into(), error))?;
    let ssh = remote.ssh_command.as_deref().unwrap_or(SSH);
    command
        .env("GIT_SSH_COMMAND", ssh)
        .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "/bin/false")
        .envs(std::env::var_os("HOME").map(|home| ("HOME", home)));
    let said = git::talk(command, "push", Input::Bytes(b""), git::PATIENCE).await?;
    drop(own);
    if said.exit == Some(0) {
        return Ok(Swapped::Yes);
    }
    // The repository knows best: the connection may have broken behind the move.
    let (repository, all) = (project.repository.clone(), swaps.to_vec());
    let looked = tokio::task::spawn_blocking(move || now(&repository, &all)).await;
    match looked.map_err(|error| GitError::Run("push".into(), io::Error::other(error)))?? {
        Now::Moved => Ok(Swapped::Yes),
        Now::Elsewhere => Ok(Swapped::Lost),
        Now::AsBefore if said.exit.is_none() => {
            Err(GitError::Broken("push".into(), said.complaint).into())
        }
        Now::AsBefore => {
            let complaint = plain(&said.complaint);
            Err(match rejection(&String::from_utf8_lossy(&said.out)) {
                // git's own last word says the same again.
                Some(why) if complaint.is_empty() || complaint.starts_with("error: failed") => {
                    SwapError::Refused(why)
                }
                Some(why) => SwapError::Refused(format!("{why}; it says: {complaint}")),
                None => SwapError::Unreachable(complaint),
            })
        }
    }
}

/// Why the first of the branches was not taken: a line of `git push --porcelain`, which is
/// `!<TAB>FROM:TO<TAB>[remote rejected] (why)`.
fn rejection(printed: &str) -> Option<String> {
    let line = printed.lines().find_map(|line| line.strip_prefix("!\t"))?;
    Some(plain(line.split('\t').nth(1).unwrap_or(line)))
}

/// Where the branches are after a push that said no.
enum Now {
    Moved,
    AsBefore,
    Elsewhere,
}

fn now(repository: &Path, swaps: &[Swap]) -> Result<Now, RepositoryError> {
    let (mut moved, mut before) = (true, true);
    for swap in swaps {
        let tip = refs::find_tip(repository, &format!("{HEADS}{}", swap.branch))?;
        let tip = tip.and_then(|tip| tip.commit);
        moved &= tip == swap.new;
        before &= tip == swap.old;
    }
    Ok(match (moved, before) {
        (true, _) => Now::Moved,
        (false, true) => Now::AsBefore,
        (false, false) => Now::Elsewhere,
    })
}

/// git's words; a branch's name holds nothing that would make it another argument.
fn words(remote: &Remote, swaps: &[Swap], word: &str) -> Vec<String> {
    let mut words: Vec<String> = ["push", "--porcelain", "--no-verify", "--no-signed"]
        .map(str::to_owned)
        .into();
    if swaps.len() > 1 {
        words.push("--atomic".to_owned());
    }
    words.push(format!("--push-option={OPTION}{word}"));
    for swap in swaps {
        let old = swap.old.as_deref().unwrap_or_default();
        words.push(format!("--force-with-lease={HEADS}{}:{old}", swap.branch));
    }
    words.push("--end-of-options".to_owned());
    words.push(remote.url.clone());
    for swap in swaps {
        let new = swap.new.as_deref().unwrap_or_default();
        words.push(format!("{new}:{HEADS}{}", swap.branch));
    }
    words
}

fn update(swap: &Swap) -> RefUpdate {
    let id = |id: &Option<String>| id.clone().unwrap_or_else(|| NONE.to_owned());
    RefUpdate {
        name: format!("{HEADS}{}", swap.branch),
        lossy: false,
        old: id(&swap.old),
        new: id(&swap.new),
    }
}

/// What a far side says, fit to be shown.
fn plain(said: &str) -> String {
    let said = said.strip_prefix("remote: ").unwrap_or(said);
    let shown = said.chars().filter(|c| !c.is_control()).take(MOST);
    shown.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use wharf_config::name::BranchName;

    use super::*;

    fn swap(branch: &str, old: Option<&str>, new: Option<&str>) -> Swap {
        Swap {
            branch: BranchName::parse(branch).unwrap(),
            old: old.map(str::to_owned),
            new: new.map(str::to_owned),
        }
    }

    #[test]
    fn a_push_is_its_own_only_by_its_word_and_its_updates_while_it_lasts() {
        let pushes = Pushes::default();
        let (one, other) = ("1".repeat(40), "2".repeat(40));
        let updates = [swap("a", Some(&one), Some(&other)), swap("b", None, None)];
        let updates: Vec<RefUpdate> = updates.iter().map(update).collect();
        let shop = ProjectName::parse("shop").unwrap();
        let own = pushes.begin(shop.clone(), updates.clone());
        let told_of = |project: &ProjectName, word: &str, updates: &[RefUpdate]| {
            let push = Push {
                repository: "/srv/git/a.git".into(),
                updates: updates.to_vec(),
                options: vec!["nowait".into(), format!("{OPTION}{word}")],
                claims: Vec::new(),
            };
            pushes.is_own(project, &push)
        };
        let told = |word: &str, updates: &[RefUpdate]| told_of(&shop, word, updates);
        let other_project = ProjectName::parse("other").unwrap();
        assert!(!told_of(&other_project, &own.word, &updates));
        assert!(told(&own.word, &updates));
        assert!(told(&own.word, &updates[..1]));
        assert!(!told(&own.word, &[]));
        assert!(!told("", &updates));
        assert!(!told(&own.word[1..], &updates));
        let mut more = updates.clone();
        more[1].new = other;
        assert!(!told(&own.word, &more));
        let word = own.word.clone();
        drop(own);
        assert!(!told(&word, &updates));
    }

    #[test]
    fn git_is_told_where_each_branch_must_be() {
        let remote = Remote {
            url: "ssh://git@forge/shop.git".into(),
            ssh_command: None,
        };
        let swaps = [swap("a", Some("1"), Some("2")), swap("b", Some("3"), None)];
        let words = words(&remote, &swaps, "w");
        let text = words.join(" ");
        assert_eq!(
            text,
            "push --porcelain --no-verify --no-signed --atomic --push-option=wharf.move=w \
             --force-with-lease=refs/heads/a:1 --force-with-lease=refs/heads/b:3 \
             --end-of-options ssh://git@forge/shop.git 2:refs/heads/a :refs/heads/b"
        );
    }

    #[test]
    fn a_rejection_says_why() {
        let printed = "To ssh://git@forge/shop.git\n=\ta:a\t[up to date]\n\
                       !\tb:b\t[remote rejected] (hook declined)\nDone\n";
        let why = "[remote rejected] (hook declined)";
        assert_eq!(rejection(printed).as_deref(), Some(why));
        assert_eq!(rejection("fatal: !\n"), None);
    }

    #[test]
    fn what_a_far_side_says_cannot_draw_on_a_terminal() {
        assert_eq!(plain("remote: \u{1b}[31mno\u{7}  "), "[31mno");
        assert_eq!(plain(&"x".repeat(1000)).len(), MOST);
    }
}
