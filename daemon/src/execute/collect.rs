//! Keeping repositories small: the installer turns `receive.autogc` off, which makes each push
//! faster, so the daemon does it, after the push. And keeping refs together: git reads each of them
//! several times a push, and a thousand files take longer to read than all else that a push does.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use wharf_config::project::Project;
use wharf_sandbox::git::Operation;

use super::git;
use super::owner::{Writer, command_as_owner};

/// Refs in files of their own, from which on git puts them together in one.
const LOOSE: usize = 64;

/// Runs `git gc --auto`, which does nothing in some milliseconds until there is enough to do, and puts
/// refs together where there are many. Trouble is only logged: nothing depends on it.
pub async fn collect(project: &Project) {
    run(project, &Operation::Collect).await;
    let refs = project.repository.join("refs");
    let counted = tokio::task::spawn_blocking(move || loose_refs(&refs, LOOSE)).await;
    if counted.expect("counting does not panic") == LOOSE {
        run(project, &Operation::PackRefs).await;
    }
}

/// Files below a directory of refs, counted up to `most`.
fn loose_refs(directory: &Path, most: usize) -> usize {
    let mut count = 0;
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        // git removes the directory of the last ref in it.
        let Ok(entries) = crate::disk::entries(&directory) else {
            continue;
        };
        for entry in entries.filter_map(Result::ok) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => waiting.push(entry.path()),
                Ok(_) => count += 1,
                Err(_) => {}
            }
            if count == most {
                return count;
            }
        }
    }
    count
}

/// Runs git in a repository as its owner, for as long as it takes.
async fn run(project: &Project, operation: &Operation) {
    let (repository, what) = (project.repository.display(), operation.name());
    let mut command = match command(project, operation) {
        Ok(command) => command,
        Err(error) => {
            tracing::warn!(%repository, %error, "git {what}");
            return;
        }
    };
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let run = Command::from(command).kill_on_drop(true).output();
    match tokio::time::timeout(operation.patience(), run).await {
        Ok(Ok(output)) if output.status.success() => {}
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().next().unwrap_or_default();
            tracing::warn!(%repository, "git {what}: {said}");
        }
        Ok(Err(error)) => tracing::warn!(%repository, %error, "git {what}"),
        Err(_) => tracing::warn!(%repository, "git {what} takes too long"),
    }
}

/// With the host's own configuration, where Wharf writes there itself: it may say when to collect.
fn command(project: &Project, operation: &Operation) -> io::Result<std::process::Command> {
    let repository = &project.repository;
    if Writer::of(repository)? == Writer::Helper {
        return git::writing(project, operation, None);
    }
    let mut command = std::process::Command::new("git");
    command
        .arg("--git-dir")
        .arg(repository)
        .args(operation.words())
        // Whoever owns the repository: git would refuse one of another user.
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", repository)
        .current_dir("/");
    command_as_owner(&mut command, repository)?;
    Ok(command)
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

    fn project(repository: &Path) -> Project {
        let name = wharf_config::name::ProjectName::parse("shop").unwrap();
        Project::new(name, repository.to_owned())
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
        collect(&project(&repository)).await;
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
        collect(&project(&repository)).await;
        assert!(packs() > 0, "nothing was packed");
    }

    #[tokio::test]
    async fn many_loose_refs_are_packed_and_few_are_not() {
        let directory = tempfile::tempdir().unwrap();
        git(directory.path(), &["init", "--quiet"]);
        git(
            directory.path(),
            &["commit", "--quiet", "--allow-empty", "--message", "x"],
        );
        let repository = directory.path().join(".git");
        // One more is the branch itself.
        for number in 2..LOOSE {
            git(directory.path(), &["branch", &format!("some/b-{number}")]);
        }
        collect(&project(&repository)).await;
        assert!(!repository.join("packed-refs").exists(), "few");
        git(directory.path(), &["tag", "one-more"]);
        collect(&project(&repository)).await;
        let packed = std::fs::read_to_string(repository.join("packed-refs")).unwrap();
        let refs = packed.lines().filter(|line| line.contains(" refs/"));
        assert_eq!(refs.count(), LOOSE);
        assert_eq!(loose_refs(&repository.join("refs"), LOOSE), 0);
    }
}
