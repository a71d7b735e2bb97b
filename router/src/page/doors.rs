//! What is said to those who may not look.

use http::StatusCode;

use super::{Page, Step};
use crate::doors::LinkState;

/// How somebody with a work tree lets others in.
const GRANT: &[Step] = &[Step {
    command: "wharf url --grant 1h",
    shows: "prints a link that opens this page for an hour",
}];

impl Page {
    /// A name and its password are asked for.
    pub(crate) fn who_are_you() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            title: "This page asks for a name and a password".to_owned(),
            what: "Who runs it has given them out. Whoever may push to it can also give you a link:",
            next: GRANT,
            retry: None,
        }
    }

    /// Only those on the machine, or with a link.
    pub(crate) fn not_yours() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            title: "This page is not public".to_owned(),
            what: "It opens with a link, which whoever may push to it can give you:",
            next: GRANT,
            retry: None,
        }
    }

    /// Only those from some networks.
    pub(crate) fn not_from_there() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            title: "This page is not public".to_owned(),
            what: "It opens from some networks only, and yours is none of them. Its operator decides which.",
            next: &[],
            retry: None,
        }
    }

    /// A link that does not open.
    pub(crate) fn bad_link(state: LinkState) -> Self {
        let (title, what) = match state {
            LinkState::Expired => (
                "This link has expired",
                "Whoever may push to this environment can give you a new one:",
            ),
            LinkState::Foreign => (
                "This link does not open this page",
                "It is of another environment, or not whole. Whoever may push to this one can give you a new one:",
            ),
        };
        Self {
            status: StatusCode::FORBIDDEN,
            title: title.to_owned(),
            what,
            next: GRANT,
            retry: None,
        }
    }

    /// Too many passwords wait for their check.
    pub(crate) fn too_many() -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            title: "Too many passwords are tried at this moment".to_owned(),
            what: "The page may be asked for again.",
            next: &[],
            retry: Some("5"),
        }
    }

    /// Nothing runs, and this request starts nothing.
    pub(crate) fn paused() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "This environment is paused".to_owned(),
            what: "Nothing of it runs; its data is kept. A push starts it again, and so does this:",
            next: &[Step {
                command: "wharf resume",
                shows: "starts it again",
            }],
            retry: Some("60"),
        }
    }

    /// Visitors must not meet it, and it has no page of its own for them.
    pub(crate) fn maintenance() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "This site is being worked on".to_owned(),
            what: "It will be back in a moment; the page may be asked for again.",
            next: &[],
            retry: Some("10"),
        }
    }

    /// More wait for a paused environment than may.
    pub(crate) fn waking() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "This environment was paused".to_owned(),
            what: "It is being started; the page may be asked for again in a moment.",
            next: &[Step {
                command: "wharf status",
                shows: "shows whether it runs",
            }],
            retry: Some("5"),
        }
    }
}
