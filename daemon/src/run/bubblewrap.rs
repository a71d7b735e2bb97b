//! The program bubblewrap of this host, and what it can do here.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};
use wharf_wire::frame::FrameError;

use super::{
    calls::{self, Calls},
    forbidden, inside,
    sandbox::UserNamespaces,
};

/// bubblewrap, found and tried once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bubblewrap {
    /// The program, absolute.
    pub program: PathBuf,
    /// Whether the code inside can be kept from making user namespaces.
    pub user_namespaces: UserNamespaces,
    /// Whether system calls can be filtered.
    pub filters: Filters,
    /// Whether the processes of one sandbox can be limited.
    pub forks: Forks,
    /// What bubblewrap can elsewhere and cannot here, and why: said once a deployment.
    pub reduced: Vec<String>,
}

/// Whether system calls can be filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filters {
    /// They are.
    Work,
    /// bubblewrap is too old, or the kernel or the processor has none.
    Missing,
}

/// Whether the processes of one sandbox can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forks {
    /// The kernel counts them for each sandbox.
    Counted,
    /// It counts nobody who is root.
    Root,
    /// It counts them for all sandboxes together: it is older than 5.14.
    Together,
}

impl Forks {
    fn here() -> Self {
        let system = rustix::system::uname();
        match system.release().to_str() {
            _ if rustix::process::getuid().is_root() => Self::Root,
            Ok(release) if counts_by_namespace(release) => Self::Counted,
            _ => Self::Together,
        }
    }

    /// Why they are not limited, where they are not.
    #[must_use]
    pub fn unlimited(self) -> Option<&'static str> {
        match self {
            Self::Counted => None,
            Self::Root => Some("the daemon runs as root, whom the kernel does not limit"),
            Self::Together => Some("Linux is older than 5.14"),
        }
    }
}

/// Whether a kernel of this release counts processes for each user namespace.
fn counts_by_namespace(release: &str) -> bool {
    let mut numbers = release.split(['.', '-', '+']).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (5, 14),
        _ => false,
    }
}

/// Why there is no sandbox on this host.
#[derive(Debug, thiserror::Error)]
pub enum NoSandbox {
    /// The program is not there.
    #[error("bubblewrap is not installed")]
    Missing,
    /// It is there and does not work.
    #[error("bubblewrap does not work here: {0}")]
    Broken(String),
    /// This host has the helper, which does not answer.
    #[error("wharf-helper does not answer")]
    Helper(#[source] FrameError),
}

impl NoSandbox {
    /// The next step, a line each.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Missing => "apt install bubblewrap".to_owned(),
            Self::Broken(_) => {
                let fixes = forbidden::fixes();
                if !fixes.is_empty() {
                    return fixes.join("\n");
                }
                "user namespaces must be allowed for this user, which a container or systemd's unit may forbid\n\
                 in the unit of a host without wharf-helper.socket: see bubblewrap.conf in docs/isolation.md"
                    .to_owned()
            }
            Self::Helper(_) => "systemctl status wharf-helper\n\
                 it answers the daemon's own user only: sudo -u wharf ...\n\
                 a host without it: see bubblewrap.conf in docs/isolation.md"
                .to_owned(),
        }
    }
}

impl Bubblewrap {
    /// Finds bubblewrap and tries it; takes some 10 ms.
    ///
    /// # Errors
    /// [`NoSandbox`].
    pub fn find() -> Result<Self, NoSandbox> {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin".into());
        let program = std::env::split_paths(&path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join("bwrap"))
            .find(|program| program.is_file())
            .ok_or(NoSandbox::Missing)?;
        let mut found = Self {
            program,
            user_namespaces: UserNamespaces::Disabled,
            filters: Filters::Work,
            forks: Forks::here(),
            reduced: vec![],
        };
        found.filter()?;
        Ok(found)
    }

    /// Finds what works of the filters and locks.
    fn filter(&mut self) -> Result<(), NoSandbox> {
        let Err(strict) = self.try_out() else {
            return Ok(());
        };
        // What the filter refuses needs no other lock.
        self.user_namespaces = UserNamespaces::Allowed;
        if self.try_out().is_ok() {
            return Ok(());
        }
        self.filters = Filters::Missing;
        let unfiltered = |why: &str| format!("system calls are not filtered: {why}");
        self.user_namespaces = UserNamespaces::Disabled;
        if self.try_out().is_ok() {
            self.reduced = vec![unfiltered(&strict)];
            return Ok(());
        }
        self.user_namespaces = UserNamespaces::Allowed;
        self.try_out().map_err(NoSandbox::Broken)?;
        self.reduced = vec![
            "code can make user namespaces of its own".to_owned(),
            unfiltered(&strict),
        ];
        Ok(())
    }

    fn try_out(&self) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        command.args([
            "--unshare-user",
            "--unshare-all",
            "--die-with-parent",
            "--cap-drop",
            "ALL",
        ]);
        if self.user_namespaces == UserNamespaces::Disabled {
            command.arg("--disable-userns");
        }
        let mut input = Stdio::null();
        if self.filters == Filters::Work {
            let programs = calls::programs(Calls::Ordinary).map_err(|error| error.to_string())?;
            let first = programs.first().ok_or("there is no filter")?;
            let file = inside::in_memory(first).map_err(|error| error.to_string())?;
            command.args(["--add-seccomp-fd", "0"]);
            input = file.into();
        }
        let output = command
            .args([
                "--ro-bind",
                "/",
                "/",
                "--proc",
                "/proc",
                "--dev",
                "/dev",
                "/bin/sh",
                "-c",
                ":",
            ])
            .env_clear()
            .stdin(input)
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().next().unwrap_or("it fails without a word");
        Err(line
            .trim_start_matches("bwrap: ")
            .chars()
            .take(200)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_count_by_namespace_since_5_14() {
        for new in ["5.14.0", "5.14-rc1", "6.1.0-18-amd64", "10.0"] {
            assert!(counts_by_namespace(new), "{new}");
        }
        for old in ["5.13.19", "5.4.0-generic", "4.19.0", "", "linux", "6"] {
            assert!(!counts_by_namespace(old), "{old}");
        }
    }
}
