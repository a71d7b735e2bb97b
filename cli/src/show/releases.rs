//! The releases of an environment, newest first.

use wharf_wire::view::Release;

use super::{render, short, table, when};
use crate::failure::plain;

/// Draws the table. `width` is the terminal's, if there is one.
pub fn draw(releases: &[Release], now: u64, width: Option<u16>) -> String {
    let mut table = table(
        &[
            "RELEASE", "STATE", "ROLLBACK", "WHEN", "SLUG", "ACTIVITY", "COMMIT",
        ],
        width,
    );
    for release in releases {
        table.add_row([
            format!("r{}", release.number),
            if release.live {
                "serves".to_owned()
            } else {
                plain(&release.state)
            },
            if release.offered { "yes" } else { "" }.to_owned(),
            when::ago(now, release.created),
            plain(short(&release.slug)),
            plain(&release.activity),
            plain(&format!("{} {}", short(&release.commit), release.subject)),
        ]);
    }
    render(&mut table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_drawn() {
        let release = |number, state: &str| Release {
            number,
            commit: "9c1e5f00aa".into(),
            subject: "Sell boats".into(),
            slug: "51ab0c77d2".into(),
            live: number == 3,
            offered: number == 1,
            state: state.into(),
            activity: format!("4f2{number}"),
            created: 1_700_000_000_000,
        };
        let all = [
            release(3, "ready"),
            release(2, "failed"),
            release(1, "ready"),
        ];
        insta::assert_snapshot!(draw(&all, 1_700_000_100_000, None));
    }
}
