//! Somebody who begins a push and leaves it.

use rustix::process::Signal;
use wharf_tests::{Said, Sshd, Watched};

/// How somebody leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Ctrl-C.
    Interrupted,
    /// The network goes away.
    Cut,
    /// Ctrl-Z, or a laptop that sleeps: the connection stays, and nobody reads.
    Stopped,
}

impl Way {
    /// The one that comes back is the last: it reads whether all is as before those that did not.
    pub(crate) const ALL: [Way; 3] = [Way::Interrupted, Way::Cut, Way::Stopped];

    /// Leaves the newest push over this sshd; returns when the host can know of it.
    pub(crate) fn leave(self, push: &Watched, sshd: &Sshd<'_>) {
        match self {
            Way::Interrupted => {
                push.signal(Signal::INT);
                sshd.wait_until_left();
            }
            Way::Cut => sshd.cut(),
            Way::Stopped => push.signal(Signal::STOP),
        }
    }

    /// What was read until then, or also afterwards by whoever comes back.
    pub(crate) fn read(self, push: Watched) -> Said {
        if self == Way::Stopped {
            push.signal(Signal::CONT);
            return push.said();
        }
        let said = push.said();
        assert_ne!(said.code, 0, "{said}");
        said
    }
}
