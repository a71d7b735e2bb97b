//! What hooks and daemon say to each other.
//!
//! pre-receive: `Hello`, `Admit`, any `More`, `Sent`; the daemon answers `Want` (perhaps empty);
//! the hook sends the `File` parts and `FilesSent`; the daemon answers `Verdict` or `Refused`.
//!
//! For a dry run the daemon asks `Compare` any number of times before its verdict, each answered by
//! `Compared`. Where not everybody may force a push it asks `AskForced` first, once, answered by
//! `Forced`.
//!
//! proc-receive, where a failed build refuses the push: `Hello`, `Propose`, any `More`, `Sent`; the
//! daemon answers `Line`s and one `Judged` for each update, then `End`.
//!
//! post-receive: `Hello`, `Ring`, any `More`, `Sent`; the daemon answers `Queued` once the push is
//! recorded, then `Line`s until `End`.

use serde::{Deserialize, Serialize};

/// At most this many ref updates in one frame.
pub const MAX_UPDATES_PER_FRAME: usize = 200;
/// At most this many ref updates in one push.
pub const MAX_UPDATES: usize = 1_000;
/// At most this many bytes of a ref name; git itself stops near a path's 4,096.
pub const MAX_REF_NAME: usize = 4_096;
/// At most this many push options, and bytes of each.
pub const MAX_PUSH_OPTIONS: usize = 64;
/// See [`MAX_PUSH_OPTIONS`].
pub const MAX_PUSH_OPTION_BYTES: usize = 1_024;
/// A configuration file larger than this is not read.
pub const MAX_FILE: u64 = 256 * 1024;
/// Bytes of a file in one [`FilePart`].
pub const FILE_PART: usize = 8 * 1024;

/// A push, as git told the hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// Absolute path of the bare repository, as the hook sees it after resolving links.
    pub repository: String,
    /// Ref updates; further ones follow in `More`.
    pub updates: Vec<RefUpdate>,
    /// `git push -o`, in order.
    pub options: Vec<String>,
    /// Who pushed, as far as the hook's surroundings say so.
    pub claims: Vec<Claim>,
}

/// What a hook goes on to watch after the daemon went away and came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// The activities of its push, at most [`MAX_WATCHED`].
    pub activities: Vec<String>,
    /// What was said before is known: milliseconds since 1970.
    pub since: u64,
    /// Who pushed, as in [`Push`].
    pub claims: Vec<Claim>,
}

/// More activities than one push begins are watched by nobody.
pub const MAX_WATCHED: usize = MAX_UPDATES;

/// Where a pusher's name may come from. The daemon decides which of them it believes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The variable's name, one of [`CLAIMS`], or [`KEY`].
    pub source: String,
    /// Its value, at most [`MAX_CLAIM`] bytes, or [`MAX_KEY`] for a key; empty where there is one
    /// that cannot be told.
    pub name: String,
}

/// At most this many bytes of a name.
pub const MAX_CLAIM: usize = 256;
/// At most this many bytes of a key: RSA with 16,384 bits fits.
pub const MAX_KEY: usize = 4 * 1024;
/// Where sshd says how somebody logged in: a file with a line `publickey TYPE BASE64`. The claim is
/// `TYPE BASE64`, and is only made where there is no other.
pub const KEY: &str = "SSH_USER_AUTH";
/// How `wharf` says in its [`Hello`](crate::Hello) on whose behalf it asks; the name follows.
pub const ASKS_AS: &str = "wharf as ";
/// The same with a key, as in a claim of [`KEY`].
pub const ASKS_WITH: &str = "wharf with ";

/// The variables that a hook passes on: `wharf-shell`'s own, then the git hosts' and web servers'.
pub const CLAIMS: [&str; 5] = [
    "WHARF_USER",
    "GL_USER",
    "GITEA_PUSHER_NAME",
    "GL_USERNAME",
    "REMOTE_USER",
];

/// One line of a receive hook's standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefUpdate {
    /// The full name, such as `refs/heads/main`; invalid UTF-8 is replaced and `lossy` is set.
    pub name: String,
    /// The name was not UTF-8.
    #[serde(default)]
    pub lossy: bool,
    /// The object id before, in hex; all zeros for a new ref.
    pub old: String,
    /// The object id after, in hex; all zeros for a deletion.
    pub new: String,
}

impl RefUpdate {
    /// Whether the ref is new.
    pub fn creates(&self) -> bool {
        is_zero(&self.old)
    }

    /// Whether the ref goes away.
    pub fn deletes(&self) -> bool {
        is_zero(&self.new)
    }
}

fn is_zero(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|b| b == b'0')
}

/// The daemon asks for files of the pushed commits; they are still in quarantine, so only the hook
/// can read them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// Object ids of commits, in hex, each once.
    pub commits: Vec<String>,
    /// Paths from the top of the tree. The hook sends one or more parts for each path of each
    /// commit that exists, and nothing for those that do not.
    pub paths: Vec<String>,
}

/// What stands at a path of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A regular file; its bytes follow unless it is larger than [`MAX_FILE`].
    File,
    /// A symbolic link; its target is not sent.
    Symlink,
    /// A directory.
    Directory,
    /// A submodule.
    Submodule,
}

/// A part of a wanted file, in order. The first part of a file carries its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePart {
    /// The commit, as in [`Want`].
    pub commit: String,
    /// The path, as in [`Want`].
    pub path: String,
    /// What stands there.
    pub kind: EntryKind,
    /// The whole file's size in bytes.
    pub size: u64,
    /// At most [`FILE_PART`] bytes.
    pub bytes: Vec<u8>,
}

/// The answer to `Admit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Whether git may move the refs.
    pub accepted: bool,
    /// What the pusher reads: all reasons with their hints, or warnings.
    pub lines: Vec<String>,
}

/// The daemon asks what a pushed commit changes; only the hook can read it yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    /// A commit of this push, in hex.
    pub commit: String,
    /// The tree that it is compared with, in hex, where there is one.
    pub tree: Option<String>,
    /// Files and directories of the commit that are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// The answer to [`Compare`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// Object id of the commit's tree, in hex.
    pub tree: String,
    /// How many files differ; none where nothing was to compare with, or that tree is gone.
    pub changed: Option<u64>,
    /// The regular files at the paths and below them, in the order of the tree; none where they are
    /// too many to tell.
    #[serde(default)]
    pub files: Option<Vec<String>>,
}

/// The daemon asks which updates move their ref to what is no descendant: only the hook can read the
/// pushed commits yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskForced {
    /// Which of the push's updates, from 0; none that creates or deletes its ref.
    pub updates: Vec<u32>,
}

/// The answer to [`AskForced`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forced {
    /// Those of them that do.
    pub updates: Vec<u32>,
}

/// The answer to `Propose` for one of the updates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// Which of the push's updates, from 0.
    pub update: u32,
    /// One line that says why it may not move; none when it may.
    pub refused: Option<String>,
}
