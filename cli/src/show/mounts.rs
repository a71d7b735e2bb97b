//! Mounts as a table.

use wharf_wire::mount::Mount;

use super::{removals::size, render, table};
use crate::failure::plain;

/// Draws the table. `width` is the terminal's, if there is one.
pub fn draw(mounts: &[Mount], width: Option<u16>) -> String {
    let is_counted = mounts.iter().any(|mount| mount.used.is_some());
    let heads: &[&str] = match is_counted {
        true => &["MOUNT", "KIND", "SIZE", "FILES", "QUOTA", "FULL"],
        false => &["MOUNT", "KIND", "IS", "QUOTA"],
    };
    let mut table = table(heads, width);
    for mount in mounts {
        let quota = mount.quota.map_or_else(|| "-".to_owned(), size);
        let (path, kind) = (plain(&mount.path), plain(&mount.kind));
        match mount.used {
            Some(used) => {
                let more = if used.whole { "" } else { "more than " };
                table.add_row([
                    path,
                    kind,
                    format!("{more}{}", size(used.bytes)),
                    format!("{more}{}", used.files),
                    quota,
                    mount
                        .quota
                        .map_or_else(|| "-".to_owned(), |quota| full(used.bytes, quota)),
                ]);
            }
            None => {
                let is = if mount.file { "file" } else { "directory" };
                table.add_row([path, kind, is.to_owned(), quota]);
            }
        }
    }
    render(&mut table)
}

/// In hundredths, rounded down.
fn full(bytes: u64, quota: u64) -> String {
    let hundredths = u128::from(bytes) * 100 / u128::from(quota.max(1));
    format!("{hundredths} %")
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_wire::mount::Used;

    fn mount(path: &str, quota: Option<u64>, used: Option<Used>) -> Mount {
        Mount {
            project: "shop".into(),
            environment: "main".into(),
            path: path.into(),
            kind: "data".into(),
            file: false,
            quota,
            used,
        }
    }

    #[test]
    fn what_is_known_is_shown() {
        let used = |bytes, whole| {
            Some(Used {
                bytes,
                files: 3,
                whole,
            })
        };
        let drawn = draw(
            &[
                mount("media", Some(2_000_000), used(1_000_000, true)),
                mount("var", None, used(7_000_000, false)),
            ],
            None,
        );
        insta::assert_snapshot!(drawn, @r"
        MOUNT  KIND  SIZE              FILES        QUOTA   FULL
        media  data  1.0 MB            3            2.0 MB  50 %
        var    data  more than 7.0 MB  more than 3  -       -
        ");
        let drawn = draw(&[mount("media", Some(2_000_000), None)], None);
        insta::assert_snapshot!(drawn, @r"
        MOUNT  KIND  IS         QUOTA
        media  data  directory  2.0 MB
        ");
    }
}
