//! systemd, over its bus.

use std::{collections::HashMap, num::NonZero, os::fd::OwnedFd};

use futures_util::StreamExt as _;
use wharf_sandbox::{ask::End, id::Id};
use zbus::{
    Connection, Fd, MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant, Variant,
    message::Type,
};

use crate::unit::Property;

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const UNITS: &str = "/org/freedesktop/systemd1/unit";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// So many signals wait for whoever listens.
const SIGNALS: NonZero<usize> = NonZero::new(4_096).expect("it is more than none");
/// How the names of our units begin, and end.
const OURS: [&str; 2] = ["wharf-job-", ".service"];
/// How a process ended by itself: `CLD_EXITED` of siginfo_t.
const EXITED: i32 = libc::CLD_EXITED;

/// A connection that stays.
#[derive(Debug, Clone)]
pub(crate) struct Systemd(Connection);

/// Why a unit does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The bus, or what systemd says at once.
    #[error("systemd does not start it")]
    Bus(#[from] zbus::Error),
    /// It tried.
    #[error("systemd could not start it ({result}): journalctl -u '{unit}'")]
    Failed {
        /// systemd's word.
        result: String,
        /// The unit.
        unit: String,
    },
}

/// Which of a unit's processes a signal is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whom {
    /// The first one, which passes it on.
    Main,
    /// All of them.
    All,
}

/// A unit as the manager lists it: see `ListUnits` in org.freedesktop.systemd1(5).
type Listed = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

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
        let systemd = Self(Connection::system().await?);
        systemd.call("Subscribe", &()).await?;
        Ok(systemd)
    }

    /// Starts a job's unit with these streams; returns when its first program has begun, with all that
    /// keeps it apart in place.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) async fn start(
        &self,
        job: &Id,
        mut properties: Vec<Property>,
        streams: [OwnedFd; 3],
    ) -> Result<(), StartError> {
        let names = [
            "StandardInputFileDescriptor",
            "StandardOutputFileDescriptor",
            "StandardErrorFileDescriptor",
        ];
        for (name, stream) in names.into_iter().zip(streams) {
            properties.push((name, Variant::Fd(Fd::from(stream))));
        }
        let besides: Vec<(&str, Vec<Property>)> = Vec::new();
        let unit = unit(job);
        let body = (unit.as_str(), "fail", properties, besides);
        // Listened for before it is asked for: it may be done at once.
        let mut done = self.signals("JobRemoved").await?;
        let answer = self.call("StartTransientUnit", &body).await?;
        let begun: OwnedObjectPath = answer.body().deserialize()?;
        while let Some(message) = done.next().await {
            let body = message?;
            let (_, path, _, result): (u32, OwnedObjectPath, String, String) =
                body.body().deserialize()?;
            if path == begun {
                return match result.as_str() {
                    "done" => Ok(()),
                    _ => Err(StartError::Failed { result, unit }),
                };
            }
        }
        Err(gone().into())
    }

    /// Signals a job's processes. A unit that is gone has none.
    ///
    /// # Errors
    /// What systemd says.
    pub(crate) async fn kill(&self, job: &Id, whom: Whom, signal: i32) -> zbus::Result<()> {
        let whom = match whom {
            Whom::Main => "main",
            Whom::All => "all",
        };
        let killed = self.call("KillUnit", &(unit(job), whom, signal)).await;
        known(killed).map(drop)
    }

    /// The jobs that have a unit.
    ///
    /// # Errors
    /// What systemd says.
    pub(crate) async fn jobs(&self) -> zbus::Result<Vec<Id>> {
        let units = self.units(&[]).await?;
        Ok(units.iter().filter_map(|unit| job(&unit.0)).collect())
    }

    /// Our units that are in one of these states, or in any.
    async fn units(&self, states: &[&str]) -> zbus::Result<Vec<Listed>> {
        let patterns = [OURS.join("*")];
        let answer = self
            .call("ListUnitsByPatterns", &(states, &patterns[..]))
            .await?;
        answer.body().deserialize()
    }

    /// The ends of our units from now on.
    ///
    /// # Errors
    /// When the bus is gone.
    pub(crate) async fn ends(&self) -> zbus::Result<Ends> {
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(NAME)
            .interface(PROPERTIES)
            .member("PropertiesChanged")
            .path_namespace(UNITS)
            .arg(0, UNIT)
            .build()?;
        let mut ends = Ends {
            systemd: self.clone(),
            changed: MessageStream::for_match_rule(rule, &self.0, Some(SIGNALS)).await?,
            removed: self.signals("UnitRemoved").await?,
            failed: HashMap::new(),
        };
        // Those that failed while nobody listened.
        for unit in self.units(&["failed"]).await? {
            if let Some(job) = job(&unit.0) {
                ends.failed
                    .insert(job, self.failure(&unit.6, &unit.0).await?);
            }
        }
        Ok(ends)
    }

    async fn signals(&self, member: &'static str) -> zbus::Result<MessageStream> {
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(NAME)
            .interface(MANAGER)
            .member(member)
            .build()?;
        MessageStream::for_match_rule(rule, &self.0, Some(SIGNALS)).await
    }

    async fn call<B>(&self, method: &str, body: &B) -> zbus::Result<Message>
    where
        B: zbus::export::serde::Serialize + zbus::DynamicType,
    {
        self.0
            .call_method(Some(NAME), PATH, Some(MANAGER), method, body)
            .await
    }

    async fn property(
        &self,
        unit: &OwnedObjectPath,
        interface: &str,
        name: &str,
    ) -> zbus::Result<OwnedVariant> {
        let body = (interface, name);
        let answer = self
            .0
            .call_method(Some(NAME), unit, Some(PROPERTIES), "Get", &body)
            .await?;
        answer.body().deserialize()
    }

    /// How a unit failed that systemd still knows; it forgets it then.
    async fn failure(&self, unit: &OwnedObjectPath, name: &str) -> zbus::Result<End> {
        let result = self.property(unit, SERVICE, "Result").await?;
        let code = self.property(unit, SERVICE, "ExecMainCode").await?;
        let status = self.property(unit, SERVICE, "ExecMainStatus").await?;
        let end = end(
            &String::try_from(result)?,
            i32::try_from(code)?,
            i32::try_from(status)?,
        );
        known(self.call("ResetFailedUnit", &(name)).await)?;
        Ok(end)
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
                message = self.changed.next() => {
                    self.failed.extend(self.failure(message.ok_or_else(gone)??).await?);
                }
                message = self.removed.next() => {
                    let message = message.ok_or_else(gone)??;
                    let (name, _): (String, OwnedObjectPath) = message.body().deserialize()?;
                    if let Some(job) = job(&name) {
                        // What did not fail ended well.
                        let end = self.failed.remove(&job).unwrap_or(End::Exited(0));
                        return Ok((job, end));
                    }
                }
            }
        }
    }

    /// How a unit failed, where it did and is one of ours.
    async fn failure(&self, message: Message) -> zbus::Result<Option<(Id, End)>> {
        let body = message.body();
        let (_, changed, _): (&str, HashMap<&str, Variant<'_>>, Vec<&str>) = body.deserialize()?;
        let state = changed.get("ActiveState");
        if !matches!(state, Some(Variant::Str(state)) if state.as_str() == "failed") {
            return Ok(None);
        }
        let header = message.header();
        let Some(path) = header.path() else {
            return Ok(None);
        };
        let path = OwnedObjectPath::from(path.to_owned());
        let name = String::try_from(self.systemd.property(&path, UNIT, "Id").await?)?;
        match job(&name) {
            Some(job) => Ok(Some((job, self.systemd.failure(&path, &name).await?))),
            None => Ok(None),
        }
    }
}

