//! What data an environment begins with: its parent's, or none.

use wharf_config::project::NewData;

use super::options::Data;

/// What is recorded of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Beginning {
    /// As the project's file has it.
    #[default]
    ByRule,
    /// Its parent's, since somebody wished so.
    Clone,
    /// None, since somebody wished so.
    Empty,
    /// Its parent's came.
    Cloned,
}

impl Beginning {
    const ALL: [Beginning; 4] = [
        Beginning::ByRule,
        Beginning::Clone,
        Beginning::Empty,
        Beginning::Cloned,
    ];

    /// As somebody wishes it.
    #[must_use]
    pub fn of(wish: Option<Data>) -> Beginning {
        match wish {
            None => Beginning::ByRule,
            Some(Data::Clone) => Beginning::Clone,
            Some(Data::Empty) => Beginning::Empty,
        }
    }

    /// The word that the store uses.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Beginning::ByRule => "",
            Beginning::Clone => "clone",
            Beginning::Empty => "empty",
            Beginning::Cloned => "cloned",
        }
    }

    /// Reads [`Beginning::word`].
    #[must_use]
    pub fn parse(word: &str) -> Option<Beginning> {
        Beginning::ALL.into_iter().find(|one| one.word() == word)
    }

    /// Whether the parent's data is to come before a deployment: once, and only where nothing ever served.
    #[must_use]
    pub fn clones(self, rule: NewData, serves: bool, seeded: bool) -> bool {
        let wished = match self {
            Beginning::ByRule => rule == NewData::Clone,
            Beginning::Clone => true,
            Beginning::Empty | Beginning::Cloned => false,
        };
        wished && !serves && !seeded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parents_data_comes_once_and_before_all_else() {
        for one in Beginning::ALL {
            assert_eq!(Beginning::parse(one.word()), Some(one));
            for rule in [NewData::Clone, NewData::Empty] {
                let expected =
                    one == Beginning::Clone || (one == Beginning::ByRule && rule == NewData::Clone);
                assert_eq!(one.clones(rule, false, false), expected, "{one:?} {rule:?}");
                assert!(!one.clones(rule, true, false));
                assert!(!one.clones(rule, false, true));
            }
        }
        assert_eq!(Beginning::of(None), Beginning::ByRule);
    }
}
