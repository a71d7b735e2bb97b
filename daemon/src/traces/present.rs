//! A bounded queue, a task that empties it, and one request for each activity.

use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use wharf_config::host::Traces as Asked;
use wharf_config::notify::WebhookUrl;

use super::spans;
use crate::execute::World;
use crate::execute::failure::chain;
use crate::journal::Facts;
use crate::outward;

/// Activities that wait to be told, at most.
const WAITING: usize = 256;
/// How long a whole exchange may take.
const WHOLE: Duration = Duration::from_secs(10);
/// For how long somebody who took nothing is left alone; what ends meanwhile is not told.
const REST: Duration = Duration::from_secs(60);
/// A file with headers is no longer.
const HEADERS: u64 = 16 * 1024;

/// What is to be told. Putting it in never waits.
#[derive(Debug)]
pub struct Traces {
    ended: mpsc::Sender<Facts>,
    waiting: Mutex<Option<mpsc::Receiver<Facts>>>,
    standing: Mutex<Standing>,
}

#[derive(Debug, Default)]
struct Standing {
    /// Why the last one was not taken, by whom, and when that was.
    failed: Option<(String, Asked, Instant)>,
    /// Activities that nobody was told of since then.
    lost: u64,
}

impl Default for Traces {
    fn default() -> Traces {
        let (ended, waiting) = mpsc::channel(WAITING);
        Traces {
            ended,
            waiting: Mutex::new(Some(waiting)),
            standing: Mutex::default(),
        }
    }
}

impl Traces {
    /// An activity has ended, as the journal is told.
    pub fn ended(&self, facts: &Facts) {
        if self.ended.try_send(facts.clone()).is_err() {
            self.standing().lost += 1;
        }
    }

    /// Why nobody is told, where the operator wants that.
    pub fn trouble(&self, asked: &Asked) -> Option<String> {
        asked.endpoint.as_ref()?;
        let standing = self.standing();
        let (why, of, _) = standing.failed.as_ref()?;
        let lost = standing.lost;
        (of == asked).then(|| format!("traces are not taken: {why}; activities not told: {lost}"))
    }

    /// Whether that one is left alone.
    fn rests(&self, asked: &Asked) -> bool {
        let mut standing = self.standing();
        let rests = standing
            .failed
            .as_ref()
            .is_some_and(|(_, of, at)| of == asked && at.elapsed() < REST);
        standing.lost += u64::from(rests);
        rests
    }

    fn took(&self) {
        let before = std::mem::take(&mut *self.standing());
        if before.failed.is_some() {
            tracing::info!(lost = before.lost, "traces are taken again");
        }
    }

    fn refused(&self, asked: &Asked, why: String) {
        let mut standing = self.standing();
        let before = standing.failed.take();
        if before.is_none_or(|(said, of, _)| said != why || of != *asked) {
            let seconds = REST.as_secs();
            tracing::warn!("traces are not taken, none is sent for {seconds} s: {why}");
        }
        standing.failed = Some((why, asked.clone(), Instant::now()));
        standing.lost += 1;
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells of each activity that ends, until told to stop; what waits then is not told.
pub async fn deliver(world: Arc<World>, stop: CancellationToken) {
    let waiting = world.traces.waiting.lock();
    let waiting = waiting.unwrap_or_else(PoisonError::into_inner).take();
    let mut waiting = waiting.expect("one task tells");
    let telling = async {
        while let Some(facts) = waiting.recv().await {
            let asked = world.settings().host.traces.clone();
            let Some(endpoint) = &asked.endpoint else {
                continue;
            };
            if world.traces.rests(&asked) {
                continue;
            }
            match tell(&world, endpoint, asked.headers_file.as_deref(), &facts).await {
                Ok(()) => world.traces.took(),
                Err(why) => world.traces.refused(&asked, why),
            }
        }
    };
    stop.run_until_cancelled(telling).await;
}

async fn tell(
    world: &World,
    endpoint: &WebhookUrl,
    headers: Option<&Path>,
    facts: &Facts,
) -> Result<(), String> {
    let id = facts.activity.as_deref().unwrap_or_default();
    let activity = world.recorder.activity(id).await;
    let Some(activity) = activity.map_err(|error| chain(&error))? else {
        return Ok(());
    };
    let body = spans::of(&activity, facts).encode_to_vec();
    let request = request(endpoint, headers, body)?;
    let origin = endpoint.origin();
    let client = outward::client().map_err(|error| format!("no certificates: {error}"))?;
    let answer = timeout(WHOLE, client.request(request))
        .await
        .map_err(|_| format!("{origin} did not answer within {} s", WHOLE.as_secs()))?
        .map_err(|error| format!("{origin}: {}", chain(&error)))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("{origin} answered {status}")),
    }
}

fn request(
    endpoint: &WebhookUrl,
    headers: Option<&Path>,
    body: Vec<u8>,
) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("{}/v1/traces", endpoint.as_str()))
        .header(CONTENT_TYPE, "application/x-protobuf")
        .header(USER_AGENT, concat!("Wharf/", env!("CARGO_PKG_VERSION")));
    if let Some(file) = headers {
        let read = read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        for (name, value) in read {
            request = request.header(name, value);
        }
    }
    request
        .body(Full::from(body))
        .map_err(|error| format!("{}: {error}", endpoint.origin()))
}

/// `NAME: VALUE` a line, empty lines and those that begin with `#` aside. It is read each time, so a new key counts at
/// once; what stands there is not in an error.
fn read(file: &Path) -> io::Result<Vec<(HeaderName, HeaderValue)>> {
    let mut text = String::new();
    // A pipe that somebody put there would be waited for.
    let opened = std::fs::File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(file)?;
    opened.take(HEADERS).read_to_string(&mut text)?;
    let lines = text.lines().map(str::trim).enumerate();
    let said = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    said.map(|(number, line)| {
        let header = line.split_once(':').and_then(|(name, value)| {
            let mut value = HeaderValue::try_from(value.trim()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::try_from(name.trim()).ok()?, value))
        });
        let bad = || io::Error::other(format!("line {} is no NAME: VALUE", number + 1));
        header.ok_or_else(bad)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("headers");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            read(&file)
        };
        let good = read("# who we are\n\nAuthorization: Bearer a:b\nx-team:  7\n").unwrap();
        let good: Vec<_> = good
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(good, [("authorization", "Bearer a:b"), ("x-team", "7")]);
        for bad in ["hunter2", "\nhunter2\n", "hunter 2: x", "a: hunter2\u{1}"] {
            let error = read(bad).unwrap_err().to_string();
            assert!(
                error.contains("no NAME: VALUE") && !error.contains("hunter"),
                "{error}"
            );
        }
        std::fs::remove_file(&file).unwrap();
        super::read(&file).unwrap_err();
    }
}
