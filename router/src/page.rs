//! What a visitor reads when nothing answers: a page for browsers, the same words for the rest.

mod doors;

use askama::Template;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, VARY,
    },
};
use http_body_util::Full;

use crate::{body::Body, host::HostError};

/// What a page says.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    status: StatusCode,
    title: String,
    what: &'static str,
    next: &'static [Step],
    /// After how many seconds to ask again.
    retry: Option<&'static str>,
}

/// Something that the reader can do.
#[derive(Debug)]
struct Step {
    command: &'static str,
    shows: &'static str,
}

#[derive(Template)]
#[template(path = "page.html")]
struct Html<'a> {
    status: u16,
    title: &'a str,
    what: &'a str,
    next: &'a [Step],
}

#[derive(Template)]
#[template(path = "page.txt", escape = "none")]
struct Text<'a> {
    title: &'a str,
    what: &'a str,
    next: &'a [Step],
}

impl Page {
    /// Nobody answers for this host. Says nothing about those who answer for others.
    pub(crate) fn unknown_host(host: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            title: format!("No environment answers at {host}"),
            what: "The address may be mistyped, or its branch is not deployed.",
            next: &[Step {
                command: "wharf environments",
                shows: "shows where each branch answers",
            }],
            retry: None,
        }
    }

    /// The request says no host, or nonsense.
    pub(crate) fn bad_host(error: HostError) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            title: "This request cannot be answered".to_owned(),
            what: match error {
                HostError::Missing => "It names no host.",
                HostError::Many => "It names more than one host.",
                HostError::Invalid => "Its host is not a host name.",
            },
            next: &[],
            retry: None,
        }
    }

    /// Its processes are being started.
    pub(crate) fn starting() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "The application is starting".to_owned(),
            what: "It answers as soon as it is healthy; the page may be asked for again.",
            next: APPLICATION,
            retry: Some("5"),
        }
    }

    /// The process is gone, or breaks off.
    pub(crate) fn broken() -> Self {
        Self {
            status: StatusCode::BAD_GATEWAY,
            title: "The application does not answer".to_owned(),
            what: "It is deployed here, but its process takes no requests.",
            next: APPLICATION,
            retry: None,
        }
    }

    /// The process says nothing.
    pub(crate) fn silent() -> Self {
        Self {
            status: StatusCode::GATEWAY_TIMEOUT,
            title: "The application does not answer".to_owned(),
            what: "It has taken the request, but it has not answered in time.",
            next: APPLICATION,
            retry: None,
        }
    }

    /// There is no such file.
    pub(crate) fn not_found() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            title: "Page not found".to_owned(),
            what: "This site answers, but it has no such page.",
            next: &[],
            retry: None,
        }
    }

    /// Nothing is answered below this path.
    pub(crate) fn closed() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            title: "This page is not public".to_owned(),
            what: "This site answers, but not here.",
            next: &[],
            retry: None,
        }
    }

    /// The process must know how long a body is before it comes.
    pub(crate) fn no_length() -> Self {
        Self {
            status: StatusCode::LENGTH_REQUIRED,
            title: "This request cannot be answered".to_owned(),
            what: "It does not say how long it is, and it is longer than 1 MiB.",
            next: &[],
            retry: None,
        }
    }

    /// What came after the request's head is not what it said.
    pub(crate) fn bad_body() -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            title: "This request cannot be answered".to_owned(),
            what: "Its body is not what its head says.",
            next: &[],
            retry: None,
        }
    }

    /// Files are only read.
    pub(crate) fn method() -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            title: "This request cannot be answered".to_owned(),
            what: "This site has static files only: they can be read, with GET or HEAD.",
            next: &[],
            retry: None,
        }
    }

    /// A file cannot be read.
    pub(crate) fn failed() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            title: "This page cannot be read".to_owned(),
            what: "The host could not read its file. Its operator finds the reason in the log.",
            next: &[],
            retry: None,
        }
    }

    /// The answer, in the form that the reader accepts.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response<Body> {
        let Self {
            status,
            title,
            what,
            next,
            retry,
        } = self;
        let (text, kind) = if accepts_html(headers) {
            let page = Html {
                status: status.as_u16(),
                title,
                what,
                next,
            };
            (page.render(), "text/html; charset=utf-8")
        } else {
            (
                Text { title, what, next }.render().map(|text| text + "\n"),
                "text/plain; charset=utf-8",
            )
        };
        let text = text.expect("writing to a string does not fail");
        let mut answer = Response::new(Body::Page(Full::from(text)));
        *answer.status_mut() = *status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(VARY, HeaderValue::from_static("accept"));
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
        );
        if *status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        if let Some(seconds) = retry {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        answer
    }
}

const APPLICATION: &[Step] = &[
    Step {
        command: "wharf status",
        shows: "shows whether it runs",
    },
    Step {
        command: "wharf log",
        shows: "shows what it has printed",
    },
];

fn accepts_html(headers: &HeaderMap) -> bool {
    let mut accepted = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_escaped_in_html() {
        let page = Page::unknown_host("<b>&");
        let html = Html {
            status: 404,
            title: &page.title,
            what: page.what,
            next: page.next,
        };
        let html = html.render().unwrap();
        assert!(html.contains("at &#60;b&#62;&#38;</h1>"), "{html}");
    }

    #[test]
    fn the_plain_page() {
        let page = Page::broken();
        let text = Text {
            title: &page.title,
            what: page.what,
            next: page.next,
        }
        .render()
        .unwrap();
        assert_eq!(
            text,
            "The application does not answer\n\n\
             It is deployed here, but its process takes no requests.\n  \
             wharf status  shows whether it runs\n  \
             wharf log  shows what it has printed"
        );
    }
}
