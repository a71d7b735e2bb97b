//! Tells others what happened: webhooks and mail.
//!
//! What is to be told is recorded with what happened, in one transaction ([`Audience`]); a task of its
//! own ([`post`]) delivers it. No deployment ever waits for that. Each message is told at least once: a
//! daemon that dies between an answer and its record tells it again, under the same id.

mod email;
pub mod findings;
pub mod message;
pub mod post;
mod sendmail;
pub mod try_out;
mod webhook;

use std::time::Duration;

use wharf_config::name::ProjectName;
use wharf_config::notify::{Mail, Notify, To};

use crate::settings::Settings;

/// A destination, and whose file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The project's name; empty for the host.
    pub scope: String,
    /// What the file says.
    pub notify: Notify,
}

/// Who may want to be told of an activity, and what only its executor knows of it.
#[derive(Debug, Clone, Default)]
pub struct Audience {
    /// All of its project's and the host's.
    pub listeners: Vec<Listener>,
    /// Where the environment answers, if something went live.
    pub url: Option<String>,
}

impl Audience {
    /// Whoever listens to a project.
    pub fn of(settings: &Settings, project: &str, url: Option<String>) -> Audience {
        let listens = |one: &Listener| one.scope.is_empty() || one.scope == project;
        let listeners = listeners(settings).filter(listens).collect();
        Audience { listeners, url }
    }
}

/// Every destination: the host's, then each project's.
pub fn listeners(settings: &Settings) -> impl Iterator<Item = Listener> + '_ {
    let of = |scope: &str, notify: &Notify| Listener {
        scope: scope.to_owned(),
        notify: notify.clone(),
    };
    let host = settings.host.notify.iter().map(move |one| of("", one));
    let projects = settings.projects.iter();
    host.chain(projects.flat_map(move |(name, project)| {
        let of_project = move |one| of(ProjectName::as_str(name), one);
        project.notify.iter().map(of_project)
    }))
}

impl Listener {
    /// As people read it: `team`, `team of shop`.
    pub fn shown(&self) -> String {
        shown(&self.scope, &self.notify.name)
    }

    /// Sends a message to it. Takes no longer than [`webhook::WHOLE`] or [`sendmail::WHOLE`].
    ///
    /// # Errors
    /// Why the other side has not taken it.
    async fn send(&self, mail: &Mail, letter: &Letter<'_>) -> Result<String, Untold> {
        match &self.notify.to {
            To::Webhook { url, secret } => webhook::send(url, secret.as_ref(), letter).await,
            To::Email(people) => email::send(mail, people, letter).await,
        }
    }
}

/// As [`Listener::shown`], also of one that is not configured any more.
pub(crate) fn shown(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        project => format!("{name} of {project}"),
    }
}

/// A message on its way.
#[derive(Debug, Clone, Copy)]
struct Letter<'l> {
    /// The same in each attempt.
    id: &'l str,
    /// JSON.
    body: &'l str,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Untold {
    /// What is wrong, in one line; nothing in it is secret.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// Whether other messages would fare better.
    pub(crate) blame: Blame,
}

/// Whose fault it may be that a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The destination's, or what leads there: it is left alone for a while, or as long as it asks.
    Destination(Option<Duration>),
    /// This message's, for all that is known.
    Message,
}

impl Untold {
    fn destination(message: impl Into<String>) -> Untold {
        Untold {
            message: message.into(),
            hint: None,
            blame: Blame::Destination(None),
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Untold {
        self.hint = Some(hint.into());
        self
    }
}

/// What a stranger said, as one line that is fit for a terminal and a log.
fn line(text: &str, most: usize) -> String {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    let safe = |c: char| match c {
        ' '..='~' => c,
        _ => '?',
    };
    first
        .unwrap_or_default()
        .chars()
        .take(most)
        .map(safe)
        .collect()
}
