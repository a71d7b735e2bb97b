//! What the end of a command means.

use crate::execute::bound::Bound;
use crate::run::runner::Exit;

/// Why a command did not do what it should.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Somebody stopped it.
    Cancelled,
    /// It met a limit: why it ended, and what to do.
    Over([String; 2]),
    /// It failed.
    Failed {
        /// Its exit code or signal, or what ended it.
        why: String,
        /// What to do, where more than its output tells.
        hint: Option<String>,
        /// The exit code, where it has one.
        code: Option<i32>,
    },
}

/// What an end means, of a command that printed so many bytes; none where all is well.
pub(super) fn of(exit: &Exit, bound: &Bound, bytes: u64) -> Option<Verdict> {
    let failed = |why: String, hint: Option<String>, code: Option<i32>| {
        Some(Verdict::Failed { why, hint, code })
    };
    let stopped = |[why, hint]: [String; 2]| Some(Verdict::Over([format!("stopped: {why}"), hint]));
    if bytes > bound.output() {
        return stopped(bound.loud());
    }
    match *exit {
        Exit::Code(0) => None,
        Exit::Code(127) => failed(
            "exit code 127: a command was not found".into(),
            Some("install it on the host below /usr, or in an earlier step".into()),
            Some(127),
        ),
        Exit::Code(code) => failed(said_of(code), None, Some(code)),
        Exit::Signal(number) => failed(format!("ended by {}", signal(number)), None, None),
        Exit::TimedOut(_) => stopped(bound.late()),
        Exit::Silent(_) => stopped(bound.silent()),
        Exit::Exceeded(excess) => Some(Verdict::Over(bound.exceeded(&excess))),
        Exit::Cancelled => Some(Verdict::Cancelled),
        Exit::Lost => failed("it ended, and how is not known".into(), None, None),
    }
}

/// An exit code in words: a shell's own for what a signal ended is that signal.
pub(in crate::execute) fn said_of(code: i32) -> String {
    match code {
        129..160 => format!("ended by {}", signal(code - 128)),
        code => format!("exit code {code}"),
    }
}

/// A signal as people know it: `signal 9 (SIGKILL)`.
pub(in crate::execute) fn signal(number: i32) -> String {
    match signal_hook::low_level::signal_name(number) {
        Some(name) => format!("signal {number} ({name})"),
        None => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_their_names() {
        assert_eq!(signal(9), "signal 9 (SIGKILL)");
        assert_eq!(signal(31 + 20), "signal 51");
    }
}
