//! What housekeeping removes, and how much room that makes.

use bytesize::ByteSize;
use wharf_wire::{ask::Cleanup, view::Removal};

use super::{render, short, table};
use crate::failure::plain;

/// Draws the table and its sum. `width` is the terminal's, if there is one.
pub fn draw(removals: &[Removal], done: Cleanup, width: Option<u16>) -> String {
    let mut table = table(&["KIND", "OF", "NAME", "WHY", "SIZE"], width);
    for removal in removals {
        table.add_row([
            plain(&removal.kind),
            plain(removal.of.as_deref().unwrap_or_default()),
            plain(short_name(removal)),
            plain(&removal.why),
            match removal.bytes {
                0 => String::new(),
                bytes => size(bytes),
            },
        ]);
    }
    let bytes = removals.iter().map(|removal| removal.bytes).sum();
    let (count, bytes) = (removals.len(), size(bytes));
    let sum = match done {
        Cleanup::Remove => format!("{count} removed, {bytes} made free"),
        Cleanup::Look => format!("{count} would go and make {bytes} free; nothing was removed"),
    };
    format!("{}\n{sum}\n", render(&mut table))
}

fn short_name(removal: &Removal) -> &str {
    match removal.kind.as_str() {
        "slug" => short(&removal.name),
        _ => &removal.name,
    }
}

pub(super) fn size(bytes: u64) -> String {
    ByteSize(bytes).display().si().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removals_are_drawn_with_their_sum() {
        let removal = |kind: &str, of: Option<&str>, name: &str, why: &str, bytes| Removal {
            kind: kind.into(),
            of: of.map(Into::into),
            name: name.into(),
            why: why.into(),
            bytes,
        };
        let all = [
            removal("release", Some("shop@main"), "r3", "count", 0),
            removal("slug", Some("shop"), "51ab0c77d2aa", "size", 4_200_000),
            removal("cache", Some("shop"), "open", "age", 1_300_000_000),
            removal("data", None, "4f2a", "age", 2_000),
        ];
        insta::assert_snapshot!(draw(&all, Cleanup::Remove, None));
        let none = draw(&[], Cleanup::Look, None);
        assert!(none.ends_with("0 would go and make 0 B free; nothing was removed\n"));
    }
}
