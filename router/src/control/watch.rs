//! A conversation in which the router tells the daemon which environments are wanted.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};
use wharf_wire::{
    frame::{self, FrameError},
    route::FromRouter,
};

use super::FRAME;
use crate::{Table, waking::Wanted};

/// Says what is wanted, and what will be, until the daemon hangs up or says anything.
pub(super) async fn follow(mut stream: UnixStream, table: &Table) -> Result<(), FrameError> {
    let mut wanted = table.waking.follow();
    let mut told = Wanted::default();
    let (mut from, mut to) = stream.split();
    loop {
        let now = Arc::clone(&wanted.borrow_and_update().1);
        for (name, number) in now.iter() {
            if told.get(name) != Some(number) {
                let (project, environment) = name.parts();
                let message = frame::encode(&FromRouter::Wanted {
                    project: project.to_owned(),
                    environment: environment.to_owned(),
                })?;
                timeout(FRAME, to.write_all(&message))
                    .await
                    .map_err(std::io::Error::from)??;
            }
        }
        told = now;
        tokio::select! {
            end = from.read_u8() => return match end {
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
                Err(error) => Err(error.into()),
                Ok(_) => Err(std::io::Error::from(std::io::ErrorKind::InvalidData).into()),
            },
            changed = wanted.changed() => changed.expect("the table lives on"),
        }
    }
}
