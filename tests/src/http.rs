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
    headers: ureq::http::HeaderMap,
}

impl Page {
    fn read(answer: &mut ureq::http::Response<ureq::Body>) -> Result<Page, ureq::Error> {
        Ok(Page {
            headers: answer.headers().clone(),
            status: answer.status().as_u16(),
            body: answer.body_mut().read_to_string()?,
        })
    }

    /// The body of a page that is there.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// A header's text, empty without it.
    pub fn header(&self, name: &str) -> &str {
        let text = self.headers.get(name).and_then(|value| value.to_str().ok());
        text.unwrap_or_default()
    }
}

/// A visitor whose connections stay open between requests.
#[derive(Debug)]
pub struct Visitor {
    agent: ureq::Agent,
    port: u16,
}

impl Visitor {
    /// A visitor of the router on a port of this machine.
    pub fn new(port: u16) -> Visitor {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(LIMIT))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build()
            .into();
        Visitor { agent, port }
    }

    /// Asks for a page. The name need not resolve.
    ///
    /// # Errors
    /// What went wrong on the way.
    pub fn get(&self, host: &str, path: &str) -> Result<Page, ureq::Error> {
        self.get_with(host, path, &[])
    }

    /// The same with headers.
    ///
    /// # Errors
    /// What went wrong on the way.
    pub fn get_with(
        &self,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Page, ureq::Error> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let request = self.agent.get(&url).header("Host", host);
        let mut answer = headers
            .iter()
            .fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
            .call()?;
        Page::read(&mut answer)
    }

    /// Sends a body.
    ///
    /// # Errors
    /// What went wrong on the way.
    pub fn post(&self, host: &str, path: &str, body: &[u8]) -> Result<Page, ureq::Error> {
        self.post_with(host, path, body, &[])
    }

    /// The same with headers.
    ///
    /// # Errors
    /// What went wrong on the way.
    pub fn post_with(
        &self,
        host: &str,
        path: &str,
        body: &[u8],
        headers: &[(&str, &str)],
    ) -> Result<Page, ureq::Error> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let request = self.agent.post(&url).header("Host", host);
        let mut answer = headers
            .iter()
            .fold(request, |request, (name, value)| {
                request.header(*name, *value)
            })
            .send(body)?;
        Page::read(&mut answer)
    }
}

/// Asks the router on a port of this machine, over a connection of its own.
#[track_caller]
pub fn fetch(port: u16, host: &str, path: &str) -> Page {
    Visitor::new(port)
        .get(host, path)
        .unwrap_or_else(|error| panic!("{host}{path} at port {port}: {error}"))
}
