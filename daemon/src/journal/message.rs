//! What can happen, by the number that the journal knows it by.

use wharf_wire::outcome::{Kind, State};

/// Something that operators look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// An activity is recorded, and waits for its turn.
    Queued,
    /// It left the queue.
    Started,
    /// One of its steps failed.
    StageFailed,
    /// It is built, and waits for somebody's approval or for its time.
    Waiting,
    /// A release serves.
    Live,
    /// An earlier release serves again.
    RolledBack,
    /// An activity that makes no release came to its end.
    Done,
    /// An activity failed.
    Failed,
    /// A newer one took its place.
    Superseded,
    /// Somebody stopped it.
    Cancelled,
    /// Visitors are kept away.
    MaintenanceOn,
    /// They are let in again.
    MaintenanceOff,
    /// An environment's data was copied, and the copy is good.
    Snapshot,
    /// A push, or what somebody asked for, was refused.
    Refused,
    /// Nothing is left to do.
    Drained,
}

impl Message {
    /// All of them, in the order of the catalog.
    pub const ALL: [Message; 15] = [
        Message::Queued,
        Message::Started,
        Message::StageFailed,
        Message::Waiting,
        Message::Live,
        Message::RolledBack,
        Message::Done,
        Message::Failed,
        Message::Superseded,
        Message::Cancelled,
        Message::MaintenanceOn,
        Message::MaintenanceOff,
        Message::Snapshot,
        Message::Refused,
        Message::Drained,
    ];

    /// The end of an activity, with what serves after it.
    pub fn of_end(kind: Kind, state: State, live: Option<u32>) -> Message {
        match (state, kind, live) {
            (State::Failed, ..) => Message::Failed,
            (State::Cancelled, ..) => Message::Cancelled,
            (State::Superseded, ..) => Message::Superseded,
            (_, Kind::Rollback, _) => Message::RolledBack,
            (_, Kind::MaintenanceOn, _) => Message::MaintenanceOn,
            (_, Kind::MaintenanceOff, _) => Message::MaintenanceOff,
            (_, kind, Some(_)) if kind.makes_live() => Message::Live,
            _ => Message::Done,
        }
    }

