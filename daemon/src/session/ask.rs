//! What people ask and command.

mod act;
mod host;
mod logs;
mod look;

use wharf_wire::FromDaemon;
use wharf_wire::ask::{Ask, LogForm};
use wharf_wire::view::Item;

use super::peer::Broken;
use super::{Session, host};
use crate::execute::failure::chain;

impl Session {
    pub(super) async fn answer(&mut self, ask: Ask) -> Result<(), Broken> {
        match ask {
            Ask::Status => self.status().await,
            Ask::Projects => self.projects().await,
            Ask::Environments(scope) => self.environments(&scope).await,
            Ask::Activities { scope, limit } => self.activities(&scope, limit).await,
            Ask::Releases(scope) => self.releases(&scope).await,
            Ask::Log {
                activity,
                scope,
                follow,
                form,
            } => {
                let id = self.meant(activity, &scope).await?;
                match form {
                    LogForm::Text => self.log(&id, follow, false).await,
                    LogForm::Events => self.log(&id, follow, true).await,
                    LogForm::Raw => self.raw(&self.world.paths.raw(&id)).await,
                }
            }
            Ask::AppLog { scope } => self.app_log(&scope).await,
            Ask::Rollback { scope, release } => self.roll_back(&scope, release).await,
            Ask::Redeploy { scope, slug } => self.redeploy(&scope, slug).await,
            Ask::Cancel { activity } => self.cancel(activity).await,
            Ask::Reload => self.reload().await,
            Ask::Doctor => self.doctor().await,
        }
    }

    async fn item(&mut self, item: Item) -> Result<(), Broken> {
        self.peer.send(&FromDaemon::Item(Box::new(item))).await
    }
}

fn store(error: crate::store::StoreError) -> Broken {
    host(chain(&error))
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
