//! The tree of a project's environments: who comes before whom, and who descends from whom.

use std::collections::{BTreeMap, BTreeSet};

/// An environment's place: its id and its parent's.
pub type Node<'a> = (&'a str, Option<&'a str>);

/// The indices of one project's environments, each parent before its children. One whose parent is
/// not there stands at the top; those in a ring, which policy forbids, come last.
pub fn parents_first(nodes: &[Node<'_>]) -> Vec<usize> {
    let known: BTreeSet<&str> = nodes.iter().map(|(id, _)| *id).collect();
    let mut children: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for (index, (_, parent)) in nodes.iter().enumerate() {
        let parent = parent.filter(|parent| known.contains(parent));
        children.entry(parent).or_default().push(index);
    }
    let mut ordered = Vec::with_capacity(nodes.len());
    let mut next: Vec<usize> = children.remove(&None).unwrap_or_default();
    while !next.is_empty() {
        let below = next
            .iter()
            .flat_map(|index| children.remove(&Some(nodes[*index].0)).unwrap_or_default())
            .collect();
        ordered.append(&mut next);
        next = below;
    }
    ordered.extend(children.into_values().flatten());
    ordered
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parents_come_first() {
        let nodes = [
            ("cart", Some("staging")),
            ("staging", Some("main")),
            ("main", None),
            ("lost", Some("gone")),
            ("a", Some("b")),
            ("b", Some("a")),
        ];
        assert_eq!(parents_first(&nodes), [2, 3, 1, 0, 5, 4]);
    }

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
        let ring = family(&[("a", "b"), ("b", "a")]);
        assert_eq!(descendants(&ring, "a"), ["b"]);
    }

    proptest! {
        #[test]
        fn each_comes_once(parents in prop::collection::vec(0_usize..12, 0..12)) {
            let ids: Vec<String> = (0..parents.len()).map(|id| id.to_string()).collect();
            let names: Vec<String> = parents.iter().map(ToString::to_string).collect();
            let nodes: Vec<Node<'_>> = ids
                .iter()
                .zip(&names)
                .map(|(id, parent)| (id.as_str(), Some(parent.as_str())))
                .collect();
            let mut ordered = parents_first(&nodes);
            ordered.sort_unstable();
            prop_assert_eq!(ordered, (0..nodes.len()).collect::<Vec<_>>());
        }
    }
}
