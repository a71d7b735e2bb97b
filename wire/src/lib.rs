//! The one definition of what travels over the daemon's and the router's sockets.
//!
//! Every message is one [`frame`]: four bytes of length, then JSON. A conversation begins with
//! [`Hello`] and [`Welcome`]; what follows depends on who called:
//!
//! - a hook: [`hook`], admission before git moves the refs and the bell after it;
//! - a person: [`ask`], questions and commands, answered by items, lines and an end;
//! - the daemon, to the router: [`route`], where requests go; [`secure`], how they come by TLS.

pub mod ask;
pub mod cron;
pub mod event;
pub mod finding;
pub mod frame;
pub mod grant;
pub mod hook;
pub mod mount;
pub mod notification;
pub mod outcome;
pub mod passed;
pub mod route;
pub mod secure;
pub mod slug;
pub mod snapshot;
pub mod variable;
pub mod view;

use serde::{Deserialize, Serialize};

/// The protocol's version. A daemon answers any other with [`Refusal`] code `version`.
pub const VERSION: u32 = 1;

/// The first frame of every conversation, from the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Always [`VERSION`] of the caller.
    pub wharf: u32,
    /// Who calls, for the log: `pre-receive`, `proc-receive`, `post-receive`, `wharf`.
    pub client: String,
}

/// The daemon's answer to a [`Hello`] that it understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Welcome {
    /// Always [`VERSION`] of the daemon.
    pub wharf: u32,
    /// The daemon's release, such as `0.1.0`.
    pub daemon: String,
}

/// Why something was not done. Sent instead of any other answer; the conversation ends with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{message}")]
pub struct Refusal {
    /// A stable code in kebab case, listed in `docs/troubleshooting.md`.
    pub code: String,
    /// What is wrong: a lower-case fragment that names the thing.
    pub message: String,
    /// The next step, where there is one.
    pub hint: Option<String>,
    /// How a command that ran into it exits.
    pub exit: outcome::Exit,
}

/// Everything that a caller may send to the daemon after [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ToDaemon {
    /// The first frame.
    Hello(Hello),
    /// pre-receive: may these refs move?
    Admit(hook::Push),
    /// Further updates of the push that was begun, when they do not fit in a frame.
    More(Vec<hook::RefUpdate>),
    /// The last update was sent.
    Sent,
    /// A part of the answer to [`FromDaemon::Want`].
    File(hook::FilePart),
    /// Every wanted file was sent.
    FilesSent,
    /// The answer to [`FromDaemon::Compare`].
    Compared(hook::Compared),
    /// The answer to [`FromDaemon::AskForced`].
    Forced(hook::Forced),
    /// proc-receive: may these refs move, once their builds have succeeded?
    Propose(hook::Push),
    /// post-receive: these refs have moved.
    Ring(hook::Push),
    /// post-receive: what becomes of the push that was recorded before the daemon went away?
    Watch(hook::Watch),
    /// A question or a command of a person.
    Ask(ask::Ask),
}

/// Everything that the daemon may send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FromDaemon {
    /// The answer to `Hello`.
    Welcome(Welcome),
    /// To pre-receive: send these files of these commits.
    Want(hook::Want),
    /// To pre-receive, for a dry run: what does this commit change?
    Compare(hook::Compare),
    /// To pre-receive: which of its updates are forced?
    AskForced(hook::AskForced),
    /// To proc-receive: whether one of its updates may move.
    Judged(hook::Judgement),
    /// To pre-receive: the answer, with lines for the pusher.
    Verdict(hook::Verdict),
    /// To whoever started activities: they are recorded durably.
    Queued {
        /// Ids of the activities, one an environment.
        activities: Vec<String>,
    },
    /// A line for a person: LF-free, plain, already prefixed.
    Line(String),
    /// Raw bytes of an activity's output, at most 12 KiB, for `wharf log --raw`.
    Raw(Vec<u8>),
    /// Descriptors come with this message, one for each word; never more than [`passed::MOST`].
    Passed(Vec<passed::Passed>),
    /// What was run ended by itself, and the conversation with it.
    Ran {
        /// Its exit status; 128 and a signal's number where that ended it.
        code: u8,
    },
    /// One record of an answer.
    Item(Box<view::Item>),
    /// The conversation is over.
    End {
        /// How the caller's command should exit.
        exit: outcome::Exit,
    },
    /// It was not done.
    Refused(Refusal),
}
