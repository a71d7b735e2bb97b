//! The conversation with the daemon: one question, answered in frames.

use std::{
    io::{self, ErrorKind},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use wharf_config::place::{Place, PlaceKind};
use wharf_wire::{
    FromDaemon, Hello, ToDaemon, VERSION, Welcome,
    ask::Ask,
    frame::{self, FrameError},
    hook::{ASKS_AS, ASKS_WITH, KEY},
    outcome::Exit,
    passed::Passed,
    view::Item,
};

use crate::{failure::Failure, passed::Receiving};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How long the first answer, and any later one, may take where nobody follows.
const ANSWER: Duration = Duration::from_secs(5);
/// As [`ANSWER`], for what the daemon has to look for or stop.
const THOROUGH: Duration = Duration::from_secs(20);
/// As [`ANSWER`], for a look at the whole host: git is asked about each repository.
const WHOLE: Duration = Duration::from_secs(60);
/// The longest `WHARF_USER` that is passed on.
const MAX_USER: usize = 64;

/// One part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Activities were recorded.
    Queued(Vec<String>),
    /// A line for a person.
    Line(String),
    /// Bytes as a command printed them.
    Raw(Vec<u8>),
    /// One record.
    Item(Box<Item>),
    /// What was run ended with this status; nothing more comes.
    Ran(u8),
    /// Nothing more comes; the command exits so.
    End(Exit),
}

/// A connection on which a question was asked.
#[derive(Debug)]
pub struct Conversation {
    stream: UnixStream,
    socket: PathBuf,
    patience: Option<Duration>,
    /// What becomes of what was asked for, if the daemon goes away.
    fate: &'static str,
}

/// Where the daemon is that this user means: `WHARF_HOME`'s; the user's own if it has a socket;
/// else the system's if that has one.
///
/// # Errors
/// The surroundings name no place.
pub fn place() -> Result<Place, Failure> {
    let of = |kind| {
        Place::from_env(kind)
            .map_err(|error| Failure::usage("cannot tell where Wharf is").because(error))
    };
    let own = of(PlaceKind::Discover)?;
    let system = of(PlaceKind::System)?;
    if !own.socket().exists() && may_be_there(&system.socket()) {
        return Ok(system);
    }
    Ok(own)
}

/// The system's place, whoever asks.
///
/// # Errors
/// The surroundings name no place.
pub fn system_place() -> Result<Place, Failure> {
    Place::from_env(PlaceKind::System)
        .map_err(|error| Failure::usage("cannot tell where Wharf is").because(error))
}

/// Whether a socket is there, or is hidden from whoever may not reach it.
fn may_be_there(socket: &Path) -> bool {
    match socket.symlink_metadata() {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    }
}

/// Connects within [`CONNECT`].
///
/// # Errors
/// Nobody listens, or the daemon is too busy to take the call.
pub fn connect(socket: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(socket)?;
    let descriptor = net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // For Unix sockets the send timeout is what bounds a connect on a full backlog.
    sockopt::set_socket_timeout(&descriptor, sockopt::Timeout::Send, Some(CONNECT))?;
    net::connect(&descriptor, &address)?;
    Ok(descriptor.into())
}

