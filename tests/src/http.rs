//! A visitor.

use std::time::Duration;

/// The longest that an answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// What a visitor got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Page {
    /// The body of a page that is there.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }
}

/// Asks the router on a port of this machine. The name need not resolve.
#[track_caller]
pub fn fetch(port: u16, host: &str, path: &str) -> Page {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(LIMIT))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .build()
        .into();
    let url = format!("http://127.0.0.1:{port}{path}");
    let mut answer = agent
        .get(&url)
        .header("Host", host)
        .call()
        .unwrap_or_else(|error| panic!("{host}{path} at port {port}: {error}"));
    Page {
        status: answer.status().as_u16(),
        body: answer
            .body_mut()
            .read_to_string()
            .expect("a page is text and arrives whole"),
    }
}
