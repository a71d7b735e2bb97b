//! One connection to the keeper. Never waited for: the keeper has one thread.

use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
};

use wharf_wire::frame;

use super::{FromKeeper, State, ToKeeper};

/// A daemon on the line.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: UnixStream,
    inbox: Vec<u8>,
    /// Whether it wants to hear each change.
    pub(super) watches: bool,
    /// Whether it is to be forgotten.
    pub(super) gone: bool,
}

impl Client {
    pub(super) fn new(stream: UnixStream, instance: &str) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let mut client = Self {
            stream,
            inbox: Vec::new(),
            watches: false,
            gone: false,
        };
        client.say(&FromKeeper::Keeper {
            instance: instance.to_owned(),
            pid: std::process::id(),
        });
        Ok(client)
    }

    /// What it has said since the last time.
    pub(super) fn read(&mut self) -> Vec<ToKeeper> {
        let mut buffer = [0; 4_096];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.gone = true,
            Ok(count) => self.inbox.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.gone = true,
        }
        let mut messages = Vec::new();
        loop {
            match frame::take(&mut self.inbox) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return messages,
                // Whoever says what no daemon says is not answered.
                Err(_) => {
                    self.gone = true;
                    return messages;
                }
            }
        }
    }

    pub(super) fn state(&mut self, state: &State) {
        self.say(&FromKeeper::State(state.clone()));
    }

    /// Says something that fits in the socket's buffer; who does not read loses the connection.
    fn say(&mut self, message: &FromKeeper) {
        let bytes = frame::encode(message).expect("a state is small");
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&self.stream, &bytes));
        self.gone |= !matches!(written, Ok(count) if count == bytes.len());
    }
}
