//! Servers that have no room.

use std::path::Path;

use crate::disk;
use crate::execute::failure::Failure;

/// How the system says it, which servers repeat; and what PostgreSQL advises, and MariaDB's number for it.
const SAID: [&str; 4] = [
    "No space left on device",
    "Disk quota exceeded",
    "Check free disk space",
    "ERROR 1114 ",
];

/// A failure of what worked with data at a place, or that the disk is full where that is why. A server that has no room
/// says so in many ways, or in none; and it may have given room back as it failed.
pub(in crate::execute) fn or_full(place: &Path, failure: Failure) -> Failure {
    if failure.cancelled || failure.is_full() {
        return failure;
    }
    let says = |line: &String| SAID.iter().any(|said| line.contains(said));
    let is_said = failure.details.iter().any(says);
    if !is_said && !tokio::task::block_in_place(|| disk::is_full(place)) {
        return failure;
    }
    let message = format!("the host's disk is full: {}", failure.reason.message);
    Failure::full(message).details(failure.details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_server_s_last_words_tell_of_a_full_disk() {
        let here = Path::new("/");
        let broken = |line: &str| {
            let failure = Failure::new("service-broken", "it cannot read the dump");
            or_full(here, failure.details([line.to_owned()])).reason
        };
        let full = broken("  | ERROR:  could not extend file \"base/1\": No space left on device");
        assert_eq!(full.code, "disk-full");
        assert_eq!(
            full.message,
            "the host's disk is full: it cannot read the dump"
        );
        assert_eq!(broken("  | ERROR:  syntax error").code, "service-broken");
    }
}
