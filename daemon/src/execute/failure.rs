//! Why an activity did not succeed, as its pusher reads it.

use wharf_wire::view::Reason;

use crate::store::StoreError;

/// The end of an activity that did not reach its aim. Before the route is written it changes
/// nothing of what serves.
#[derive(Debug)]
pub struct Failure {
    /// What is recorded: a stable code, the verdict, the hint.
    pub reason: Reason,
    /// Lines below the verdict: the last output, or a problem with its place.
    pub details: Vec<String>,
    /// Somebody stopped it.
    pub cancelled: bool,
    /// The exit status of the command that failed.
    pub exit_code: Option<i32>,
}

impl Failure {
    /// A failure with its stable code and verdict.
    pub fn new(code: &str, message: impl Into<String>) -> Failure {
        Failure {
            reason: Reason {
                code: code.into(),
                message: message.into(),
                hint: None,
            },
            details: Vec::new(),
            cancelled: false,
            exit_code: None,
        }
    }

    /// Somebody stopped it.
    pub fn cancelled() -> Failure {
        Failure {
            cancelled: true,
            ..Failure::new("cancelled", "cancelled")
        }
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.reason.hint = Some(hint.into());
        self
    }

    /// Adds lines below the verdict.
    #[must_use]
    pub fn details(mut self, lines: impl IntoIterator<Item = String>) -> Failure {
        self.details.extend(lines);
        self
    }

    /// Keeps the exit status.
    #[must_use]
    pub fn exit_code(mut self, code: Option<i32>) -> Failure {
        self.exit_code = code;
        self
    }

    /// Something of the host's own failed: named whole, with its causes.
    pub fn host(what: &str, error: &(dyn std::error::Error + 'static)) -> Failure {
        Failure::new("host", format!("{what}: {}", chain(error)))
            .hint("this is the host's trouble, not your code's: tell its operator")
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::host("cannot record", &error)
    }
}

/// An error with its causes, on one line: rendered once, at the edge.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
