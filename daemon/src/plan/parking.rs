//! Whether a deployment that is built waits before anything of its environment changes, and for what.
//!
//! It is asked each time when it has its turn: a parked activity that may go on takes its turn again,
//! and what counts then decides.

use jiff::Zoned;
use wharf_config::project::{Approve, Policy};
use wharf_wire::outcome::Kind;
use wharf_wire::view::Reason;

use super::options::When;

/// What is decided about an activity's waiting, as it is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leave {
    /// It waits, or waited, for this moment: milliseconds since 1970-01-01 UTC.
    pub due: Option<u64>,
    /// Who approved it; empty while nobody has, none where nobody was asked.
    pub approved_by: Option<String>,
    /// It waits for no window.
    pub now: bool,
}

/// By what word a parked activity goes on before its time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Somebody approved it.
    Approved {
        /// Who.
        by: String,
        /// And it waits for no window either.
        now: bool,
    },
    /// It waits for no window.
    Now {
        /// Who let it go.
        by: String,
    },
}

/// The code with which a word ends that let a deployment go on.
pub const APPROVED: &str = "approved";

impl Word {
    /// The code of the wait that it ends.
    pub fn answers(&self) -> &'static str {
        match self {
            Word::Approved { .. } => APPROVAL,
            Word::Now { .. } => WINDOW,
        }
    }

    /// As the log of the deployment says it.
    pub fn said(&self) -> String {
        match self {
            Word::Approved { by, now: false } => format!("approved by {by}"),
            Word::Approved { by, now: true } => format!("approved by {by}, to go live now"),
            Word::Now { by } => format!("{by} lets it go live without waiting for its window"),
        }
    }

    /// What the word's own record says: which activity it let go on, and how.
    pub fn reason(&self, activity: &str) -> Reason {
        let message = match self {
            Word::Approved { now: false, .. } => format!("{activity} is approved"),
            Word::Approved { now: true, .. } => format!("{activity} is approved, to go live now"),
            Word::Now { .. } => format!("{activity} goes live without waiting for its window"),
        };
        Reason {
            code: APPROVED.into(),
            message,
            hint: Some(format!("follow it with: wharf log {activity} -f")),
        }
    }
}

/// The code of a wait for somebody's approval.
pub const APPROVAL: &str = "approval";
/// The code of a wait for a moment.
const WINDOW: &str = "window";

/// What a deployment waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Somebody's approval; after that perhaps for a window.
    Approval,
    /// This moment.
    Until(Zoned),
}

/// What is to be deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// What started it.
    pub kind: Kind,
    /// What is decided already.
    pub leave: &'a Leave,
    /// Whether its commit is the one that serves: nobody needs to approve that again.
    pub serves: bool,
}

/// What a deployment has to wait for at this moment.
pub fn wait(policy: &Policy, candidate: Candidate<'_>, now: &Zoned) -> Option<Wait> {
    let Candidate {
        kind,
        leave,
        serves,
    } = candidate;
    match kind {
        // What served may serve again at once; what makes nothing live has nothing to wait for.
        Kind::Rollback | Kind::Delete | Kind::Check | Kind::Seed => return None,
        kind if kind.runs_beside() => return None,
        Kind::Redeploy if serves => {}
        _ if policy.approve == Approve::No || is_approved(leave) => {}
        _ => return Some(Wait::Approval),
    }
    if leave.now {
        return None;
    }
    let next = match leave.due.is_some_and(|due| due <= millis(now)) {
        // Its time of the day has come: what is left is the window.
        true => policy.schedule.without_time().next(now),
        false => policy.schedule.next(now),
    };
    next.map(Wait::Until)
}

fn is_approved(leave: &Leave) -> bool {
    leave.approved_by.as_ref().is_some_and(|by| !by.is_empty())
}

/// As the record counts time.
pub fn millis(moment: &Zoned) -> u64 {
    u64::try_from(moment.timestamp().as_millisecond()).unwrap_or_default()
}

impl Leave {
    /// The same while it waits.
    pub fn parked(&self, wait: &Wait) -> Leave {
        match wait {
            Wait::Approval => Leave {
                due: None,
                approved_by: Some(String::new()),
                ..self.clone()
            },
            Wait::Until(moment) => Leave {
                due: Some(millis(moment)),
                ..self.clone()
            },
        }
    }

    /// The same once another commit is to go live than the one that waited: what was said of that
    /// one does not count for it.
    pub fn of_another_commit(self) -> Leave {
        match self.due.is_some() || self.approved_by.is_some() {
            true => Leave::default(),
            false => self,
        }
    }

    /// Whether somebody has to approve it who has not.
    pub fn wants_approval(&self) -> bool {
        self.approved_by.as_deref() == Some("")
    }

    /// The word that lets it go on, from somebody with the right; none where it waits for none such.
    pub fn word(&self, by: &str, when: When) -> Option<Word> {
        match when {
            _ if self.wants_approval() => Some(Word::Approved {
                by: by.to_owned(),
                now: when == When::Now,
            }),
            When::Now => Some(Word::Now { by: by.to_owned() }),
            When::InWindow => None,
        }
    }
}

/// What people read of a wait, in lists and at the end of a push.
pub fn reason(wait: &Wait, policy: &Policy, activity: &str, now: &Zoned) -> Reason {
    match wait {
        Wait::Approval => Reason {
            code: APPROVAL.into(),
            message: "waits for approval".into(),
            hint: Some(format!("an admin runs: wharf approve {activity}")),
        },
        Wait::Until(moment) => Reason {
            code: WINDOW.into(),
            message: format!("goes live {} ({})", when(moment, now), policy.schedule),
            hint: Some(format!(
                "an admin lets it go now: wharf approve {activity} --now"
            )),
        },
    }
}

