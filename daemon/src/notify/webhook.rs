//! A POST of JSON, signed as Standard Webhooks has it.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use sha2::Sha256;
use wharf_config::notify::{Secret, SecretFrom, WebhookUrl};

use super::{Blame, Letter, Untold, line};
use crate::execute::failure::chain;
use crate::outward;
use crate::store::now;

/// How long the whole exchange may take.
pub(super) const WHOLE: Duration = Duration::from_secs(20);
/// So much of an answer is read, and no more.
const ANSWER: usize = 4 * 1024;
/// So many characters of it are shown.
const SHOWN: usize = 120;
/// The longest that somebody who asks for it is left alone.
const LONGEST_REST: Duration = Duration::from_secs(24 * 3600);
/// A file with a secret is no longer.
const SECRET_FILE: u64 = 4 * 1024;

/// Sends a message; says what was answered. Redirects are not followed.
///
/// # Errors
/// Why it was not taken.
pub(super) async fn send(
    url: &WebhookUrl,
    secret: Option<&SecretFrom>,
    letter: &Letter<'_>,
) -> Result<String, Untold> {
    let request = request(url, secret, letter)?;
    let client = outward::client().map_err(untrusting)?;
    let origin = url.origin();
    let exchange = async {
        let response = client.request(request).await.map_err(|error| {
            Untold::destination(format!("{origin}: {}", line(&chain(&error), 300)))
                .hint("does it run, and does this host reach it?")
        })?;
        Ok(read(response).await)
    };
    let late = |_| {
        let message = format!("{origin} did not answer within {} s", WHOLE.as_secs());
        Untold::destination(message).hint("it should answer first, and work afterwards")
    };
    let answer = tokio::time::timeout(WHOLE, exchange)
        .await
        .map_err(late)??;
    answer.judge(origin)
}

fn request(
    url: &WebhookUrl,
    secret: Option<&SecretFrom>,
    letter: &Letter<'_>,
) -> Result<Request<Full<Bytes>>, Untold> {
    let secret = match secret {
        Some(SecretFrom::Here(secret)) => Some(secret.clone()),
        Some(SecretFrom::File(file)) => Some(read_secret(file)?),
        None => None,
    };
    let timestamp = now() / 1000;
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url.as_str())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("Wharf/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", letter.id)
        .header("webhook-timestamp", timestamp);
    if let Some(secret) = secret {
        let signature = sign(&secret, letter.id, timestamp, letter.body);
        request = request.header("webhook-signature", signature);
    }
    let body = Full::from(letter.body.to_owned());
    let unfit = |error| Untold::destination(format!("{}: {error}", url.origin()));
    request.body(body).map_err(unfit)
}

/// `v1,` and the Base64 of the HMAC of id, time and body.
fn sign(secret: &Secret, id: &str, timestamp: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.bytes()).expect("HMAC takes any key");
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body.as_bytes());
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

/// Reads a file with a secret. It is read each time, so a new one counts at once.
///
/// # Errors
/// That there is none; what stands there is not in it.
pub(super) fn read_secret(file: &Path) -> Result<Secret, Untold> {
    use std::io::Read as _;
    let shown = file.display();
    let untold = |why: String| {
        let hint = "it must hold whsec_ and Base64, and the daemon's user must be able to read it";
        Untold::destination(format!("secret_file {shown}: {why}")).hint(hint)
    };
    let mut text = String::new();
    // A pipe that somebody put there would be waited for.
    let opened = std::fs::File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(file);
    opened
        .and_then(|opened| opened.take(SECRET_FILE).read_to_string(&mut text))
        .map_err(|error| untold(error.to_string()))?;
    Secret::parse(text.trim_end()).map_err(|why| untold(why.to_owned()))
}

fn untrusting(error: std::io::Error) -> Untold {
    Untold::destination(format!("this host trusts no certificates: {error}"))
        .hint("apt install ca-certificates")
}

/// What counts of an answer.
struct Answer {
    status: StatusCode,
    location: Option<String>,
    retry_after: Option<Duration>,
    text: String,
}

async fn read(response: Response<hyper::body::Incoming>) -> Answer {
    let header = |name| {
        let value = response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let (location, after) = (header(LOCATION), header(RETRY_AFTER));
    let status = response.status();
    // Only what is shown of a refusal is of interest: whatever is longer is left.
    let body = Limited::new(response.into_body(), ANSWER).collect().await;
    let bytes = body.map(|body| body.to_bytes()).unwrap_or_default();
    Answer {
        status,
        location,
        retry_after: after
            .and_then(|text| text.parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(LONGEST_REST)),
        text: line(&String::from_utf8_lossy(&bytes), SHOWN),
    }
}

impl Answer {
    fn judge(self, origin: &str) -> Result<String, Untold> {
        let Answer { status, text, .. } = &self;
        if status.is_success() {
            return Ok(format!("{origin} answered {status}"));
        }
        let mut message = format!("{origin} answered {status}");
        if !text.is_empty() {
            message.push_str(&format!(": {text}"));
        }
        let hint = match status.as_u16() {
            300..=399 => match &self.location {
                Some(to) => {
                    let to = WebhookUrl::parse(to).ok();
                    let to = to.map_or("another address".into(), |to| to.origin().to_owned());
                    format!("it leads to {to}, and redirects are not followed: write that address")
                }
                None => "redirects are not followed: write the address that it leads to".into(),
            },
            401 | 403 => "does it know the secret, and do both clocks agree?".into(),
            404 | 410 => "is the address still good?".into(),
            _ => "its own log says more".to_owned(),
        };
        // Which of them say that another message would fare no better.
        let is_destination = !status.is_client_error()
            || matches!(status.as_u16(), 401 | 403 | 404 | 408 | 410 | 425 | 429);
        Err(Untold {
            message,
            hint: Some(hint),
            blame: match is_destination {
                true => Blame::Destination(self.retry_after),
                false => Blame::Message,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn a_signature_is_as_standard_webhooks_has_it() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
