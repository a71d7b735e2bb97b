//! What people ask and command.

mod act;
mod approve;
mod archive;
mod config;
mod crons;
mod delete;
mod deploy;
mod dumps;
mod grant;
mod host;
mod info;
mod isolation;
mod keep;
mod land;
mod logs;
mod look;
mod mount;
mod moves;
mod notify;
mod overview;
mod refuse;
mod run;
mod set;
mod slug;
mod slug_why;
mod snapshots;
mod standing;
mod tree;
mod variables;
mod wait;

use wharf_wire::FromDaemon;
use wharf_wire::ask::{Ask, LogForm};
use wharf_wire::view::Item;

use super::peer::Broken;
use super::{Session, store};
use crate::execute::by_hand::What;
use crate::plan::options::Data;

impl Session {
    pub(super) async fn answer(&mut self, ask: Ask) -> Result<(), Broken> {
        match ask {
            Ask::Status => self.status().await,
            Ask::Projects => self.projects().await,
            Ask::Environments(scope) => self.environments(&scope).await,
            Ask::Activities { scope, limit } => self.activities(&scope, limit).await,
            Ask::Activity { activity } => self.activity(activity).await,
            Ask::Wait { activity, form } => self.wait(activity, form).await,
            Ask::Releases(scope) => self.releases(&scope).await,
            Ask::SlugWhy { scope, release } => self.slug_why(&scope, release).await,
            Ask::ExportSlug { scope, slug } => self.export_slug(&scope, slug.as_deref()).await,
            Ask::ImportSlug(scope) => self.import_slug(&scope).await,
            Ask::Mounts { scope, path, used } => self.mounts(&scope, path.as_deref(), used).await,
            Ask::Download { scope, path } => self.download(&scope, &path).await,
            Ask::Upload { scope, upload } => self.upload(&scope, upload).await,
            Ask::Slugs(scope) => self.slugs(&scope).await,
            Ask::CreateSnapshot { scope, title } => {
                self.create_snapshot(&scope, title.as_deref()).await
            }
            Ask::Snapshots(scope) => self.snapshots(&scope).await,
            Ask::RestoreSnapshot {
                scope,
                snapshot,
                what,
            } => self.restore_snapshot(&scope, &snapshot, what).await,
            Ask::ExportSnapshot {
                scope,
                snapshot,
                part,
            } => {
                self.export_snapshot(&scope, &snapshot, part.as_deref())
                    .await
            }
            Ask::DeleteSnapshot { scope, snapshot } => {
                self.delete_snapshot(&scope, &snapshot).await
            }
            Ask::Log {
                activity,
                scope,
                follow,
                form,
            } => {
                let id = self.meant(activity, &scope).await?;
                if form != LogForm::Events && self.is_log_gone(&id).await? {
                    let text = format!("the log of {id} is gone (keep.logs, or a full disk)");
                    self.peer.lines(vec![text]).await?;
                }
                match form {
                    LogForm::Text => self.log(&id, follow, false).await,
                    LogForm::Events => self.log(&id, follow, true).await,
                    LogForm::Raw => self.raw(&self.world.paths.raw(&id)).await,
                }
            }
            Ask::AppLog { scope } => self.app_log(&scope).await,
            Ask::Run {
                scope,
                command,
                terminal,
            } => {
                let what = command.map_or(What::Shell, What::Program);
                self.run(&scope, what, terminal).await
            }
            Ask::Database {
                scope,
                service,
                act,
                terminal,
            } => {
                self.run(&scope, What::Service(service, act), terminal)
                    .await
            }
            Ask::ImportDump { scope, service } => {
                self.import_dump(&scope, service.as_deref()).await
            }
            Ask::Crons(scope) => self.crons(&scope).await,
            Ask::RunCron { scope, name } => self.run_cron(&scope, &name).await,
            Ask::Rollback { scope, release } => self.roll_back(&scope, release).await,
            Ask::Grant { scope, seconds } => self.grant(&scope, seconds).await,
            Ask::Activate(scope) => self.activate(&scope).await,
            Ask::Deactivate(scope) => self.deactivate(&scope).await,
            Ask::Pause(scope) => self.pause(&scope).await,
            Ask::Resume(scope) => self.resume(&scope).await,
            Ask::Seed(scope) => self.seed(&scope).await,
            Ask::ResetData(scope) => self.reset_data(&scope).await,
            Ask::Maintenance { scope, on } => self.maintain(&scope, on).await,
            Ask::Branch {
                scope,
                name,
                parent,
                title,
                data,
            } => {
                let data = data.map(Data::of);
                self.branch(&scope, &name, parent.as_deref(), title.as_deref(), data)
                    .await
            }
            Ask::Merge { scope } => self.merge(&scope).await,
            Ask::Promote { scope } => self.promote(&scope).await,
            Ask::Sync { scope, what } => self.sync(&scope, what).await,
            Ask::Delete { scope, children } => self.delete(&scope, children).await,
            Ask::Info {
                scope,
                title,
                parent,
            } => self.info(&scope, title.as_deref(), parent.as_deref()).await,
            Ask::Deploy { scope, commit } => self.deploy(&scope, &commit).await,
            Ask::Redeploy { scope, slug, now } => self.redeploy(&scope, slug, now).await,
            Ask::Approve { activity, now } => self.approve(activity, now).await,
            Ask::Variables { scope, level, name } => {
                self.variables(&scope, level, name.as_deref()).await
            }
            Ask::SetVariable {
                scope,
                level,
                variable,
            } => self.set_variable(&scope, level, variable).await,
            Ask::DeleteVariable { scope, level, name } => {
                self.delete_variable(&scope, level, &name).await
            }
            Ask::DumpConfig(scope) => self.dump_config(&scope).await,
            Ask::DiffConfig {
                scope,
                first,
                second,
            } => self.diff_config(&scope, &first, &second).await,
            Ask::Cancel { activity } => self.cancel(activity).await,
            Ask::Reload => self.reload().await,
            Ask::Doctor => self.doctor().await,
            Ask::NotifyTest { project, name } => {
                self.try_out(project.as_deref(), name.as_deref()).await
            }
            Ask::Cleanup(cleanup) => self.clean_up(cleanup).await,
        }
    }

    async fn item(&mut self, item: Item) -> Result<(), Broken> {
        self.peer.send(&FromDaemon::Item(Box::new(item))).await
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