/// What systemd's words mean: `Result` and `ExecMainCode` in org.freedesktop.systemd1(5).
fn end(result: &str, code: i32, status: i32) -> End {
    match result {
        "success" | "exit-code" if code == EXITED => End::Exited(status),
        "success" | "exit-code" | "signal" | "core-dump" => End::Killed,
        "oom-kill" => End::Memory,
        "timeout" => End::Time,
        other => End::Failed(other.to_owned()),
    }
}

/// A unit that is gone is no error.
fn known(called: zbus::Result<Message>) -> zbus::Result<Option<Message>> {
    match called {
        Err(zbus::Error::MethodError(name, ..))
            if name.ends_with(".NoSuchUnit") || name.ends_with(".NoSuchProcess") =>
        {
            Ok(None)
        }
        done => done.map(Some),
    }
}

fn gone() -> zbus::Error {
    zbus::Error::Failure("the bus is gone".into())
}

/// A job's unit. Ids have no characters that units' names give a meaning.
fn unit(job: &Id) -> String {
    OURS.join(job.as_str())
}

/// The job of a unit, where it is one of ours.
fn job(unit: &str) -> Option<Id> {
    let [before, after] = OURS;
    Id::parse(unit.strip_prefix(before)?.strip_suffix(after)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_s_words_have_a_meaning() {
        let killed = libc::CLD_KILLED;
        for (result, code, status, meant) in [
            ("exit-code", EXITED, 143, End::Exited(143)),
            ("signal", killed, 9, End::Killed),
            ("core-dump", libc::CLD_DUMPED, 11, End::Killed),
            ("oom-kill", killed, 9, End::Memory),
            ("timeout", killed, 9, End::Time),
            ("resources", 0, 0, End::Failed("resources".into())),
        ] {
            assert_eq!(end(result, code, status), meant, "{result} {status}");
        }
    }

    #[test]
    fn a_unit_s_name_is_its_job_s() {
        let id = Id::parse("shop.main.r1-web").unwrap();
        assert_eq!(unit(&id), "wharf-job-shop.main.r1-web.service");
        assert_eq!(job(&unit(&id)), Some(id));
        for other in [
            "wharfd.service",
            "wharf-job-.service",
            "wharf-job-a/b.service",
        ] {
            assert_eq!(job(other), None);
        }
    }
}
