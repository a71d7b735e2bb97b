//! Waiting for a new process until it answers well: what is said where it does not.

use std::time::Instant;

use wharf_config::application::{Health, Protocol};
use wharf_wire::route::{FastCgi, Upstream};

use super::activity::Act;
use super::failure::Failure;
use super::health::{self, Candidates, Question};
use super::launch::{self, Process};
use crate::report;
use crate::run::keeper::{Ended, State};
use crate::run::mask::Mask;
use crate::run::output::{Sink, Tail};

/// Waits until a process that answers requests is healthy, or has ended, or the time is over.
///
/// # Errors
/// What the pusher should read, with the process's own output.
pub(super) async fn healthy(
    act: &Act,
    looks: &Health,
    protocol: Protocol,
    scripts: Option<FastCgi>,
    process: &Process,
) -> Result<Upstream, Failure> {
    let began = Instant::now();
    let gone = |error| Failure::host("the keeper went away", &error);
    let mut watch = process.keeper.watch().await.map_err(gone)?;
    let socket = act.world.paths.socket(&process.record.instance);
    let candidates = Candidates {
        port: process.record.port,
        socket: &socket,
    };
    let mut last = String::new();
    let looked = {
        let question = Question {
            path: looks.path.as_deref(),
            protocol,
            scripts,
        };
        let look = health::wait(&candidates, &question, &mut last);
        let ended = async {
            loop {
                match watch.next().await {
                    Ok(Some(State::Started { .. })) => {}
                    Ok(Some(State::Exited { status, .. })) => return Some(status),
                    Ok(Some(State::Stopped) | None) | Err(_) => return None,
                }
            }
        };
        tokio::select! {
            upstream = look => Looked::Healthy(upstream),
            status = ended => Looked::Ended(status),
            () = tokio::time::sleep(looks.within) => Looked::TooLate,
            () = act.cancel.cancelled() => Looked::Cancelled,
        }
    };
    match looked {
        Looked::Healthy(upstream) => {
            // It may have died while another process answered on its port.
            match process.keeper.confirm().await.map_err(gone)? {
                State::Started { .. } => {}
                State::Exited { status, .. } => return Err(ended(act, process, Some(status)).await),
                State::Stopped => return Err(ended(act, process, None).await),
            }
            let seen = match process.record.name.as_str() {
                launch::WEB => last,
                name => format!("{name}: {last}"),
            };
            act.did("health", seen, began);
            Ok(upstream)
        }
        Looked::Ended(status) => Err(ended(act, process, status).await),
        Looked::Cancelled => Err(Failure::cancelled()),
        Looked::TooLate => {
            let within = report::duration(looks.within.as_secs() * 1000);
            Err(Failure::new(
                "unhealthy",
                format!("the new release was not healthy within {within}: {last}"),
            )
            .details(output(act, process).await)
            .hint(if last.contains("GET ") {
                "deploy.health names what must answer with a status below 400"
            } else {
                "it must listen on 127.0.0.1:$PORT, or on the Unix socket $SOCKET"
            }))
        }
    }
}

enum Looked {
    Healthy(Upstream),
    Ended(Option<Ended>),
    TooLate,
    Cancelled,
}

async fn ended(act: &Act, process: &Process, status: Option<Ended>) -> Failure {
    let (how, code) = match status {
        // What a shell says of a command that a signal ended.
        Some(Ended::Code(code)) if code > 128 && code < 160 => {
            (format!("by signal {}", code - 128), Some(code))
        }
        Some(Ended::Code(code)) => (format!("with exit code {code}"), Some(code)),
        Some(Ended::Signal(signal)) => (format!("by signal {signal}"), None),
        None => ("in an unknown way".to_owned(), None),
    };
    Failure::new(
        "crashed",
        format!("the new release ended at its start, {how}"),
    )
    .details(output(act, process).await)
    .exit_code(code)
    .hint("the web process must stay in the foreground and serve")
}

/// The last lines that a process printed, as people read them.
async fn output(act: &Act, process: &Process) -> Vec<String> {
    let path = act.world.paths.output(&process.record.instance);
    let bytes = crate::disk::read_tail(&path, 64 * 1024).unwrap_or_default();
    // What cannot be starred is not shown.
    let Ok(secrets) = act.world.recorder.secrets(act.key()).await else {
        return Vec::new();
    };
    let mut mask = Mask::new(&secrets);
    let mut bytes = mask.push(&bytes);
    bytes.extend(mask.finish());
    let mut sink = Sink::default();
    let mut tail = Tail::new(super::command::LAST);
    let lines = sink.push(&bytes);
    for line in lines.into_iter().chain(sink.finish()) {
        tail.push(line);
    }
    let lines: Vec<String> = tail
        .lines()
        .map(|line| format!("{}{line}", report::TOOL))
        .collect();
    if lines.is_empty() {
        vec!["  it printed nothing".into()]
    } else {
        lines
    }
}
