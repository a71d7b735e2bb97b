//! What a new daemon does with an activity that the last one did not end.

/// What is known of it: the steps that were started, and what the table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// Steps in order: name, and whether it ended.
    pub steps: &'a [(&'a str, bool)],
    /// Whether the routing table holds the release that it was making.
    pub routed: bool,
    /// Whether its deploy commands may run twice.
    pub repeatable: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// From the beginning: nothing that was done matters.
    Redo,
    /// It was live: only what comes after is left.
    Finish,
    /// Deploy commands began and may not run again unasked.
    Fail,
}

/// The prefix of the names of steps that run deploy commands.
pub const DEPLOY_COMMAND: &str = "deploy ";

/// Decides by the last step that was started.
pub fn decide(found: &Found<'_>) -> Recovery {
    if found.routed {
        return Recovery::Finish;
    }
    let commands_began = found
        .steps
        .iter()
        .any(|(name, _)| name.starts_with(DEPLOY_COMMAND));
    if commands_began && !found.repeatable {
        Recovery::Fail
    } else {
        Recovery::Redo
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_a_deployment_has_its_answer() {
        let steps = [
            ("checkout", true),
            ("build 1", true),
            ("release", true),
            ("deploy 1", true),
            ("health", true),
            ("route", false),
        ];
        let expected = [
            Recovery::Redo,
            Recovery::Redo,
            Recovery::Redo,
            Recovery::Redo,
            Recovery::Fail,
            Recovery::Fail,
            Recovery::Fail,
        ];
        for (length, expected) in expected.into_iter().enumerate() {
            let found = Found {
                steps: &steps[..length],
                routed: false,
                repeatable: false,
            };
            assert_eq!(decide(&found), expected, "after {length} steps");
            assert_eq!(
                decide(&Found {
                    repeatable: true,
                    ..found
                }),
                Recovery::Redo
            );
            assert_eq!(
                decide(&Found {
                    routed: true,
                    ..found
                }),
                Recovery::Finish
            );
        }
    }
}