impl Conversation {
    /// Connects, greets and asks.
    ///
    /// # Errors
    /// The daemon does not answer, or speaks another version.
    pub fn begin(place: &Place, ask: Ask) -> Result<Conversation, Failure> {
        let socket = place.socket();
        let stream = connect(&socket).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => denied(&socket).because(error),
            _ => unreachable(&socket).because(error),
        })?;
        let patience = patience(&ask);
        let mut conversation = Conversation {
            stream,
            socket,
            patience: Some(ANSWER),
            fate: match ask {
                Ask::Run { .. } | Ask::Database { .. } => {
                    "what was run has been ended; see: wharf activities"
                }
                Ask::Download { .. } => "nothing of it is whole; download it again",
                Ask::Upload { .. } => "each file is whole, the old one or the new; upload it again",
                _ => "accepted work goes on when it is back; see: wharf activities",
            },
        };
        conversation.limit(Some(ANSWER))?;
        conversation.send(&ToDaemon::Hello(Hello {
            wharf: VERSION,
            client: client(),
        }))?;
        match conversation.receive()? {
            FromDaemon::Welcome(Welcome { wharf: VERSION, .. }) => {}
            FromDaemon::Welcome(Welcome { wharf, daemon }) => {
                return Err(Failure::new(
                    Exit::Unreachable,
                    format!("the daemon {daemon} speaks version {wharf}, not {VERSION}"),
                )
                .hint("use the `wharf` that was installed with it"));
            }
            FromDaemon::Refused(refusal) => return Err(refusal.into()),
            other => return Err(out_of_turn(&other)),
        }
        conversation.send(&ToDaemon::Ask(ask))?;
        conversation.limit(patience)?;
        conversation.patience = patience;
        Ok(conversation)
    }

    /// The next part of the answer.
    ///
    /// # Errors
    /// The daemon refuses, goes away, or takes too long.
    pub fn answer(&mut self) -> Result<Answer, Failure> {
        match self.receive()? {
            FromDaemon::Queued { activities } => Ok(Answer::Queued(activities)),
            FromDaemon::Line(text) => Ok(Answer::Line(text)),
            FromDaemon::Raw(bytes) => Ok(Answer::Raw(bytes)),
            FromDaemon::Item(item) => Ok(Answer::Item(item)),
            FromDaemon::Ran { code } => Ok(Answer::Ran(code)),
            FromDaemon::End { exit } => Ok(Answer::End(exit)),
            FromDaemon::Refused(refusal) => Err(refusal.into()),
            other @ (FromDaemon::Welcome(_)
            | FromDaemon::Want(_)
            | FromDaemon::Compare(_)
            | FromDaemon::AskForced(_)
            | FromDaemon::Judged(_)
            | FromDaemon::Verdict(_)
            | FromDaemon::Passed(_)) => Err(out_of_turn(&other)),
        }
    }

    /// The descriptors that are the next part of the answer, each with what it is good for. They are
    /// closed when this process runs another program.
    ///
    /// # Errors
    /// As [`Conversation::answer`], or the answer is another one.
    pub fn passed(&mut self) -> Result<Vec<(Passed, OwnedFd)>, Failure> {
        let mut receiving = Receiving::from(&self.stream);
        let message = frame::read(&mut receiving);
        let descriptors = receiving.descriptors;
        match self.received(message)? {
            FromDaemon::Passed(words) if words.len() == descriptors.len() => {
                Ok(words.into_iter().zip(descriptors).collect())
            }
            FromDaemon::Refused(refusal) => Err(refusal.into()),
            other => Err(out_of_turn(&other)),
        }
    }

    fn limit(&self, limit: Option<Duration>) -> Result<(), Failure> {
        self.stream
            .set_read_timeout(limit)
            .and_then(|()| self.stream.set_write_timeout(Some(ANSWER)))
            .map_err(|error| unreachable(&self.socket).because(error))
    }

    fn send(&mut self, message: &ToDaemon) -> Result<(), Failure> {
        match frame::write(&mut self.stream, message) {
            Ok(()) => Ok(()),
            Err(error @ FrameError::TooLarge(_)) => {
                Err(Failure::usage("the question is too long").because(error))
            }
            Err(error) => Err(unreachable(&self.socket).because(error)),
        }
    }

    fn receive(&mut self) -> Result<FromDaemon, Failure> {
        let message = frame::read(&mut self.stream);
        self.received(message)
    }

    fn received(
        &self,
        message: Result<Option<FromDaemon>, FrameError>,
    ) -> Result<FromDaemon, Failure> {
        match message {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(Failure::new(
                Exit::Unreachable,
                "the daemon went away before it was done",
            )
            .hint(self.fate)
            .away()),
            Err(FrameError::Io(error)) if is_timeout(&error) => Err(Failure::new(
                Exit::Unreachable,
                format!(
                    "the daemon at {} did not answer within {} s",
                    self.socket.display(),
                    self.patience.unwrap_or(ANSWER).as_secs()
                ),
            )
            .away()),
            Err(error) => Err(unreachable(&self.socket).because(error)),
        }
    }
}

/// Asks for records and returns them all, with how the daemon says to exit.
///
/// # Errors
/// As [`Conversation::answer`].
pub fn records(place: &Place, ask: Ask) -> Result<(Vec<Item>, Exit), Failure> {
    let mut conversation = Conversation::begin(place, ask)?;
    let mut items = Vec::new();
    loop {
        match conversation.answer()? {
            Answer::Item(item) => items.push(*item),
            Answer::Line(text) => crate::failure::note(&text),
            Answer::Queued(_) | Answer::Raw(_) | Answer::Ran(_) => {}
            Answer::End(exit) => return Ok((items, exit)),
        }
    }
}