    /// Its `MESSAGE_ID`, which stays the same for ever (see sd_journal_print(3), catalog files of
    /// journalctl(1)).
    pub const fn id(self) -> &'static str {
        match self {
            Message::Queued => "47002f17132846f9a81ecd5fdc843afa",
            Message::Started => "ca796c976b6c4c17b3338821b60d8714",
            Message::StageFailed => "bef690dab53f4cee912c23a5ed5d7595",
            Message::Waiting => "bde8063f79444c60812035916e9366ca",
            Message::Live => "963756eada084c8285ee1341451f2e25",
            Message::RolledBack => "45c70f452924406eb09353486cc28612",
            Message::Done => "7688f5ab00294482a50570c680d28ea1",
            Message::Failed => "2e96c7dfefe94c28afb3363c5c403b96",
            Message::Superseded => "c7fc664a3489474f8a8eab5c37c65879",
            Message::Cancelled => "7d580234c553444086d548c8c635a217",
            Message::MaintenanceOn => "858f8c8b83c249528cde230296dd210c",
            Message::MaintenanceOff => "544638b8407146b598c22c844d6b1dc5",
            Message::Snapshot => "e8f2870aea4138defe3eac8452c797ec",
            Message::Refused => "0eaee873c27f40d597760faeac626cc7",
            Message::Drained => "ebfd1d44dd8e4f8b9218e3e968d41c03",
        }
    }

    /// What `journalctl -x` says in one line.
    pub(super) const fn subject(self) -> &'static str {
        match self {
            Message::Queued => "@WHARF_ACTIVITY@ of @WHARF_PROJECT@ waits for its turn",
            Message::Started => "@WHARF_ACTIVITY@ of @WHARF_PROJECT@ has begun",
            Message::StageFailed => "A step of @WHARF_ACTIVITY@ of @WHARF_PROJECT@ failed",
            Message::Waiting => "@WHARF_ACTIVITY@ of @WHARF_PROJECT@ is built and waits",
            Message::Live => "@WHARF_PROJECT@ @WHARF_ENVIRONMENT@ serves r@WHARF_RELEASE_LIVE@",
            Message::RolledBack => {
                "@WHARF_PROJECT@ @WHARF_ENVIRONMENT@ serves r@WHARF_RELEASE_LIVE@ again"
            }
            Message::Done => "@WHARF_ACTIVITY@ of @WHARF_PROJECT@ is done",
            Message::Failed => "@WHARF_ACTIVITY@ of @WHARF_PROJECT@ failed",
            Message::Superseded => "@WHARF_ACTIVITY@ of @WHARF_PROJECT@ gave way to a newer one",
            Message::Cancelled => "@WHARF_ACTIVITY@ of @WHARF_PROJECT@ was stopped",
            Message::MaintenanceOn => {
                "Visitors of @WHARF_PROJECT@ @WHARF_ENVIRONMENT@ are kept away"
            }
            Message::MaintenanceOff => {
                "Visitors of @WHARF_PROJECT@ @WHARF_ENVIRONMENT@ are let in again"
            }
            Message::Snapshot => "The data of @WHARF_PROJECT@ @WHARF_ENVIRONMENT@ was copied",
            Message::Refused => "Something that @WHARF_ACTOR@ wanted was refused",
            Message::Drained => "Wharf has nothing left to do",
        }
    }

    /// What it means, and what to do next.
    const fn text(self) -> &'static str {
        match self {
            Message::Queued => {
                "It is recorded and is not lost, whatever happens to this machine. One activity runs\n\
                 in an environment at a time; a newer push takes the place of those that wait.\n\
                 Wanted by @WHARF_ACTOR@ (@WHARF_TRIGGER@).\n\n\
                 Follow it:        wharf log @WHARF_ACTIVITY@ -f\n\
                 What waits:       wharf status"
            }
            Message::Started => {
                "What serves in @WHARF_ENVIRONMENT@ goes on until this one has proved itself.\n\n\
                 Follow it:        wharf log @WHARF_ACTIVITY@ -f\n\
                 Stop it:          wharf cancel @WHARF_ACTIVITY@"
            }
            Message::StageFailed => {
                "Step `@WHARF_STEP@` of stage @WHARF_STAGE@ failed: @WHARF_ERROR@. Where a command of yours ended it, its\n\
                 exit code stands in the entry's WHARF_EXIT_CODE.\n\n\
                 What it printed:  wharf log --raw @WHARF_ACTIVITY@\n\
                 What codes mean:  docs/troubleshooting.md"
            }
            Message::Waiting => {
                "Its deployment begins when somebody approves it, or when its deploy window opens. What\n\
                 serves goes on until then.\n\n\
                 Let it go on:     wharf approve @WHARF_ACTIVITY@\n\
                 Stop it:          wharf cancel @WHARF_ACTIVITY@"
            }
            Message::Live => {
                "Its new processes have answered the health check, and requests go to them. The release\n\
                 before is kept.\n\
                 Address: @WHARF_URL@\n\n\
                 Undo it:          wharf rollback -e @WHARF_ENVIRONMENT@\n\
                 Its releases:     wharf releases -e @WHARF_ENVIRONMENT@"
            }
            Message::RolledBack => {
                "Data was not touched. The next push deploys its branch's tip again.\n\
                 Address: @WHARF_URL@\n\n\
                 The tip again:    wharf redeploy -e @WHARF_ENVIRONMENT@"
            }
            Message::Done => {
                "It was @WHARF_ACTIVITY_KIND@ in @WHARF_ENVIRONMENT@, wanted by @WHARF_ACTOR@.\n\n\
                 What it did:      wharf log @WHARF_ACTIVITY@"
            }
            Message::Failed => {
                "Why: @WHARF_ERROR@. What served in @WHARF_ENVIRONMENT@ before serves on, unless the entry says\n\
                 otherwise.\n\n\
                 What happened:    wharf log @WHARF_ACTIVITY@\n\
                 Every byte:       wharf log --raw @WHARF_ACTIVITY@\n\
                 Try it again:     wharf redeploy -e @WHARF_ENVIRONMENT@\n\
                 What codes mean:  docs/troubleshooting.md"
            }
            Message::Superseded => {
                "It had not gone live. The newer one deploys a later state of the same branch.\n\n\
                 All of them:      wharf activities -e @WHARF_ENVIRONMENT@"
            }
            Message::Cancelled => {
                "Everything that it had started is ended (@WHARF_ERROR@). What served in @WHARF_ENVIRONMENT@ before\n\
                 serves on, unless the entry says otherwise.\n\n\
                 Do it again:      wharf redeploy -e @WHARF_ENVIRONMENT@"
            }
            Message::MaintenanceOn => {
                "Their requests wait for a moment, then see a page with status 503. A deployment that began it\n\
                 ends it, however that deployment ends, and so does the next start of the daemon.\n\n\
                 Who began it:     wharf environments\n\
                 End it by hand:   wharf maintenance off -e @WHARF_ENVIRONMENT@"
            }
            Message::MaintenanceOff => {
                "How long it was on stands in the activity's end, as WHARF_MAINTENANCE_MS.\n\n\
                 What happened:    wharf log @WHARF_ACTIVITY@"
            }
            Message::Snapshot => {
                "Snapshot @WHARF_ACTIVITY@ is whole and was looked at. One that fails is the end of its activity,\n\
                 with the code snapshot-failed, and is never listed as good.\n\n\
                 All of them:      wharf snapshot list -e @WHARF_ENVIRONMENT@\n\
                 Bring it back:    wharf snapshot restore @WHARF_ACTIVITY@ -e @WHARF_ENVIRONMENT@"
            }
            Message::Refused => {
                "Nothing was changed, and whoever wanted it was told why: @WHARF_ERROR@.\n\n\
                 What codes mean:  docs/troubleshooting.md\n\
                 Who may do what:  `roles` in the project's file, docs/configuration.md\n\
                 Look at the host: wharf doctor"
            }
            Message::Drained => {
                "No activity runs or waits for its turn. Those that wait for an approval or for their time stay\n\
                 as they are.\n\n\
                 What they are:    wharf status"
            }
        }
    }
}

/// The catalog for `journalctl -x`: see catalog files in journalctl(1), and their form in
/// <https://systemd.io/CATALOG>.
pub fn catalog() -> String {
    let entries = Message::ALL.map(|message| {
        format!(
            "-- {}\nSubject: {}\nDefined-By: wharf\nSupport: man:wharf(1)\n\n{}\n",
            message.id(),
            message.subject(),
            message.text()
        )
    });
    format!(
        "# What journalctl -x says of Wharf's entries. Made from the daemon's code by\n\
         # UPDATE_DOCS=1 cargo test -p wharf-tests --test documents; do not edit.\n\n{}",
        entries.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_numbers_of_their_own() {
        let ids: HashSet<&str> = Message::ALL.iter().map(|message| message.id()).collect();
        assert_eq!(ids.len(), Message::ALL.len());
        for id in ids {
            assert_eq!(id.len(), 32, "{id}");
            assert!(
                id.bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
                "{id}"
            );
        }
    }

    #[test]
    fn each_says_what_to_do_next() {
        for message in Message::ALL {
            assert!(
                message.text().contains(":  ") && message.text().contains("wharf "),
                "{message:?}"
            );
        }
    }
}
