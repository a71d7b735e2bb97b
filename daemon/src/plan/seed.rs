//! Whether an environment gets sample data by itself.

use wharf_config::application::Seed;
use wharf_config::project::Kind;

/// What an environment is before a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// Its type.
    pub kind: Kind,
    /// Whether a release serves or served: then people's data may be there.
    pub serves: bool,
    /// Whether its data came from elsewhere: a parent, or a restored snapshot.
    pub cloned: bool,
    /// Whether it was seeded.
    pub seeded: bool,
}

/// Whether the first deployment of an environment brings sample data: once, where its type is named,
/// and where no other data can be.
#[must_use]
pub fn wants(seed: &Seed, before: Before) -> bool {
    let is_empty = !before.serves && !before.cloned && !before.seeded;
    is_empty && seed.only.contains(&before.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Before = Before {
        kind: Kind::Development,
        serves: false,
        cloned: false,
        seeded: false,
    };

    #[test]
    fn only_a_new_environment_of_a_named_type_is_seeded() {
        let seed = |only: &[Kind]| Seed {
            run: Vec::new(),
            only: only.to_vec(),
        };
        let usual = seed(&[Kind::Development]);
        assert!(wants(&usual, NEW));
        for kind in [Kind::Staging, Kind::Production] {
            assert!(!wants(&usual, Before { kind, ..NEW }));
            assert!(wants(&seed(&[kind]), Before { kind, ..NEW }));
        }
        for before in [
            Before {
                serves: true,
                ..NEW
            },
            Before {
                cloned: true,
                ..NEW
            },
            Before {
                seeded: true,
                ..NEW
            },
        ] {
            assert!(!wants(&usual, before), "{before:?}");
        }
        assert!(!wants(&seed(&[]), NEW));
    }
}
