//! Keeping repositories small: the installer turns `receive.autogc` off, which makes each push
//! faster, so the daemon does it, after the push.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// The longest that a collection may take; the next one goes on from there.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Runs `git gc --auto`, which does nothing in some milliseconds until there is enough to do.
/// Trouble is only logged: nothing depends on it.
pub async fn collect(repository: &Path) {
    let collected = Command::new("git")
        .arg("--git-dir")
        .arg(repository)
        .args(["-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"])
        // Whoever owns the repository: git would refuse one of another user.
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", repository)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(PATIENCE, collected).await {
        Ok(Ok(output)) if output.status.success() => {}
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or_default();
            tracing::warn!(repository = %repository.display(), "git gc: {said}");
        }
        Ok(Err(error)) => tracing::warn!(repository = %repository.display(), %error, "git gc"),
        Err(_) => tracing::warn!(repository = %repository.display(), "git gc takes too long"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(directory: &Path, words: &[&str]) {
        let status = std::process::Command::new("git")
            .current_dir(directory)
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            // A commit would begin a collection of its own, in the background.
            .args(["-c", "maintenance.auto=false"])
            .args(words)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .status()
            .unwrap();
        assert!(status.success(), "git {words:?}");
    }

    #[tokio::test]
    async fn loose_objects_are_packed_once_there_are_enough() {
        let directory = tempfile::tempdir().unwrap();
        git(directory.path(), &["init", "--quiet"]);
        for number in 0..40 {
            // git guesses the number of loose objects from one of 256 directories.
            std::fs::write(directory.path().join("file"), format!("{number}\n")).unwrap();
            git(directory.path(), &["add", "file"]);
            git(directory.path(), &["commit", "--quiet", "--message", "x"]);
        }
        let repository = directory.path().join(".git");
        let packs = || {
            let entries = std::fs::read_dir(repository.join("objects/pack")).unwrap();
            entries.count()
        };
        collect(&repository).await;
        assert_eq!(packs(), 0, "not enough yet");
        git(directory.path(), &["config", "gc.auto", "1"]);
        let bucket = repository.join("objects/17");
        let full = || std::fs::read_dir(&bucket).is_ok_and(|entries| entries.count() > 1);
        for number in (0..10_000).take_while(|_| !full()) {
            std::fs::write(directory.path().join("file"), format!("more {number}\n")).unwrap();
            git(directory.path(), &["add", "file"]);
        }
        git(
            directory.path(),
            &["commit", "--quiet", "--message", "last"],
        );
        collect(&repository).await;
        assert!(packs() > 0, "nothing was packed");
    }
}
