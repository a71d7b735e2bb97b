//! What keeps jobs apart on this host.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wharf_sandbox::ask;

use super::bubblewrap::{Bubblewrap, NoSandbox};

/// How a sandbox is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// By bubblewrap, all of it with the daemon's own user.
    Bubblewrap(Bubblewrap),
    /// By systemd, through the helper: units, with a user for each environment.
    Units,
}

impl Isolation {
    /// Looks for what there is: units, where the helper listens for this daemon; else bubblewrap.
    ///
    /// # Errors
    /// [`NoSandbox`].
    pub fn find(state: &Path) -> Result<Self, NoSandbox> {
        if state == Path::new(ask::STATE) && Path::new(ask::SOCKET).exists() {
            return Ok(Self::Units);
        }
        Bubblewrap::find().map(Self::Bubblewrap)
    }

    /// What it could give and does not here, and why: said once a deployment.
    #[must_use]
    pub fn reduced(&self) -> &[String] {
        match self {
            Self::Bubblewrap(bubblewrap) => &bubblewrap.reduced,
            Self::Units => &[],
        }
    }

    /// As an argument of `wharf-keeper`.
    pub(super) fn to_argument(&self) -> String {
        serde_json::to_string(self).expect("strings and names")
    }
}
