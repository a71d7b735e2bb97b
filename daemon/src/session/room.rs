//! Room for another deployment: where there is none, what nobody needs goes first.

use std::path::Path;
use std::time::Duration;

use wharf_wire::Refusal;
use wharf_wire::outcome::Exit;

use super::Session;
use super::peer::Broken;
use crate::dispatch::Event;
use crate::execute::housekeeping::{Wanted, is_short, lacks};
use crate::plan::room::HINT;

/// Who pushes waits so long for room to be made; it is made to the end all the same.
const PATIENCE: Duration = Duration::from_secs(5);

impl Session {
    /// What is lacking for a deployment from this repository, a phrase each.
    pub(super) async fn lacks(&self, repository: Option<&Path>) -> Vec<String> {
        if is_short(&self.world) {
            let wanted = Wanted::Room;
            let made = self.desk.ask(|reply| Event::Keep { wanted, reply });
            if tokio::time::timeout(PATIENCE, made).await.is_err() {
                tracing::debug!("room is still being made");
            }
        }
        lacks(&self.world, repository)
    }

    /// Refuses what needs room where there is none.
    pub(super) async fn need_room(&self, repository: &Path) -> Result<(), Broken> {
        let lacks = self.lacks(Some(repository)).await;
        if lacks.is_empty() {
            return Ok(());
        }
        Err(Broken::Refused(Refusal {
            code: "low-disk".into(),
            message: lacks.join("; "),
            hint: Some(HINT.into()),
            exit: Exit::Refused,
        }))
    }
}
