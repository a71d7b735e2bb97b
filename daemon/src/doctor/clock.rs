//! The clock: what is kept for how long, when crons run and whether certificates are good hang on it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use wharf_wire::view::Finding;

use crate::execute::git::{Input, talk};
use crate::store::paths::Paths;

/// Where systemd runs, it has this.
const SYSTEMD: &str = "/run/systemd/system";
const PATIENCE: Duration = Duration::from_secs(3);
/// What other machines' file systems may be ahead, and a clock that is being set.
const SLACK: Duration = Duration::from_secs(120);

/// Whether it is right, as far as that can be told.
pub(super) async fn findings(paths: &Paths) -> Vec<Finding> {
    let mut found: Vec<Finding> = behind(paths, SystemTime::now()).into_iter().collect();
    if found.is_empty() && Path::new(SYSTEMD).exists() {
        let mut command = Command::new("timedatectl");
        command.args(["show", "--property=NTP,CanNTP,NTPSynchronized"]);
        // Where nobody knows, nothing is said.
        if let Ok(said) = talk(command, "timedatectl", Input::Bytes(b""), PATIENCE).await
            && said.exit == Some(0)
        {
            found.extend(judge(&String::from_utf8_lossy(&said.out)));
        }
    }
    found
}

/// Whether something was written later than now: then the clock went back, as that of a machine without a
/// battery does at a start.
fn behind(paths: &Paths, now: SystemTime) -> Option<Finding> {
    let written = |path: &Path| fs::metadata(path).ok()?.modified().ok();
    let beside = paths.beside_database().into_iter();
    let recorded = std::iter::once(paths.database()).chain(beside);
    let (latest, path) = recorded
        .filter_map(|path| Some((written(&path)?, path)))
        .max()?;
    let ahead = latest.duration_since(now).ok()?;
    (ahead > SLACK).then(|| {
        let shown = |time| humantime::format_rfc3339_seconds(time).to_string();
        Finding::error(
            "clock",
            format!(
                "the clock says {}, and {} was written at {}",
                shown(now),
                path.display(),
                shown(latest)
            ),
            "set the clock: timedatectl set-ntp true",
        )
    })
}

/// What timedatectl says, a `KEY=VALUE` each line.
fn judge(said: &str) -> Option<Finding> {
    let is = |key: &str| {
        let mut lines = said.lines().filter_map(|line| line.split_once('='));
        lines
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value == "yes")
    };
    let hint = match (is("NTPSynchronized")?, is("CanNTP"), is("NTP")) {
        (true, ..) => return Some(Finding::good("clock", "the clock is kept right")),
        (false, Some(false), _) => "apt install systemd-timesyncd",
        (false, _, Some(true)) => "see why it cannot be: timedatectl timesync-status",
        (false, ..) => "timedatectl set-ntp true",
    };
    let text =
        "nobody sets the clock: it goes wrong, and with it crons, deploy windows and certificates";
    Some(Finding::warning("clock", text, hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_config::place::Place;
    use wharf_wire::view::Severity;

    #[test]
    fn each_way_of_not_being_set_has_its_fix() {
        let hint = |said: &str| judge(said).map(|found| found.hint.unwrap_or_default());
        assert_eq!(hint("NTPSynchronized=yes\nNTP=yes").as_deref(), Some(""));
        let install = hint("NTP=no\nCanNTP=no\nNTPSynchronized=no");
        assert_eq!(install.as_deref(), Some("apt install systemd-timesyncd"));
        let on = hint("CanNTP=yes\nNTP=no\nNTPSynchronized=no");
        assert_eq!(on.as_deref(), Some("timedatectl set-ntp true"));
        let why = hint("CanNTP=yes\nNTP=yes\nNTPSynchronized=no").unwrap();
        assert!(why.ends_with("timesync-status"), "{why}");
        assert_eq!(hint("System has not been booted with systemd"), None);
    }

    #[test]
    fn what_was_recorded_is_never_in_the_future() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::new(&Place::below(home.path()));
        let now = SystemTime::now();
        assert_eq!(behind(&paths, now), None);
        fs::create_dir_all(paths.state()).unwrap();
        fs::write(paths.database(), "").unwrap();
        assert_eq!(behind(&paths, now), None);
        let found = behind(&paths, now - Duration::from_secs(86_400)).unwrap();
        assert_eq!(found.severity, Severity::Error);
        assert!(found.message.contains("wharf.db was written at"));
    }
}
