use std::path::PathBuf;

use super::rule::{Reach, Rule};
use super::stand::{Kind, Stand};
use super::*;

/// Users and a group whom nobody needs to know by name.
const OWNER: u32 = 23_456;
const OTHER: u32 = 34_567;
const GROUP: u32 = 45_678;

fn judged(kind: Kind, uid: u32, mode: u32, rule: &Rule<'_>) -> Option<(Severity, String, String)> {
    let stand = Stand {
        path: PathBuf::from("/a b"),
        kind,
        uid,
        gid: GROUP,
        mode,
    };
    let wrong = rule.judge(&stand)?;
    Some((wrong.severity, wrong.message, wrong.fix))
}

#[test]
fn each_right_too_much_has_one_command() {
    let owners = [OWNER];
    let ruled = Rule::ruled(&owners);
    let secret = Rule::secret(&owners);
    let shown = Rule::shown(&owners);
    let shared = Rule {
        write: Reach::Group,
        ..shown
    };
    for (rule, uid, mode, fix) in [
        (&ruled, OWNER, 0o644, None),
        (&ruled, 0, 0o755, None),
        (&ruled, OWNER, 0o646, Some("chmod o-w '/a b'")),
        (&ruled, OTHER, 0o644, Some("chown 23456 '/a b'")),
        (
            &ruled,
            OTHER,
            0o777,
            Some("chown 23456 '/a b' && chmod o-w '/a b'"),
        ),
        // Nobody is in that group.
        (&ruled, OWNER, 0o664, None),
        (&secret, OWNER, 0o600, None),
        (&secret, OWNER, 0o604, Some("chmod o-rwx '/a b'")),
        (&secret, OWNER, 0o606, Some("chmod o-w,o-rwx '/a b'")),
        (&shown, OWNER, 0o750, None),
        (&shown, OWNER, 0o751, Some("chmod o-rwx '/a b'")),
        (&shared, OWNER, 0o660, None),
        (&shared, OWNER, 0o662, Some("chmod o-w '/a b'")),
    ] {
        let found = judged(Kind::File, uid, mode, rule);
        let found = found.map(|(severity, _, fix)| (severity, fix));
        let wanted = fix.map(|fix| (Severity::Error, fix.to_owned()));
        assert_eq!(found, wanted, "{uid} {mode:o}");
    }
}

#[test]
fn a_directory_like_tmp_lets_nobody_replace_what_is_in_it() {
    let rule = Rule::ruled(&[]);
    assert_eq!(judged(Kind::Directory, 0, 0o1777, &rule), None);
    assert!(judged(Kind::Directory, 0, 0o777, &rule).is_some());
    // It says nothing of a file, and a link has no mode.
    assert!(judged(Kind::File, 0, 0o1777, &rule).is_some());
    assert_eq!(judged(Kind::Link, 0, 0o777, &rule), None);
}

#[test]
fn a_group_counts_by_who_is_in_it() {
    // A user with a group that is nobody else's, on every system.
    let daemon = uzers::get_user_by_name("daemon").expect("every system has it");
    let stand = Stand {
        path: PathBuf::from("/x"),
        kind: Kind::File,
        uid: 0,
        gid: daemon.primary_group_id(),
        mode: 0o664,
    };
    let wrong = Rule::ruled(&[])
        .judge(&stand)
        .expect("daemon may change it");
    assert_eq!(wrong.fix, "chmod g-w /x");
    assert!(wrong.message.contains("(daemon)"), "{}", wrong.message);
    let own = [daemon.uid()];
    assert_eq!(Rule::ruled(&own).judge(&stand), None);
    let warned = Rule {
        group: Severity::Warning,
        ..Rule::ruled(&[])
    };
    let wrong = warned.judge(&stand).expect("daemon may change it");
    assert_eq!(wrong.severity, Severity::Warning);
}
