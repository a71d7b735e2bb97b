//! What is the host's: configuration, state, sockets, programs.

use std::fs;
use std::path::{Path, PathBuf};

use wharf_config::host::Certificate;
use wharf_config::place::Place;
use wharf_sandbox::ask;
use wharf_wire::view::Severity;

use super::Guard;
use super::rule::{Reach, Rule};
use crate::execute::world::sibling;

/// The programs of an installation, which lie beside each other.
const PROGRAMS: [&str; 9] = [
    "wharfd",
    "wharf-keeper",
    "wharf-helper",
    "wharf-router",
    "wharf",
    "wharf-shell",
    "wharf-pre-receive",
    "wharf-proc-receive",
    "wharf-post-receive",
];
/// Files of one directory that are looked at.
const MOST: usize = 1_000;

impl Guard {
    /// What the operator decides: whose code runs here, for whom.
    pub(super) fn configuration(&mut self, place: &Place, projects: &Path) {
        let operators = self.operators.clone();
        let rule = Rule::ruled(&operators);
        self.above(&place.config, &rule);
        let vendor = place.vendor_file();
        for path in vendor
            .iter()
            .chain(&[place.config.clone(), place.host_file()])
        {
            self.look(path, &rule);
        }
        self.above(projects, &rule);
        for directory in [place.drop_ins_dir(), projects.to_owned()] {
            self.look(&directory, &rule);
            for file in inside(&directory) {
                self.look(&file, &rule);
            }
        }
    }

    /// What Wharf remembers. Whoever is in the daemon's group may look around, as far as that goes; what
    /// holds secrets is its user's alone.
    pub(super) fn state(&mut self, paths: &crate::store::paths::Paths) {
        let own = [self.own];
        self.above(&paths.state(), &Rule::ruled(&own));
        for directory in [paths.state()].iter().chain(&paths.private()) {
            self.look(directory, &Rule::shown(&own));
        }
        let beside = paths.beside_database().into_iter();
        let mut secret: Vec<PathBuf> = std::iter::once(paths.database()).chain(beside).collect();
        secret.extend(inside(&paths.backups()));
        secret.extend(inside(&paths.jobs()));
        // Applications print what they like; it is starred where it is shown.
        secret.extend(inside(&paths.outputs()));
        for file in secret {
            self.look(&file, &Rule::secret(&own));
        }
    }

    /// Who may reach the daemon and the router.
    pub(super) fn sockets(&mut self, place: &Place, paths: &crate::store::paths::Paths) {
        let own = [self.own];
        self.above(&place.run, &Rule::ruled(&own));
        self.look(&place.run, &Rule::shown(&own));
        let shared = Rule {
            write: Reach::Group,
            ..Rule::shown(&own)
        };
        self.look(&place.socket(), &shared);
        self.look(&place.router_socket(), &Rule::secret(&own));
        for directory in [paths.keepers(), paths.sockets()] {
            self.look(&directory, &Rule::shown(&own));
        }
        // Whoever asks there has what they name started by root.
        let helper = Path::new(ask::SOCKET);
        if self.look(helper, &Rule::secret(&own)).is_some() {
            self.above(helper, &Rule::ruled(&[]));
        }
    }

    /// What visitors know this host by. A key is the router's alone, whose user is the daemon's.
    pub(super) fn certificates(&mut self, certificates: &[Certificate]) {
        let own = [self.own];
        for Certificate { chain, key } in certificates {
            for (path, rule) in [(key, Rule::secret(&own)), (chain, Rule::ruled(&own))] {
                self.above(path, &Rule::ruled(&own));
                self.look(path, &rule);
            }
        }
    }

    /// What is started, by the daemon and by git.
    pub(super) fn programs(&mut self) {
        let operators = self.operators.clone();
        let rule = Rule::ruled(&operators);
        for name in PROGRAMS {
            match sibling(name) {
                Ok(path) => {
                    self.above(&path, &rule);
                    self.look(&path, &rule);
                }
                Err(error) => {
                    let text = format!("where {name} lies cannot be told: {error}");
                    let hint = "start wharfd again, by its whole path".to_owned();
                    self.say(Path::new(name), Severity::Warning, text, hint);
                }
            }
        }
    }
}

/// The files of a directory, by name; none where it cannot be read, which another check says.
pub(super) fn inside(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .take(MOST)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    files
}
