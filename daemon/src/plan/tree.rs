//! The tree of environments: parents, children, rings.

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
