//! Snapshots of environments' data, newest first.

use wharf_wire::snapshot::Snapshot;

use super::{removals::size, render, table, when};
use crate::failure::plain;

/// Draws the table. `width` is the terminal's, if there is one.
pub fn draw(snapshots: &[Snapshot], now: u64, width: Option<u16>) -> String {
    let heads = [
        "SNAPSHOT", "OF", "STATE", "TAKEN", "WHY", "SIZE", "NEW", "RELEASE", "TRIED", "TITLE",
    ];
    let mut table = table(&heads, width);
    for one in snapshots {
        let title = match &one.error {
            Some(error) => plain(error),
            None => plain(&one.title),
        };
        table.add_row([
            plain(&one.id),
            plain(&one.environment),
            plain(&one.state),
            when::ago(now, one.created),
            plain(&one.why),
            size(one.bytes),
            size(one.added),
            one.release
                .map(|number| format!("r{number}"))
                .unwrap_or_default(),
            one.verified
                .map(|at| when::ago(now, at))
                .unwrap_or_default(),
            title,
        ]);
    }
    render(&mut table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_drawn() {
        let snapshot = |id: &str, state: &str| Snapshot {
            id: id.to_owned(),
            project: "shop".to_owned(),
            environment: "main".to_owned(),
            state: state.to_owned(),
            why: "manual".to_owned(),
            title: "before the sale".to_owned(),
            release: Some(3),
            commit: None,
            parts: Vec::new(),
            bytes: 3_000_000,
            added: 2_000,
            created: 1_700_000_000_000,
            verified: (state == "good").then_some(1_700_000_050_000),
            error: (state == "bad").then(|| "a pack is damaged".to_owned()),
        };
        let all = [snapshot("4f2b", "good"), snapshot("4f2a", "bad")];
        let drawn = draw(&all, 1_700_000_100_000, None);
        for word in [
            "4f2b",
            "before the sale",
            "a pack is damaged",
            "3.0 MB",
            "r3",
        ] {
            assert!(drawn.contains(word), "{word}: {drawn}");
        }
    }
}