/// What a push would wait for once it is built, for a dry run.
pub fn forecast(policy: &Policy, now: &Zoned) -> Option<String> {
    let candidate = Candidate {
        kind: Kind::Push,
        leave: &Leave::default(),
        serves: false,
    };
    let wait = wait(policy, candidate, now)?;
    let message = reason(&wait, policy, "ID", now).message;
    Some(format!("built, it {message}"))
}

/// Such as `Mon 09:00`, with the date where another Monday could be meant.
fn when(moment: &Zoned, now: &Zoned) -> String {
    let is_near = moment.duration_since(now) < jiff::SignedDuration::from_hours(6 * 24);
    let form = if is_near {
        "%a %H:%M"
    } else {
        "%a %d %b %H:%M"
    };
    moment.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_config::project::{Schedule, Window};

    fn policy(approve: Approve, window: &str) -> Policy {
        let schedule = Schedule {
            window: Window::parse(window).ok(),
            ..Schedule::default()
        };
        Policy {
            approve,
            schedule,
            ..Policy::default()
        }
    }

    fn at(text: &str) -> Zoned {
        format!("2026-07-01T{text}[UTC]").parse().unwrap()
    }

    #[test]
    fn what_waits_and_for_what() {
        let approved = Some("ann".to_owned());
        let leave = |approved_by: Option<String>, now| Leave {
            approved_by,
            now,
            due: None,
        };
        let nothing = || leave(None, false);
        let window = || Some(Wait::Until(at("09:00")));
        // Kind, whether it serves already, what is decided, then: what approval and window ask for.
        let table = [
            (Kind::Push, false, nothing(), Some(Wait::Approval), window()),
            (Kind::Push, true, nothing(), Some(Wait::Approval), window()),
            (
                Kind::Push,
                false,
                leave(Some(String::new()), false),
                Some(Wait::Approval),
                window(),
            ),
            (
                Kind::Push,
                false,
                leave(approved.clone(), false),
                window(),
                window(),
            ),
            (
                Kind::Push,
                false,
                leave(None, true),
                Some(Wait::Approval),
                None,
            ),
            (Kind::Push, false, leave(approved, true), None, None),
            (Kind::Redeploy, true, nothing(), window(), window()),
            (Kind::Redeploy, true, leave(None, true), None, None),
            // Else a redeploy would be a way past the approval of the tip.
            (
                Kind::Redeploy,
                false,
                nothing(),
                Some(Wait::Approval),
                window(),
            ),
            (Kind::Rollback, false, nothing(), None, None),
            (Kind::Delete, false, nothing(), None, None),
            (Kind::Check, false, nothing(), None, None),
        ];
        for (kind, serves, leave, both, window) in table {
            let candidate = Candidate {
                kind,
                leave: &leave,
                serves,
            };
            let now = at("08:00");
            let asked = |approve| wait(&policy(approve, "Wed 09:00-16:00"), candidate, &now);
            assert_eq!(asked(Approve::Yes), both, "{candidate:?}");
            assert_eq!(asked(Approve::No), window, "{candidate:?}");
            assert_eq!(wait(&policy(Approve::No, ""), candidate, &now), None);
        }
    }

    #[test]
    fn a_time_of_the_day_has_come_once_and_a_window_must_be_open() {
        let mut policy = policy(Approve::No, "Wed 01:00-04:00");
        policy.schedule.at = Some(at("02:00").time());
        let asked = |due: &str, now: &str| {
            let leave = Leave {
                due: Some(millis(&at(due))),
                ..Leave::default()
            };
            let candidate = Candidate {
                kind: Kind::Push,
                leave: &leave,
                serves: false,
            };
            wait(&policy, candidate, &at(now))
        };
        assert_eq!(asked("02:00", "01:59"), Some(Wait::Until(at("02:00"))));
        assert_eq!(asked("02:00", "02:00"), None);
        assert_eq!(asked("02:00", "03:59"), None, "its turn came late");
        assert!(asked("02:00", "04:00").is_some(), "too late");
    }

    #[test]
    fn a_word_counts_for_the_commit_that_waited() {
        let asked_for = Leave {
            now: true,
            ..Leave::default()
        };
        let approved = Leave {
            approved_by: Some("ann".into()),
            ..asked_for.clone()
        };
        let passed_by = Leave {
            due: Some(7),
            ..asked_for.clone()
        };
        assert_eq!(asked_for.clone().of_another_commit(), asked_for);
        assert_eq!(approved.of_another_commit(), Leave::default());
        assert_eq!(passed_by.of_another_commit(), Leave::default());
    }

    #[test]
    fn what_is_said_can_be_done() {
        let policy = policy(Approve::Yes, "Mon-Fri 09:00-16:00");
        let now = at("20:00");
        let next = policy.schedule.next(&now).unwrap();
        let said = |wait| {
            let Reason {
                code,
                message,
                hint,
            } = reason(&wait, &policy, "4f2a", &now);
            format!("{code}: {message}: {}", hint.unwrap())
        };
        assert_eq!(
            said(Wait::Approval),
            "approval: waits for approval: an admin runs: wharf approve 4f2a"
        );
        assert_eq!(
            said(Wait::Until(next.clone())),
            "window: goes live Thu 09:00 (deploy window Mon-Fri 09:00-16:00): \
             an admin lets it go now: wharf approve 4f2a --now"
        );
        let later = next.saturating_add(jiff::SignedDuration::from_hours(7 * 24));
        assert!(said(Wait::Until(later)).contains("goes live Thu 09 Jul 09:00"));
    }
}
