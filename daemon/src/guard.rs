//! Whose files are: owners and modes that would let somebody else have a say, or read what is secret.
//! For `wharf doctor`, and for `wharfd check` where no daemon answers.
//!
//! The kernel keeps others out of nothing whose mode lets them in, and whoever may write into a
//! directory may replace what is in it: so each path is looked at up to `/`.

mod group;
mod host;
mod repository;
mod rule;
mod settings;
mod stand;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use wharf_config::place::Place;
use wharf_wire::view::{Finding, Severity};

use crate::settings::Settings;
use crate::store::paths::Paths;
use rule::Rule;
use stand::{Kind, Stand};

/// Findings that are said at a time.
const MOST: usize = 100;

/// Looks at everything that Wharf trusts on this host. Blocks.
pub fn findings(place: &Place, paths: &Paths, settings: &Settings) -> Vec<Finding> {
    let mut guard = Guard::new(paths);
    guard.configuration(place, &settings.host.projects);
    guard.state(paths);
    guard.sockets(place, paths);
    guard.programs();
    if settings.host.tls.listen.is_some() {
        guard.certificates(&settings.host.tls.certificates);
    }
    for project in settings.projects.values() {
        guard.repository(&project.repository, paths);
    }
    guard.report()
}

/// What was looked at so far, and what is to be said.
#[derive(Debug)]
struct Guard {
    /// Who may change what the operator decides, beside root: nobody where Wharf is the system's and has
    /// a user of its own.
    operators: Vec<u32>,
    /// The daemon's user.
    own: u32,
    seen: BTreeSet<PathBuf>,
    said: BTreeSet<PathBuf>,
    /// Configurations of git's for more than one repository.
    read: BTreeSet<PathBuf>,
    found: Vec<Finding>,
}

impl Guard {
    fn new(paths: &Paths) -> Guard {
        let own = geteuid().as_raw();
        Guard {
            operators: match paths.is_system() {
                true => vec![],
                false => vec![own],
            },
            own,
            seen: BTreeSet::new(),
            said: BTreeSet::new(),
            read: BTreeSet::new(),
            found: Vec::new(),
        }
    }

    /// Looks at a path as it stands, and what a link leads to; says what is wrong. None where nothing
    /// is there.
    fn look(&mut self, path: &Path, rule: &Rule<'_>) -> Option<Stand> {
        let stand = self.stand(path)?;
        if stand.kind != Kind::Link {
            self.judge(&stand, rule);
            return Some(stand);
        }
        let target = path.canonicalize().ok()?;
        self.above(&target, rule);
        let stand = self.stand(&target)?;
        self.judge(&stand, rule);
        Some(stand)
    }

    /// Looks at the directories that a path is in, up to the root: who may write into one of them may
    /// put something else in its place.
    fn above(&mut self, path: &Path, rule: &Rule<'_>) {
        let rule = rule.above();
        let as_named = path.parent().map(Path::to_owned);
        // What a link on the way leads to counts as well.
        let as_it_is = as_named.as_deref().and_then(|at| at.canonicalize().ok());
        for directory in as_named.iter().chain(&as_it_is) {
            for one in directory.ancestors() {
                if let Some(stand) = self.stand(one) {
                    self.judge(&stand, &rule);
                }
            }
        }
    }

    fn stand(&mut self, path: &Path) -> Option<Stand> {
        match Stand::of(path) {
            Ok(stand) => {
                self.seen.insert(path.to_owned());
                Some(stand)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let shown = path.display();
                let hint = format!("look yourself: ls -ld {}", stand::quoted(path));
                let text = format!("{shown} cannot be looked at by the daemon: {error}");
                self.say(path, Severity::Warning, text, hint);
                None
            }
        }
    }

    fn judge(&mut self, stand: &Stand, rule: &Rule<'_>) {
        if let Some(wrong) = rule.judge(stand) {
            self.say(&stand.path, wrong.severity, wrong.message, wrong.fix);
        }
    }

    /// The first that is wrong with a path is enough to mend it.
    fn say(&mut self, path: &Path, severity: Severity, message: String, hint: String) {
        if self.said.insert(path.to_owned()) {
            self.found.push(finding(severity, "modes", message, hint));
        }
    }

    fn report(mut self) -> Vec<Finding> {
        let more = self.found.len().saturating_sub(MOST);
        if more > 0 {
            self.found.truncate(MOST);
            let text = format!("and {more} more like these");
            let hint = "mend these, then look again: wharf doctor".to_owned();
            self.found
                .push(finding(Severity::Error, "modes", text, hint));
        }
        if self.found.is_empty() {
            let text = format!(
                "owners and modes of {} files and directories are as they should be",
                self.seen.len()
            );
            self.found.push(Finding {
                severity: Severity::Good,
                code: "modes".into(),
                message: text,
                hint: None,
            });
        }
        self.found
    }
}

fn finding(severity: Severity, code: &str, message: String, hint: String) -> Finding {
    Finding {
        severity,
        code: code.into(),
        message,
        hint: Some(hint),
    }
}
