//! Why an activity did not succeed, as its pusher reads it.

use wharf_wire::view::Reason;

use crate::store::StoreError;

/// The code of a full disk.
const FULL: &str = "disk-full";
/// What comes first then.
const ROOM: &str = "the host's operator must make room";

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

    /// There is no room left on the host's disk.
    pub fn full(message: impl Into<String>) -> Failure {
        Failure::new(FULL, message).hint(ROOM)
    }

    /// Whether it is that.
    pub fn is_full(&self) -> bool {
        self.reason.code == FULL
    }

    /// Says how to do it again where only room is lacking; other advice follows.
    #[must_use]
    pub fn again_with_room(mut self, command: &str) -> Failure {
        if let Some(hint) = self
            .reason
            .hint
            .as_mut()
            .filter(|hint| hint.starts_with(ROOM))
        {
            hint.insert_str(ROOM.len(), &format!("; then: {command}"));
        }
        self
    }

    /// Itself, or that the disk is full where that is why: whatever failed for want of room says so
    /// in the system's words, also where a library made a text of them.
    #[must_use]
    pub fn or_full(self) -> Failure {
        if self.is_full() {
            return self;
        }
        let message = &self.reason.message;
        let said = StoreError::Full.to_string();
        let full = if message.contains(&said) {
            Failure::full(message)
        } else if ["(os error 28)", "(os error 122)"]
            .iter()
            .any(|error| message.contains(error))
        {
            // ENOSPC and EDQUOT.
            Failure::full(format!("{said}: {message}"))
        } else {
            return self;
        };
        Failure {
            details: self.details,
            exit_code: self.exit_code,
            ..full
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_for_want_of_room_says_so() {
        let message = "cannot write a/b: No space left on device (os error 28)";
        let full = Failure::new("checkout-failed", message).or_full();
        assert!(full.is_full());
        let hint = |failure: Failure| failure.reason.hint.unwrap();
        let again = hint(full.again_with_room("wharf redeploy"));
        assert_eq!(
            again,
            "the host's operator must make room; then: wharf redeploy"
        );
        let advised = Failure::full("no room").hint("do something else");
        assert_eq!(hint(advised.or_full()), "do something else");
        let full = Failure::new("checkout-failed", message).or_full();
        let said = "the host's disk is full: cannot write a/b: No space left";
        assert!(full.reason.message.starts_with(said), "{full:?}");
        let record = Failure::from(StoreError::Full).or_full();
        let said = "cannot record: the host's disk is full";
        assert_eq!(record.reason.message, said);
        assert_eq!(record.reason.code, "disk-full");
        let other = Failure::new("crashed", "it ended").or_full();
        assert_eq!(other.reason.code, "crashed");
    }
}
