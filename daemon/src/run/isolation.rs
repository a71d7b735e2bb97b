//! What keeps jobs apart on this host.

use std::{io, io::Write as _, os::unix::net::UnixStream, path::Path, time::Duration};

use serde::{Deserialize, Serialize};
use wharf_sandbox::ask::{self, FromHelper, ToHelper};
use wharf_wire::frame::{self, FrameError};

use super::{
    bubblewrap::{Bubblewrap, NoSandbox},
    job::JobId,
};

/// How long the helper may take to start and to answer.
const PATIENCE: Duration = Duration::from_secs(10);

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
    /// Looks for what there is: units, where the helper's socket is; else bubblewrap. What is on the disk is
    /// the same with either, so it may be another at the next start.
    ///
    /// # Errors
    /// [`NoSandbox`].
    pub fn find(state: &Path) -> Result<Self, NoSandbox> {
        if state != Path::new(ask::STATE) || !Path::new(ask::SOCKET).exists() {
            return Bubblewrap::find().map(Self::Bubblewrap);
        }
        // Nothing is isolated less than yesterday because somebody is late.
        helper_answers().map_err(NoSandbox::Helper)?;
        Ok(Self::Units)
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

/// Asks the helper for a job that nobody has: it says so where it works.
fn helper_answers() -> Result<(), FrameError> {
    let job = JobId::parse("asked-at-the-start").expect("it is such a name");
    let mut helper = UnixStream::connect(ask::SOCKET)?;
    helper.set_read_timeout(Some(PATIENCE))?;
    helper.set_write_timeout(Some(PATIENCE))?;
    helper.write_all(&frame::encode(&ToHelper::Hold { job })?)?;
    match frame::read::<FromHelper>(&mut helper)? {
        Some(_) => Ok(()),
        None => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}
