//! Asks the daemon and the router over their sockets, as `wharf` does, without a process each time.

use std::os::unix::net::UnixStream;

use rustix::process::Pid;
use wharf_wire::{
    FromDaemon, Hello, ToDaemon, VERSION,
    ask::{Ask, LogForm, Scope},
    event::Entry,
    frame,
    route::{FromRouter, ToRouter},
    view::{Activity, Environment, Item, Release, Status},
};

use crate::{LIMIT, World};

/// More activities than a test makes.
pub(crate) const ALL: u32 = 10_000;

impl World {
    /// Asks the daemon; returns every record of its answer.
    ///
    /// # Errors
    /// What it refused, or that it went away.
    pub fn ask(&self, ask: Ask) -> Result<Vec<Item>, String> {
        let failed = |error: &dyn std::error::Error| format!("the daemon does not answer: {error}");
        let socket = self.home().join("run/wharfd.sock");
        let mut stream = UnixStream::connect(socket).map_err(|error| failed(&error))?;
        stream
            .set_read_timeout(Some(LIMIT))
            .expect("a socket has timeouts");
        let hello = ToDaemon::Hello(Hello {
            wharf: VERSION,
            client: "test".into(),
        });
        for message in [hello, ToDaemon::Ask(ask)] {
            frame::write(&mut stream, &message).map_err(|error| failed(&error))?;
        }
        let mut items = Vec::new();
        loop {
            match frame::read(&mut stream).map_err(|error| failed(&error))? {
                Some(FromDaemon::Item(item)) => items.push(*item),
                Some(FromDaemon::Welcome(_) | FromDaemon::Line(_)) => {}
                Some(FromDaemon::End { .. }) => return Ok(items),
                Some(FromDaemon::Refused(refusal)) => return Err(refusal.message),
                other => return Err(format!("the daemon went away or says {other:?}")),
            }
        }
    }

    /// The newest activities of a project, or of all, newest first.
    ///
    /// # Errors
    /// As [`World::ask`].
    pub fn activities(&self, project: Option<&str>, limit: u32) -> Result<Vec<Activity>, String> {
        let scope = scope(project, None);
        let items = self.ask(Ask::Activities { scope, limit })?;
        Ok(pick(items, |item| match item {
            Item::Activity(activity) => Some(activity),
            _ => None,
        }))
    }

    /// The environments of a project, or of all.
    ///
    /// # Errors
    /// As [`World::ask`].
    pub fn environments(&self, project: Option<&str>) -> Result<Vec<Environment>, String> {
        let items = self.ask(Ask::Environments(scope(project, None)))?;
        Ok(pick(items, |item| match item {
            Item::Environment(environment) => Some(environment),
            _ => None,
        }))
    }

    /// The releases of an environment, newest first.
    ///
    /// # Errors
    /// As [`World::ask`].
    pub fn releases(&self, project: &str, environment: &str) -> Result<Vec<Release>, String> {
        let items = self.ask(Ask::Releases(scope(Some(project), Some(environment))))?;
        Ok(pick(items, |item| match item {
            Item::Release(release) => Some(release),
            _ => None,
        }))
    }

    /// The daemon's own state.
    ///
    /// # Errors
    /// As [`World::ask`].
    pub fn status(&self) -> Result<Status, String> {
        let mut items = self.ask(Ask::Status)?;
        match items.pop() {
            Some(Item::Status(status)) => Ok(status),
            other => Err(format!("no status but {other:?}")),
        }
    }

    /// The events of an activity's log; waits for its end if told to follow.
    ///
    /// # Errors
    /// As [`World::ask`].
    pub fn events(&self, activity: &str, follow: bool) -> Result<Vec<Entry>, String> {
        let items = self.ask(Ask::Log {
            activity: Some(activity.to_owned()),
            scope: Scope::default(),
            follow,
            form: LogForm::Events,
        })?;
        Ok(pick(items, |item| match item {
            Item::Event(entry) => Some(entry),
            _ => None,
        }))
    }

    /// The router's process, if it answers.
    pub fn router_pid(&self) -> Option<Pid> {
        let mut router = UnixStream::connect(self.home().join("run/router.sock")).ok()?;
        router
            .set_read_timeout(Some(LIMIT))
            .expect("a socket has timeouts");
        frame::write(&mut router, &ToRouter::Status).ok()?;
        match frame::read(&mut router).ok()? {
            Some(FromRouter::Status { pid, .. }) => Pid::from_raw(i32::try_from(pid).ok()?),
            _ => None,
        }
    }
}

fn scope(project: Option<&str>, environment: Option<&str>) -> Scope {
    Scope {
        project: project.map(str::to_owned),
        repository: None,
        environment: environment.map(str::to_owned),
    }
}

fn pick<T>(items: Vec<Item>, which: impl Fn(Item) -> Option<T>) -> Vec<T> {
    items.into_iter().filter_map(which).collect()
}
