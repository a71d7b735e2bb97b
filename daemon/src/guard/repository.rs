//! A repository: its hooks are programs that run as whoever pushes, and its settings name more of them.

use std::path::Path;

use wharf_wire::view::Severity;

use super::host::inside;
use super::rule::Rule;
use super::stand::{Kind, Stand, quoted};
use super::{Guard, finding};
use crate::execute::git;
use crate::store::paths::Paths;

/// The settings that are looked at, as a pattern of git's.
const SETTINGS: &str = r"^(core\.(hookspath|worktree)|receive\.fsckobjects)$";

impl Guard {
    /// Who may change what runs at a push.
    pub(super) fn repository(&mut self, repository: &Path, paths: &Paths) {
        let Ok(repository) = repository.canonicalize() else {
            // That it cannot be read is a finding of its own.
            return;
        };
        let Some(stand) = self.stand(&repository) else {
            return;
        };
        let owners = [stand.uid, self.own];
        let rule = Rule::ruled(&owners);
        // Where a group pushes by accounts of its own, git needs that; its members can run code as each
        // other then.
        let shared = Rule {
            group: Severity::Warning,
            ..rule
        };
        self.above(&repository, &rule);
        self.judge(&stand, &shared);
        self.look(&repository.join("config"), &shared);
        self.work_area(&repository, paths);
        // Where hooks are, by the host: git's, GitLab's, those of the configuration.
        for directory in ["hooks", "custom_hooks", "wharf-hooks"] {
            self.hooks(&repository, &repository.join(directory), &rule);
        }
        self.settings(&repository);
    }

    /// What Wharf builds, serves and clears away is no place for a repository.
    fn work_area(&mut self, repository: &Path, paths: &Paths) {
        let Ok(state) = paths.state().canonicalize() else {
            return;
        };
        if repository.starts_with(&state) {
            self.found.push(finding(
                Severity::Error,
                "repository",
                format!(
                    "{} lies in Wharf's state, where applications write and what is old is removed",
                    repository.display()
                ),
                format!(
                    "mv {} ELSEWHERE, and say where in its project's file",
                    quoted(repository)
                ),
            ));
        }
    }

    fn hooks(&mut self, repository: &Path, directory: &Path, rule: &Rule<'_>) {
        let Some(stand) = self.stand(directory) else {
            return;
        };
        if stand.kind == Kind::Link {
            return self.leads_out(directory, repository, rule);
        }
        self.judge(&stand, rule);
        let is_first = directory.parent() == Some(repository);
        for hook in inside(directory) {
            // git never runs these.
            if hook.extension().is_some_and(|end| end == "sample") {
                continue;
            }
            match self.stand(&hook) {
                Some(stand) if stand.kind == Kind::Link => {
                    self.leads_out(&hook, repository, rule);
                }
                // A host runs all that is in there, but nothing deeper.
                Some(stand) if stand.kind == Kind::Directory && is_first => {
                    self.hooks(repository, &hook, rule);
                }
                Some(stand) => self.judge(&stand, rule),
                None => {}
            }
        }
    }

    /// A hook may be a link to what root or the repository's owner alone may change, as git hosts have
    /// them; what somebody else has runs their code.
    fn leads_out(&mut self, link: &Path, repository: &Path, rule: &Rule<'_>) {
        let Ok(target) = link.canonicalize() else {
            // git runs nothing then.
            return;
        };
        if target.starts_with(repository) {
            return;
        }
        let on_the_way = target.ancestors().filter_map(|path| Stand::of(path).ok());
        let open = on_the_way.filter_map(|stand| rule.judge(&stand)).last();
        self.seen.insert(link.to_owned());
        if let Some(wrong) = open {
            let text = format!(
                "{} is a link out of the repository to {}, and {}",
                link.display(),
                target.display(),
                wrong.message
            );
            let hint = format!("rm {}", quoted(link));
            self.say(link, Severity::Error, text, hint);
        }
    }

    fn settings(&mut self, repository: &Path) {
        let file = repository.join("config");
        let quoted_file = quoted(&file);
        let shown = repository.display();
        let Some(set) = settings(repository, &file) else {
            return;
        };
        let of = |key: &str| {
            set.iter()
                .rfind(|(name, _)| name == key)
                .map(|(_, value)| value)
        };
        let mut say = |text: String, hint: String| {
            self.found
                .push(finding(Severity::Error, "repository", text, hint));
        };
        if let Some(path) = of("core.hookspath") {
            say(
                format!(
                    "core.hooksPath is {path} (file:{}); git runs no hooks of {shown}",
                    file.display()
                ),
                format!("git config --file {quoted_file} --unset core.hooksPath"),
            );
        }
        if let Some(path) = of("core.worktree") {
            say(
                format!("core.worktree is {path}: {shown} is to be a bare repository"),
                format!("git config --file {quoted_file} --unset core.worktree"),
            );
        }
        let is_on = |value: &String| {
            let value = value.to_ascii_lowercase();
            ["", "true", "yes", "on"].contains(&value.as_str())
                || value.parse::<i64>().is_ok_and(|number| number != 0)
        };
        if !of("receive.fsckobjects").is_some_and(is_on) {
            say(
                format!("receive.fsckObjects is not set in {shown}: git takes trees that mislead"),
                format!("wharf hook install {}", quoted(repository)),
            );
        }
    }
}

/// The settings of the repository's own file, in order; none where it cannot be read.
fn settings(repository: &Path, file: &Path) -> Option<Vec<(String, String)>> {
    if Stand::of(file).ok()?.kind != Kind::File {
        return None;
    }
    let words = ["config".as_ref(), "--file".as_ref(), file.as_os_str()];
    let more = ["-z", "--get-regexp", SETTINGS].map(AsRef::as_ref);
    let output = git::isolated(repository, &[&words[..], &more].concat())
        .and_then(|mut command| command.output())
        .ok()?;
    // One says that nothing fits.
    if !matches!(output.status.code(), Some(0 | 1)) {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let entries = text.split_terminator('\0');
    let pair = |entry: &str| match entry.split_once('\n') {
        Some((key, value)) => (key.to_owned(), value.to_owned()),
        None => (entry.to_owned(), String::new()),
    };
    Some(entries.map(pair).collect())
}
