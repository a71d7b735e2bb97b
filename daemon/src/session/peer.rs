//! The other side of a connection: frames in and out, each with a bound and a deadline.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use wharf_wire::outcome::Exit;
use wharf_wire::passed::Passed;
use wharf_wire::{FromDaemon, Refusal, ToDaemon, frame};

use crate::connection::Connection;

/// A caller has this long to say its next message.
const PATIENCE: Duration = Duration::from_secs(5);
/// A caller has this long to take a message: it may be stopped, and nobody waits for it for good.
const SLOW_READER: Duration = Duration::from_secs(30);

/// Why a conversation ends early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The caller went away, or does not read.
    #[error("the caller is gone")]
    Gone,
    /// It is told why.
    #[error("{0}")]
    Refused(Refusal),
    /// The same, for several reasons.
    #[error("{} reasons", .0.len())]
    Several(Vec<Refusal>),
}

/// A connection to a caller.
#[derive(Debug)]
pub(super) struct Peer {
    stream: Connection,
    /// A message was begun and not ended: nothing else can be said any more.
    is_amid: bool,
}

impl Peer {
    pub(super) fn new(stream: UnixStream) -> Peer {
        Peer {
            stream: stream.into(),
            is_amid: false,
        }
    }

    /// The caller's next message.
    pub(super) async fn receive(&mut self) -> Result<ToDaemon, Broken> {
        self.receive_within(PATIENCE).await
    }

    /// The same, where the caller has something to find out first.
    pub(super) async fn receive_within(&mut self, time: Duration) -> Result<ToDaemon, Broken> {
        match tokio::time::timeout(time, read(&mut self.stream)).await {
            Err(_) => Err(protocol("no message came in time")),
            Ok(Err(frame::FrameError::Io(_))) => Err(Broken::Gone),
            Ok(Err(error)) => Err(protocol(&error.to_string())),
            Ok(Ok(message)) => Ok(message),
        }
    }

    /// Returns when the caller, who has nothing more to say, has hung up.
    pub(super) async fn gone(&self) {
        self.stream.gone().await;
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, message: &FromDaemon) -> Result<(), Broken> {
        let bytes = frame::encode(message).map_err(|error| protocol(&error.to_string()))?;
        if std::mem::replace(&mut self.is_amid, true) {
            return Err(Broken::Gone);
        }
        let sent = tokio::time::timeout(SLOW_READER, self.stream.write_all(&bytes)).await;
        match sent {
            Ok(Ok(())) => {
                self.is_amid = false;
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(Broken::Gone),
        }
    }

    /// Hands descriptors to the caller, who has them alone afterwards.
    pub(super) async fn pass(&mut self, passed: Vec<(Passed, OwnedFd)>) -> Result<(), Broken> {
        let (words, descriptors): (Vec<_>, Vec<_>) = passed.into_iter().unzip();
        let bytes = frame::encode(&FromDaemon::Passed(words));
        let bytes = bytes.map_err(|error| protocol(&error.to_string()))?;
        let pass = async {
            let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            let begun = self.stream.pass(&bytes, &descriptors).await?;
            self.stream.write_all(&bytes[begun..]).await
        };
        match tokio::time::timeout(SLOW_READER, pass).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidInput => {
                Err(protocol("more descriptors than one message carries"))
            }
            Ok(Err(_)) | Err(_) => Err(Broken::Gone),
        }
    }

    /// Sends lines for a person.
    pub(super) async fn lines(&mut self, lines: Vec<String>) -> Result<(), Broken> {
        for line in lines {
            self.send(&FromDaemon::Line(line)).await?;
        }
        Ok(())
    }
}

async fn read(stream: &mut Connection) -> Result<ToDaemon, frame::FrameError> {
    let mut prefix = [0; frame::PREFIX];
    stream.read_exact(&mut prefix).await?;
    let mut bytes = vec![0; frame::length(prefix)?];
    stream.read_exact(&mut bytes).await?;
    frame::decode(&bytes)
}

fn protocol(message: &str) -> Broken {
    Broken::Refused(Refusal {
        code: "protocol".into(),
        message: message.to_owned(),
        hint: None,
        exit: Exit::Failed,
    })
}
