//! One request on its connection: both bodies at once, as neither may wait for the other.

use std::io;

use http_body_util::BodyExt;
use hyper::body::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    sync::mpsc::Sender,
};
use tracing::warn;
use wharf_fastcgi::{Part, Reader, stdin};

use crate::{request_body::RequestBody, stream::Stream};

/// How much of its complaints goes to our log, for a request, in bytes.
const COMPLAINTS: usize = 4 * 1024;
/// How much is read at once.
const PIECE: usize = 16 * 1024;

/// A request whose connection is open.
pub(super) struct Exchange {
    pub(super) stream: Stream,
    /// Its beginning and its parameters.
    pub(super) first: Vec<u8>,
    pub(super) body: RequestBody,
    /// Where the answer goes, as it comes.
    pub(super) to: Sender<io::Result<Bytes>>,
    pub(super) host: String,
}

impl Exchange {
    /// Sends the request and hands its answer on, until that has ended or nobody takes it any more.
    pub(super) async fn run(self) {
        let (read, write) = split(self.stream);
        let upload = upload(write, self.first, self.body);
        let download = download(read, &self.to, &self.host);
        let broke = tokio::select! {
            ended = download => ended.err(),
            error = upload => Some(error),
            () = self.to.closed() => None,
        };
        if let Some(error) = broke {
            // Nobody is there any more who could be told.
            self.to.send(Err(error)).await.ok();
        }
    }
}

/// Sends a request. Ends only when the visitor does not send it all: a process that does not read
/// on may have answered already.
async fn upload(mut to: WriteHalf<Stream>, first: Vec<u8>, mut body: RequestBody) -> io::Error {
    let mut record = first;
    loop {
        if to.write_all(&record).await.is_err() {
            return std::future::pending().await;
        }
        record.clear();
        match body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.is_empty() => stdin(&mut record, &data),
                // An empty one would end it, and trailers mean nothing here.
                _ => {}
            },
            Some(Err(error)) => return io::Error::other(error),
            None => break,
        }
    }
    stdin(&mut record, &[]);
    if to.write_all(&record).await.is_ok() {
        to.flush().await.ok();
    }
    std::future::pending().await
}

async fn download(
    mut from: ReadHalf<Stream>,
    to: &Sender<io::Result<Bytes>>,
    host: &str,
) -> io::Result<()> {
    let mut reader = Reader::default();
    let mut complaints = COMPLAINTS;
    loop {
        while let Some(part) = reader.part().map_err(io::Error::other)? {
            match part {
                Part::Stdout(bytes) => {
                    if to.send(Ok(bytes)).await.is_err() {
                        return Ok(());
                    }
                }
                Part::Stderr(bytes) => {
                    let bytes = &bytes[..bytes.len().min(complaints)];
                    complaints -= bytes.len();
                    if !bytes.is_empty() {
                        warn!(host, "the process says: {}", bytes.escape_ascii());
                    }
                }
                Part::End => return Ok(()),
            }
        }
        reader.buffer().reserve(PIECE);
        if from.read_buf(reader.buffer()).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