/// How long each part of an answer may take; `None` where somebody follows work of unknown length,
/// and the kernel says if the daemon dies.
fn patience(ask: &Ask) -> Option<Duration> {
    match ask {
        Ask::Log { follow: true, .. }
        | Ask::AppLog { .. }
        | Ask::Cleanup(_)
        | Ask::NotifyTest { .. }
        | Ask::Wait { .. }
        | Ask::Rollback { .. }
        | Ask::Branch { .. }
        | Ask::Merge { .. }
        | Ask::Promote { .. }
        | Ask::Sync { .. }
        | Ask::Delete { .. }
        | Ask::Info { .. }
        | Ask::ExportSlug { .. }
        | Ask::CreateSnapshot { .. }
        | Ask::RestoreSnapshot { .. }
        | Ask::ExportSnapshot { .. }
        | Ask::DeleteSnapshot { .. }
        | Ask::ImportSlug(_)
        | Ask::Download { .. }
        | Ask::Upload { .. }
        | Ask::ImportDump { .. }
        | Ask::SetVariable { .. }
        | Ask::DeleteVariable { .. }
        | Ask::Deploy { .. }
        | Ask::Redeploy { .. }
        | Ask::Activate(_)
        | Ask::Deactivate(_)
        | Ask::Pause(_)
        | Ask::Resume(_)
        | Ask::Seed(_)
        | Ask::ResetData(_)
        | Ask::Maintenance { .. } => None,
        Ask::Approve { .. } | Ask::Run { .. } | Ask::RunCron { .. } | Ask::Database { .. } => None,
        Ask::Cancel { .. } | Ask::Reload | Ask::Mounts { .. } => Some(THOROUGH),
        Ask::Doctor => Some(WHOLE),
        Ask::Status
        | Ask::Projects
        | Ask::Environments(_)
        | Ask::Activities { .. }
        | Ask::Activity { .. }
        | Ask::Releases(_)
        | Ask::Crons(_)
        | Ask::SlugWhy { .. }
        | Ask::Slugs(_)
        | Ask::Snapshots(_)
        | Ask::Grant { .. }
        | Ask::Variables { .. }
        | Ask::DumpConfig(_)
        | Ask::DiffConfig { .. }
        | Ask::Log { follow: false, .. } => Some(ANSWER),
    }
}

/// Who calls. A person behind `wharf-shell` is named, or their key is; whether to believe it is the
/// daemon's choice, by the uid at the other end.
fn client() -> String {
    let said = |variable| std::env::var_os(variable).filter(|value| !value.is_empty());
    if let Some(user) = said("WHARF_USER") {
        // Whoever cannot be told is somebody all the same, and not the account itself.
        let user = user.into_string().ok();
        let user = user.filter(|user| user.len() <= MAX_USER);
        return format!("{ASKS_AS}{}", user.as_deref().unwrap_or_default());
    }
    match said(KEY) {
        Some(file) => format!(
            "{ASKS_WITH}{}",
            wharf_hooks::key::read(file.as_ref()).unwrap_or_default()
        ),
        None => "wharf".to_owned(),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Whoever asks is neither the daemon's user nor of its group.
fn denied(socket: &Path) -> Failure {
    Failure::new(
        Exit::Unreachable,
        format!("you may not ask the daemon at {}", socket.display()),
    )
    .hint("join its group and log in again: sudo usermod --append --groups wharf $USER")
}

fn unreachable(socket: &Path) -> Failure {
    Failure::new(
        Exit::Unreachable,
        format!("the daemon does not answer at {}", socket.display()),
    )
    .away()
    .hint(if is_asked_from_elsewhere() {
        // Whoever reads it has another machine before them.
        "tell the host's operator; there: wharf doctor"
    } else if socket.starts_with("/run/wharf") {
        "look at it with: systemctl status wharfd"
    } else {
        "start it with: wharf start"
    })
}

/// Whether somebody asks through `wharf-shell`, who has no shell here.
fn is_asked_from_elsewhere() -> bool {
    std::env::var_os("WHARF_USER").is_some_and(|user| !user.is_empty())
}

fn out_of_turn(message: &FromDaemon) -> Failure {
    let word = match message {
        FromDaemon::Welcome(_) => "a greeting",
        FromDaemon::Want(_)
        | FromDaemon::Compare(_)
        | FromDaemon::AskForced(_)
        | FromDaemon::Judged(_)
        | FromDaemon::Verdict(_) => "an answer for a hook",
        FromDaemon::Passed(_) => "descriptors",
        _ => "an answer before its greeting",
    };
    Failure::new(
        Exit::Unreachable,
        format!("the daemon sent {word} out of turn"),
    )
}
