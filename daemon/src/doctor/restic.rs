//! The restic that snapshots need.

use std::process::Command;
use std::time::Duration;

use wharf_wire::view::Finding;

use crate::execute::git::{Input, talk};
use crate::execute::snapshots::restic::{find, is_new_enough, version};

const PATIENCE: Duration = Duration::from_secs(5);
const HINT: &str = "apt install restic: 0.14 or newer; without it no data is copied";

/// Whether it is there, and new enough.
pub(super) async fn findings() -> Vec<Finding> {
    let Some(program) = find() else {
        let text = "there is no restic, so no snapshots are taken";
        return vec![Finding::warning("restic", text, HINT)];
    };
    let mut command = Command::new(program);
    command.arg("version");
    let said = talk(command, "version", Input::Bytes(b""), PATIENCE).await;
    let said = said.map(|said| String::from_utf8_lossy(&said.out).into_owned());
    vec![judge(&said.unwrap_or_default())]
}

fn judge(said: &str) -> Finding {
    let said = said.trim();
    match version(said) {
        Some(version) if is_new_enough(version) => {
            let (first, second) = version;
            Finding::good("restic", format!("restic {first}.{second}"))
        }
        Some((first, second)) => {
            let text = format!("restic {first}.{second} is too old");
            Finding::warning("restic", text, HINT)
        }
        None => Finding::warning("restic", "restic does not tell its version", HINT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_wire::view::Severity;

    #[test]
    fn the_floor_is_0_14() {
        for (said, severity) in [
            (
                "restic 0.14.0 compiled with go1.19.8 on linux/amd64\n",
                Severity::Good,
            ),
            ("restic 0.12.1 compiled", Severity::Warning),
            ("", Severity::Warning),
        ] {
            assert_eq!(judge(said).severity, severity, "{said}");
        }
    }
}
