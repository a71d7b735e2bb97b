//! The program bubblewrap of this host, and what it can do here.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};

use super::sandbox::UserNamespaces;

/// bubblewrap, found and tried once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bubblewrap {
    /// The program, absolute.
    pub program: PathBuf,
    /// Whether the code inside can be kept from making user namespaces.
    pub user_namespaces: UserNamespaces,
    /// What is weaker than it should be and why, once a deployment.
    pub reduced: Option<String>,
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
}

impl NoSandbox {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing => "apt install bubblewrap",
            Self::Broken(_) => {
                "user namespaces must be allowed for this user: \
                sysctl kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns"
            }
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
            reduced: None,
        };
        let Err(strict) = found.try_out() else {
            return Ok(found);
        };
        found.user_namespaces = UserNamespaces::Allowed;
        found.try_out().map_err(NoSandbox::Broken)?;
        found.reduced = Some(format!(
            "code can make user namespaces of its own: {strict}"
        ));
        Ok(found)
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
            .stdin(Stdio::null())
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
