//! What keeps applications apart, and what does not: for `wharf doctor`.

use std::{fs, io};

use wharf_sandbox::place;
use wharf_sandbox::users::{self, Users};
use wharf_wire::view::{Finding, Severity};

use crate::run::{bubblewrap::Bubblewrap, isolation::Isolation};

/// Where all of it is written.
const PAGE: &str = "docs/isolation.md lists what holds and what is open";

/// What bubblewrap alone cannot give, and what it cannot do here.
pub(super) fn findings(isolation: &Isolation) -> Vec<Finding> {
    match isolation {
        Isolation::Bubblewrap(bubblewrap) => of_bubblewrap(bubblewrap),
        Isolation::Units => {
            let expected = finding(
                "applications share the host's network unless theirs is \"private\", and its memory \
                 and disk unless they are limited"
                    .into(),
                &format!("expected; {PAGE}"),
            );
            std::iter::once(expected).chain(of_users()).collect()
        }
    }
}

/// Whoever else has users of the range that environments and builds have.
fn of_users() -> Vec<Finding> {
    let strangers = || {
        let start = fs::read_to_string(place::range())?;
        let start = start.trim().parse().map_err(io::Error::other)?;
        let taken = users::taken()?;
        let users = Users::starting(start);
        Ok(users.strangers(&taken).cloned().collect::<Vec<_>>())
    };
    match strangers() {
        Ok(strangers) => strangers.iter().map(of_stranger).collect(),
        Err::<_, io::Error>(error) => vec![finding(
            format!(
                "which users applications have cannot be told: {}: {error}",
                place::range().display()
            ),
            "systemctl restart wharf-helper",
        )],
    }
}

fn of_stranger(taken: &users::Taken) -> Finding {
    let users::Taken {
        numbers,
        whose,
        file,
    } = taken;
    let last = numbers.end.saturating_sub(1);
    Finding {
        severity: Severity::Error,
        ..finding(
            format!(
                "{} has users {}-{last} by /etc/{file}, of which some are those of applications",
                whose.escape_default(),
                numbers.start
            ),
            &format!(
                "give {} other numbers in /etc/{file}: whoever has these can become an application",
                whose.escape_default()
            ),
        )
    }
}

fn of_bubblewrap(bubblewrap: &Bubblewrap) -> Vec<Finding> {
    let mut findings = vec![finding(
        "applications share one user, the host's network, its memory and its disk: bubblewrap alone \
         keeps them apart"
            .into(),
        &format!("expected without systemd; {PAGE}"),
    )];
    findings.extend(bubblewrap.forks.unlimited().map(|why| {
        finding(
            format!("nothing limits how many processes an application starts: {why}"),
            "run the daemon as a user of its own on Linux 5.14 or newer",
        )
    }));
    findings.extend(bubblewrap.reduced.iter().map(|reduced| {
        finding(
            format!("reduced isolation: {reduced}"),
            "install bubblewrap 0.8 or newer, on a kernel with seccomp filters",
        )
    }));
    findings
}

fn finding(message: String, hint: &str) -> Finding {
    Finding {
        severity: Severity::Warning,
        code: "isolation".into(),
        message,
        hint: Some(hint.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{
        bubblewrap::{Filters, Forks},
        sandbox::UserNamespaces,
    };

    #[test]
    fn what_is_weaker_here_is_said_beside_what_always_is() {
        let mut bubblewrap = Bubblewrap {
            program: "/usr/bin/bwrap".into(),
            user_namespaces: UserNamespaces::Disabled,
            filters: Filters::Work,
            forks: Forks::Counted,
            reduced: vec![],
        };
        assert_eq!(of_bubblewrap(&bubblewrap).len(), 1);
        bubblewrap.forks = Forks::Root;
        bubblewrap.reduced = vec!["system calls are not filtered".into()];
        let said = of_bubblewrap(&bubblewrap);
        assert_eq!(said.len(), 3);
        assert!(said[1].message.contains("runs as root"));
        assert!(
            said[2]
                .message
                .starts_with("reduced isolation: system calls")
        );
    }
}
