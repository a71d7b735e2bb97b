//! systemd, over its bus.

use std::{collections::HashMap, num::NonZero, os::fd::OwnedFd};

use futures_util::StreamExt as _;
use wharf_sandbox::{
    ask::End,
    id::Id,
    unit::{
        Property, Value,
        bus::{CHANGED, DONE, MANAGER, NAME, PATH, REMOVED, SERVICE, STREAMS, UNIT},
        end::end,
        name::{self, Signal},
    },
};
use zbus::{
    Connection, Fd, MatchRule, Message, MessageStream, OwnedObjectPath, Proxy, Variant,
    proxy::{self, CacheProperties},
};

use crate::{AnyError, at};

/// So many signals wait for whoever listens.
const SIGNALS: NonZero<usize> = NonZero::new(4_096).expect("it is more than none");
/// Its manager, on a connection that stays.
#[derive(Debug, Clone)]
pub(crate) struct Systemd(Proxy<'static>);

/// The ends of our units, as they come.
#[derive(Debug)]
pub(crate) struct Ends {
    systemd: Systemd,
    changed: MessageStream,
    removed: MessageStream,
    /// How those failed that systemd is about to forget.
    failed: HashMap<Id, End>,
}

impl Systemd {
    /// Connects.
    ///
    /// # Errors
    /// When there is no bus.
    pub(crate) async fn connect() -> zbus::Result<Self> {
        let manager = proxy(&Connection::system().await?, PATH, MANAGER).await?;
        manager.call_method("Subscribe", &()).await?;
        Ok(Self(manager))
    }

    /// Starts a job's unit with these streams; returns when its first program has begun, with all that
    /// keeps it apart in place.
    ///
    /// # Errors
    /// What systemd says.
    pub(crate) async fn start(
        &self,
        job: &Id,
        properties: Vec<Property>,
        streams: [OwnedFd; 3],
    ) -> Result<(), AnyError> {
        let streams = streams.map(|stream| Variant::Fd(Fd::from(stream)));
        let values = properties.into_iter().map(|(name, it)| (name, variant(it)));
        let all: Vec<(&str, Variant<'_>)> =
            values.chain(STREAMS.into_iter().zip(streams)).collect();
        let besides: Vec<(&str, Vec<(&str, Variant<'_>)>)> = Vec::new();
        let unit = name::unit(job);
        // Listened for before it is asked for: it may be done at once.
        let mut done = self.signals(DONE).await?;
        let body = (unit.as_str(), "fail", all, besides);
        let begun: OwnedObjectPath = self.0.call("StartTransientUnit", &body).await?;
        loop {
            let message = next(&mut done).await?;
            let (_, path, _, result): (u32, OwnedObjectPath, String, String) =
                message.body().deserialize()?;
            if path == begun {
                return match result.as_str() {
                    "done" => Ok(()),
                    _ => Err(at("systemd could not start it")(format!(
                        "{result}: journalctl -u '{unit}'"
                    ))),
                };
            }
        }
    }

    /// Signals a job's processes. A unit that is gone has none.
    ///
    /// # Errors
    /// What systemd says.
    pub(crate) async fn signal(&self, job: &Id, signal: Signal) -> zbus::Result<()> {
        let (whom, number) = signal.words();
        let body = (name::unit(job), whom, number);
        known(self.0.call_method("KillUnit", &body).await).map(drop)
    }

    /// Stops a job as its unit says, until nothing of it is left. A unit that is gone is.
    ///
    /// # Errors
    /// What systemd says.
    pub(crate) async fn stop(&self, job: &Id) -> zbus::Result<()> {
        let body = (name::unit(job), "replace");
        known(self.0.call_method("StopUnit", &body).await).map(drop)
    }

    /// Where a job's unit is, while it has one.
    ///
    /// # Errors
    /// What systemd says.
    pub(crate) async fn unit(&self, job: &Id) -> zbus::Result<Option<OwnedObjectPath>> {
        known(self.0.call("GetUnit", &(name::unit(job))).await)
    }

    /// The ends of these jobs from now on, and of all that begin.
    ///
    /// # Errors
    /// When the bus is gone.
    pub(crate) async fn ends(&self, jobs: Vec<Id>) -> zbus::Result<Ends> {
        let mut ends = Ends {
            systemd: self.clone(),
            changed: self.signals(CHANGED).await?,
            removed: self.signals(REMOVED).await?,
            failed: HashMap::new(),
        };
        // Those that failed while nobody listened.
        for job in jobs {
            if let Some(unit) = self.unit(&job).await? {
                let state = proxy(self.0.connection(), unit.as_str(), UNIT).await?;
                if state.get_property::<String>("ActiveState").await? == "failed" {
                    ends.failure(unit.as_str(), job).await?;
                }
            }
        }
        Ok(ends)
    }

    async fn signals(&self, rule: &'static str) -> zbus::Result<MessageStream> {
        let rule = MatchRule::try_from(rule)?;
        MessageStream::for_match_rule(rule, self.0.connection(), Some(SIGNALS)).await
    }
}

impl Ends {
    /// The next job whose unit is gone, and how it ended: another of its name may begin.
    ///
    /// # Errors
    /// When the bus is gone, or systemd says something else than it should.
    pub(crate) async fn next(&mut self) -> zbus::Result<(Id, End)> {
        loop {
            tokio::select! {
                message = next(&mut self.changed) => self.look(&message?).await?,
                message = next(&mut self.removed) => {
                    let (unit, _): (String, OwnedObjectPath) = message?.body().deserialize()?;
                    if let Some(job) = name::job(&unit) {
                        // A reload of systemd's says so of each unit, and has it again at once.
                        if self.systemd.unit(&job).await?.is_some() {
                            continue;
                        }
                        // What did not fail ended well.
                        let end = self.failed.remove(&job).unwrap_or(End::Exited(0));
                        return Ok((job, end));
                    }
                }
            }
        }
    }

    /// Remembers how a unit failed, where it did and is one of ours.
    async fn look(&mut self, message: &Message) -> zbus::Result<()> {
        let body = message.body();
        let (_, changed, _): (&str, HashMap<&str, Variant<'_>>, Vec<&str>) = body.deserialize()?;
        let state = changed.get("ActiveState");
        if !matches!(state, Some(Variant::Str(state)) if state.as_str() == "failed") {
            return Ok(());
        }
        let header = message.header();
        let path = header.path().map_or("", |path| path.as_str());
        match name::job_at(path) {
            Some(job) if !self.failed.contains_key(&job) => self.failure(path, job).await,
            _ => Ok(()),
        }
    }

    /// Asks how a unit failed; systemd forgets it then.
    async fn failure(&mut self, path: &str, job: Id) -> zbus::Result<()> {
        let service = proxy(self.systemd.0.connection(), path, SERVICE).await?;
        let end = end(
            &service.get_property::<String>("Result").await?,
            service.get_property("ExecMainCode").await?,
            service.get_property("ExecMainStatus").await?,
        );
        let unit = name::unit(&job);
        known(self.systemd.0.call_method("ResetFailedUnit", &(unit)).await)?;
        self.failed.insert(job, end);
        Ok(())
    }
}

/// What is asked for something that systemd has. Nothing of it is remembered here.
async fn proxy(
    bus: &Connection,
    path: &str,
    interface: &'static str,
) -> zbus::Result<Proxy<'static>> {
    let named = proxy::Builder::new(bus)
        .destination(NAME)
        .path(path.to_owned());
    let uncached = named
        .interface(interface)
        .cache_properties(CacheProperties::No);
    uncached.build().await
}

async fn next(stream: &mut MessageStream) -> zbus::Result<Message> {
    let message = stream.next().await;
    message.unwrap_or_else(|| Err(zbus::Error::Failure("the bus is gone".into())))
}

/// The answer; none of a unit that is gone.
fn known<T>(called: zbus::Result<T>) -> zbus::Result<Option<T>> {
    match called {
        Err(zbus::Error::MethodError(name, ..))
            if name.ends_with(".NoSuchUnit") || name.ends_with(".NoSuchProcess") =>
        {
            Ok(None)
        }
        done => done.map(Some),
    }
}

fn variant(value: Value) -> Variant<'static> {
    match value {
        Value::Flag(value) => Variant::new(value),
        Value::Signed(value) => Variant::new(value),
        Value::Mode(value) => Variant::new(value),
        Value::Number(value) => Variant::new(value),
        Value::Text(value) => Variant::new(value),
        Value::Words(value) => Variant::new(value),
        Value::Listed(allows, value) => Variant::new((allows, value)),
        Value::Commands(value) => Variant::new(value),
        Value::Binds(value) => Variant::new(value),
        Value::Memory(value) => Variant::new(value),
        Value::Fields(value) => Variant::new(value),
    }
}
