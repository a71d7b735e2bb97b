//! The git of whoever asks.

use std::process::Command;

use wharf_wire::view::Finding;

use crate::git::bounded;

/// The oldest git that the hooks are tested with.
const OLDEST: (u32, u32) = (2, 39);
const HINT: &str = "apt install git: 2.39 or newer";

pub(super) fn findings() -> Vec<Finding> {
    let mut found = vec![version()];
    found.extend(trusted_anywhere());
    found
}

fn version() -> Finding {
    let Ok(output) = bounded(Command::new("git").arg("--version")) else {
        return Finding::error("git", "git cannot be run", HINT);
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.trim().trim_start_matches("git version ");
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    let parsed = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if parsed < OLDEST {
        return Finding::error("git", format!("git {version} is too old"), HINT);
    }
    Finding::good("git", format!("git {version}"))
}

/// A git that trusts every directory runs the hooks and settings of whoever made it.
fn trusted_anywhere() -> Option<Finding> {
    let mut command = Command::new("git");
    command.args(["config", "--show-origin", "--get-all", "safe.directory"]);
    let output = bounded(&mut command).ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines().filter_map(|line| line.split_once('\t'));
    let (origin, _) = lines.rfind(|(_, value)| *value == "*")?;
    let hint = match origin.strip_prefix("file:") {
        Some(file) => {
            let file = shell_words::quote(file);
            format!("git config --file {file} --unset-all safe.directory '^\\*$'")
        }
        None => "leave it out where git is started, and name repositories".to_owned(),
    };
    Some(Finding::warning(
        "git",
        format!(
            "safe.directory is * ({origin}): git runs what others put into repositories as you"
        ),
        hint,
    ))
}
