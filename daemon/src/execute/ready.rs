//! Waiting for a new process until it answers well: what is said where it does not.

use std::time::Instant;

use wharf_config::application::{Health, Protocol};
use wharf_wire::route::{FastCgi, Upstream};

use super::activity::Act;
use super::bound::OVER;
use super::command::signal;
use super::failure::Failure;
use super::health::{self, Candidates, Question};
use super::launch::{self, Process};
use super::release;
use crate::report;
use crate::run::isolation::Isolation;
use crate::run::keeper::{Ended, State};
use crate::run::listener::{self, Whose};
use crate::run::mask::Mask;
use crate::run::meter::Resource;
use crate::run::output::{Sink, Tail};
use crate::run::raw_log::RawLog;

/// Bytes of a process's output that are kept where it does not come to serve.
const MOST: u64 = 1 << 20;

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
    let candidates = Candidates::of(&act.world.paths, &process.record);
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
                State::Started { pid, .. } => own(act, process, pid, &upstream).await?,
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
            let message = format!("{} was not healthy within {within}: {last}", what(process));
            let hint = match last.contains("GET ") {
                true => "deploy.health names what must answer with a status below 400",
                false => "it must listen on 127.0.0.1:$PORT, or on the Unix socket $SOCKET",
            };
            let failure = Failure::new("unhealthy", message);
            Err(with_output(act, process, failure, hint).await)
        }
    }
}

/// Makes sure that it was this process that answered: a program of another environment may have been
/// quicker to listen on its port, and would get its visitors.
async fn own(act: &Act, process: &Process, pid: u32, upstream: &Upstream) -> Result<(), Failure> {
    let Upstream::Tcp(address) = upstream else {
        // A directory of its own.
        return Ok(());
    };
    let port = address.port();
    let environment = match act.world.isolation {
        Isolation::Units => Some(release::account(act)),
        Isolation::Bubblewrap(_) => None,
    };
    let looked = tokio::task::spawn_blocking(move || match environment {
        Some(environment) => listener::whose_of_unit(&environment, port),
        None => listener::whose(pid, port),
    });
    let looked = looked.await;
    let whose = looked.map_err(std::io::Error::other).flatten();
    match whose.map_err(|error| Failure::host("cannot see who listens", &error))? {
        Whose::Own => Ok(()),
        Whose::Anothers => {
            let message = format!(
                "another program listens on port {port}, which {} was given",
                what(process)
            );
            let failure = Failure::new("port-taken", message);
            let hint = "push again for another port, or listen on the Unix socket $SOCKET";
            Err(with_output(act, process, failure, hint).await)
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
    if let Some(Ended::Exceeded(excess)) = status {
        let said = excess.said(launch::LIMITS);
        let how = match excess.resource {
            Resource::Memory | Resource::Disk => "was stopped",
            Resource::Tasks => "ended",
        };
        let message = format!("{} {how} at its start: {said}", what(process));
        let failure = Failure::new(OVER, message);
        return with_output(act, process, failure, &launch::raise(&excess)).await;
    }
    let (how, code) = match status {
        // What a shell says of a command that a signal ended.
        Some(Ended::Code(code)) if code > 128 && code < 160 => {
            (format!("by {}", signal(code - 128)), Some(code))
        }
        Some(Ended::Code(code)) => (format!("with exit code {code}"), Some(code)),
        Some(Ended::Signal(number)) => (format!("by {}", signal(number)), None),
        Some(Ended::Exceeded(_)) | None => ("in an unknown way".to_owned(), None),
    };
    let message = format!("{} ended at its start, {how}", what(process));
    let failure = Failure::new("crashed", message).exit_code(code);
    let hint = match process.record.name.as_str() {
        launch::WEB => "the web process must stay in the foreground and serve",
        _ => "it must stay in the foreground and serve",
    };
    with_output(act, process, failure, hint).await
}

/// Which process, as its pusher reads it.
fn what(process: &Process) -> String {
    match process.record.name.as_str() {
        launch::WEB => "the new release".to_owned(),
        name => format!("process {name} of the new release"),
    }
}

/// Adds to a failure what the process printed, where it is written, and where the rest is.
async fn with_output(act: &Act, process: &Process, failure: Failure, hint: &str) -> Failure {
    let printed = printed(act, &process.record.instance).await;
    let failure = failure
        .details(last_lines(&printed))
        .details(process.at.lines(report::WIDTH));
    // Its own file goes with it.
    match !printed.is_empty() && act.is_recorded() && keep(act, &printed) {
        true => failure.hint(format!("{hint}; {}", super::command::rest(act))),
        false => failure.hint(hint),
    }
}

/// The last lines of what a process printed, as its pusher reads them.
pub(super) async fn tail(act: &Act, instance: &str) -> Vec<String> {
    last_lines(&printed(act, instance).await)
}

/// The last lines of these, as a pusher reads them.
pub(super) fn last_lines(printed: &[u8]) -> Vec<String> {
    let mut sink = Sink::default();
    let mut tail = Tail::new(super::command::LAST);
    let lines = sink.push(printed);
    for line in lines.into_iter().chain(sink.finish()) {
        tail.push(line);
    }
    let lines = tail.lines().map(|line| format!("{}{line}", report::TOOL));
    let silent = printed
        .is_empty()
        .then(|| "  it printed nothing".to_owned());
    lines.chain(silent).collect()
}

/// What a process printed last, without secrets.
async fn printed(act: &Act, instance: &str) -> Vec<u8> {
    let path = act.world.paths.output(instance);
    let bytes = crate::disk::read_tail(&path, MOST).unwrap_or_default();
    // What cannot be starred is not shown.
    let Ok(secrets) = act.world.recorder.secrets(act.key()).await else {
        return Vec::new();
    };
    // Nor is what may be the end of one: the first line is cut where there was more.
    let cut = match bytes.len() as u64 == MOST {
        true => bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(bytes.len()),
        false => 0,
    };
    let mut mask = Mask::new(&secrets);
    let mut bytes = mask.push(&bytes[cut..]);
    bytes.extend(mask.finish());
    bytes
}

/// Puts it into the activity's raw log; says whether it is there.
fn keep(act: &Act, printed: &[u8]) -> bool {
    let raw = act.world.paths.raw(&act.task.id);
    let kept = tokio::task::block_in_place(|| {
        let mut raw = RawLog::open(&raw)?;
        raw.push(printed)?;
        raw.finish()
    });
    if let Err(error) = &kept {
        tracing::warn!(WHARF_ACTIVITY = act.task.id, %error, "its output is not kept");
    }
    kept.is_ok()
}
