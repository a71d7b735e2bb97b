//! Destinations of notifications, tried by hand.

use wharf_wire::outcome::Exit;
use wharf_wire::view::Item;

use super::super::Session;
use super::super::peer::Broken;
use super::super::scope::missing;
use crate::notify::{listeners, try_out::try_out};

impl Session {
    /// Sends a test to each destination that is meant. Fails where one of them does not take it.
    pub(super) async fn try_out(
        &mut self,
        project: Option<&str>,
        name: Option<&str>,
    ) -> Result<(), Broken> {
        self.may_host("try its notifications")?;
        let settings = self.world.settings();
        let meant: Vec<_> = listeners(&settings)
            .filter(|one| project.is_none_or(|project| one.scope == project))
            .filter(|one| name.is_none_or(|name| one.notify.name == name))
            .collect();
        if meant.is_empty() {
            let known: Vec<String> = listeners(&settings).map(|one| one.shown()).collect();
            let message = match known.is_empty() {
                true => "nobody is told of anything: there is no [[notify]]".to_owned(),
                false => format!(
                    "there is no such destination; there are: {}",
                    known.join(", ")
                ),
            };
            return Err(missing("unknown-destination", &message));
        }
        let mut exit = Exit::Ok;
        for listener in &meant {
            let tried = try_out(&self.world, listener).await;
            if !tried.taken {
                exit = Exit::Failed;
            }
            self.item(Item::Tried(tried)).await?;
        }
        self.end(exit).await
    }
}
