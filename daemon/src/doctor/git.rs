//! The git that the daemon runs.

use std::process::Command;
use std::time::Duration;

use wharf_wire::view::Finding;

use crate::execute::git::{Input, talk};

/// The oldest that Wharf is tested with.
const OLDEST: (u32, u32) = (2, 39);
const PATIENCE: Duration = Duration::from_secs(5);
const HINT: &str = "apt install git: 2.39 or newer";

/// Whether it is there, and new enough.
pub(super) async fn findings() -> Vec<Finding> {
    let mut command = Command::new("git");
    command.arg("--version");
    let found = match talk(command, "--version", Input::Bytes(b""), PATIENCE).await {
        Ok(said) => judge(&String::from_utf8_lossy(&said.out)),
        Err(error) => {
            let why = crate::execute::failure::chain(&error);
            Finding::error("git", format!("git cannot be run: {why}"), HINT)
        }
    };
    vec![found]
}

fn judge(said: &str) -> Finding {
    let version = said.trim().trim_start_matches("git version ");
    let mut numbers = version.split('.').map_while(|part| part.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(second)) if (first, second) >= OLDEST => {
            Finding::good("git", format!("git {version}"))
        }
        _ => Finding::error("git", format!("git {version} is too old"), HINT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_wire::view::Severity;

    #[test]
    fn the_floor_is_2_39() {
        for (said, severity) in [
            ("git version 2.39.5\n", Severity::Good),
            ("git version 2.47.3.windows.1", Severity::Good),
            ("git version 3.0", Severity::Good),
            ("git version 2.38.9", Severity::Error),
            ("git version 1.99.1", Severity::Error),
            ("", Severity::Error),
        ] {
            assert_eq!(judge(said).severity, severity, "{said}");
        }
    }
}
