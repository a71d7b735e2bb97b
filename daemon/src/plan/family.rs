//! The tree of a project's environments: who descends from whom.

use std::collections::{BTreeMap, BTreeSet};

/// Each environment's parent, by their ids.
pub type Parents = BTreeMap<String, Option<String>>;

/// All that descend from an environment, the deepest first.
pub fn descendants(parents: &Parents, top: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut seen = BTreeSet::from([top]);
    let mut level = vec![top];
    while !level.is_empty() {
        let below = parents
            .iter()
            .filter(|(_, parent)| parent.as_deref().is_some_and(|p| level.contains(&p)))
            .map(|(id, _)| id.as_str());
        // A ring, which is refused, would have no end.
        level = below.filter(|id| seen.insert(id)).collect();
        found.extend(level.iter().map(|id| (*id).to_owned()));
    }
    found.reverse();
    found
}

/// Whether an environment would descend from itself with this parent.
pub fn makes_ring(parents: &Parents, id: &str, parent: &str) -> bool {
    id == parent || descendants(parents, id).iter().any(|below| below == parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(pairs: &[(&str, &str)]) -> Parents {
        let parent = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        pairs
            .iter()
            .map(|(id, of)| ((*id).to_owned(), parent(of)))
            .collect()
    }

    #[test]
    fn the_deepest_come_first_and_a_ring_has_an_end() {
        let parents = family(&[
            ("production", ""),
            ("staging", "production"),
            ("a", "staging"),
            ("b", "a"),
            ("other", "production"),
        ]);
        assert_eq!(descendants(&parents, "staging"), ["b", "a"]);
        assert!(descendants(&parents, "other").is_empty());
        assert!(makes_ring(&parents, "staging", "b"));
        assert!(makes_ring(&parents, "a", "a"));
        assert!(!makes_ring(&parents, "a", "other"));
        let ring = family(&[("a", "b"), ("b", "a")]);
        assert_eq!(descendants(&ring, "a"), ["b"]);
    }
}
