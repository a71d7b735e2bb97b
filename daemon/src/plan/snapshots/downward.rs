//! Data goes downward only: into the environment that it is of, or into one below it.

use wharf_config::project::{Kind, Sanitize};

/// Where data comes from, as seen from where it is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The same environment.
    Itself,
    /// One above it in the tree.
    Above,
    /// One below it, or beside it, or one that is gone.
    Elsewhere,
}

/// Why data may not go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotThere {
    /// It would go up, or beside.
    #[error("data goes into the environment that it is of, or into one below it")]
    Upward,
    /// Into one that is guarded better than where it is from.
    #[error("data of a {} never goes into a {}", .from.as_str(), .to.as_str())]
    Guarded {
        /// The type where it is from.
        from: Kind,
        /// The type where it would go.
        to: Kind,
    },
    /// Nobody says that it may go as it is.
    #[error("production's data leaves it only scrubbed, and nothing says how")]
    Unscrubbed,
}

impl NotThere {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Upward | Self::Guarded { .. } => "see the tree: wharf environments",
            Self::Unscrubbed => {
                "the operator names what scrubs it in the project's file: [data] sanitize = \
     \"COMMAND\"; or false where nobody in it has to be hidden"
            }
        }
    }
}

/// Whether data of an environment of type `kind` may go into one of type `into`.
///
/// # Errors
/// [`NotThere`].
pub fn may_restore(
    from: Origin,
    kind: Kind,
    into: Kind,
    sanitize: &Sanitize,
) -> Result<(), NotThere> {
    match from {
        Origin::Itself => return Ok(()),
        Origin::Above => {}
        Origin::Elsewhere => return Err(NotThere::Upward),
    }
    if guard(into) > guard(kind) {
        return Err(NotThere::Guarded {
            from: kind,
            to: into,
        });
    }
    match (kind, sanitize) {
        (Kind::Production, Sanitize::Unsaid) => Err(NotThere::Unscrubbed),
        _ => Ok(()),
    }
}

/// How well data of a type is guarded, compared with others'.
fn guard(kind: Kind) -> u8 {
    match kind {
        Kind::Development => 0,
        Kind::Staging => 1,
        Kind::Production => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kind::{Development, Production, Staging};

    #[test]
    fn data_goes_downward_only() {
        const KINDS: [Kind; 3] = [Development, Staging, Production];
        for kind in KINDS {
            for into in KINDS {
                for sanitize in [
                    Sanitize::Needless,
                    Sanitize::Unsaid,
                    Sanitize::Command("true".to_owned()),
                ] {
                    let may = |from| may_restore(from, kind, into, &sanitize);
                    assert_eq!(may(Origin::Itself), Ok(()));
                    assert_eq!(may(Origin::Elsewhere), Err(NotThere::Upward));
                    let expected = match (kind, into, &sanitize) {
                        (Development, Staging | Production, _) | (Staging, Production, _) => {
                            Err(NotThere::Guarded {
                                from: kind,
                                to: into,
                            })
                        }
                        (Production, _, Sanitize::Unsaid) => Err(NotThere::Unscrubbed),
                        _ => Ok(()),
                    };
                    assert_eq!(
                        may(Origin::Above),
                        expected,
                        "{kind:?} {into:?} {sanitize:?}"
                    );
                }
            }
        }
    }
}
