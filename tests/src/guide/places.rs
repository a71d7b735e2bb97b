//! Where each command of a guide is run: none is left out without a word.

use super::Typed;

/// Where a command is run by a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// `tests/tests/guides`, as any user.
    Here,
    /// `tests/tests/booted/guides.rs`, in a Debian of its own: what needs root, systemd or the journal.
    Machine,
    /// Another test runs what it stands for; the reason says which.
    Elsewhere,
}

/// Commands that are not run by any user: the guide, the section and the beginning of the command (either may be
/// left empty), where they are run, and why.
pub const PLACES: &[(&str, &str, &str, Where, &str)] = &[
    (
        "sysadmin.md",
        "",
        "sudo apt install ./wharf_*.deb",
        Where::Elsewhere,
        "needs the package: tests/tests/package/newcomer.rs and upgrade.rs install it; machines of other tests have what \
         `make install` puts in place",
    ),
    (
        "sysadmin.md",
        "Remove",
        "sudo apt remove wharf",
        Where::Elsewhere,
        "needs the package: tests/tests/package/removal.rs",
    ),
    (
        "sysadmin.md",
        "",
        "make release",
        Where::Elsewhere,
        "builds all of it anew: what is tested comes from `make build`, of which it is the optimised form, and \
         `make bench` runs it",
    ),
    (
        "sysadmin.md",
        "Install",
        "sudo make install",
        Where::Here,
        "into a directory of the test's own, with DESTDIR",
    ),
    (
        "sysadmin.md",
        "Try it without root",
        "",
        Where::Here,
        "any user can",
    ),
    (
        "sysadmin.md",
        "",
        "",
        Where::Machine,
        "a host is changed by root",
    ),
    (
        "operator.md",
        "",
        "journalctl",
        Where::Machine,
        "needs a journal",
    ),
    (
        "operator.md",
        "",
        "systemctl",
        Where::Machine,
        "needs systemd",
    ),
];

/// Where a command is run: any user can run what is not listed.
pub fn place(typed: &Typed) -> Where {
    let of_it = PLACES.iter().find(|place| is_of(place, typed));
    of_it.map_or(Where::Here, |(.., place, _)| *place)
}

fn is_of((guide, section, start, ..): &(&str, &str, &str, Where, &str), typed: &Typed) -> bool {
    *guide == typed.guide
        && (section.is_empty() || *section == typed.section)
        && typed.text.starts_with(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guide::{GUIDES, typed};

    #[test]
    fn nothing_is_listed_that_no_guide_has() {
        let commands: Vec<_> = GUIDES.into_iter().flat_map(typed).collect();
        for place in PLACES {
            let mut it = commands.iter();
            assert!(it.any(|typed| is_of(place, typed)), "{place:?}");
        }
    }
}
