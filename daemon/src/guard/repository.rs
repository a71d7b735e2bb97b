//! A repository: its hooks are programs that run as whoever pushes, and its settings name more of them.

use std::path::Path;

use wharf_wire::view::Severity;

use super::host::inside;
use super::rule::Rule;
use super::stand::{Kind, Stand, quoted};
use super::{Guard, finding};
use crate::store::paths::Paths;

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
        self.settings(&repository, stand.uid);
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
}
