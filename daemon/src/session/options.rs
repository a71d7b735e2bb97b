//! What `git push -o` asked for. An option that nobody knows is a warning, never a failure.

use crate::order::Rebuild;
use crate::report;

/// The options of one push.
#[derive(Debug)]
pub(super) struct Options {
    /// Whether the pusher watches.
    pub(super) wait: Wait,
    /// Whether a slug that is there may be used.
    pub(super) rebuild: Rebuild,
    /// Whether anything happens.
    pub(super) run: Run,
    /// Lines about options that are not known.
    pub(super) warnings: Vec<String>,
}

/// Whether the pusher watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// To the end.
    Yes,
    /// `-o nowait`.
    No,
}

/// Whether anything happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// Yes.
    Real,
    /// `-o dry-run`: it is only said what would.
    Dry,
}

impl Options {
    /// Reads them.
    pub(super) fn read(options: &[String]) -> Options {
        let mut read = Options {
            wait: Wait::Yes,
            rebuild: Rebuild::of(options),
            run: Run::Real,
            warnings: Vec::new(),
        };
        for option in options {
            match option.as_str() {
                "nowait" => read.wait = Wait::No,
                // Read above.
                "rebuild" => {}
                "dry-run" => read.run = Run::Dry,
                other => {
                    let shown: String = other.chars().take(40).collect();
                    let text =
                        format!("unknown push option `{shown}`; known: dry-run, nowait, rebuild");
                    read.warnings.extend(report::warning(&text));
                }
            }
        }
        read
    }
}
