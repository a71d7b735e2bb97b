//! Which command prints what with `--json`.

use super::variable::{Config, Variable};
use super::{Activity, Command, Hook, Key, Mount, Project, Slug, Snapshot};

/// What commands print with `--json`: each has a published schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Answer {
    /// `wharf status`
    Status,
    /// `wharf project list`
    Projects,
    /// `wharf environments`
    Environments,
    /// `wharf info`
    Environment,
    /// `wharf activities`
    Activities,
    /// `wharf activity show` and `wharf activity wait`
    Activity,
    /// `wharf releases`
    Releases,
    /// `wharf crons`
    Crons,
    /// `wharf slugs`
    Slugs,
    /// `wharf slug why`
    SlugWhy,
    /// `wharf mount list` and `wharf mount size`
    Mounts,
    /// `wharf mount upload --dry-run`
    MountChanges,
    /// `wharf snapshot list`
    Snapshots,
    /// `wharf log`; with --follow each line is one of its entries
    Log,
    /// `wharf url`
    Url,
    /// `wharf url --grant`
    Grant,
    /// Whatever acts: `wharf deploy`, `merge`, `branch`, `approve`, …
    Outcome,
    /// Any command that was not done
    Error,
    /// `wharf init`
    Init,
    /// `wharf check`
    Check,
    /// `wharf hook status`
    Hooks,
    /// `wharf key list`
    Keys,
    /// `wharf variable list`
    Variables,
    /// `wharf variable get`
    Variable,
    /// `wharf config diff`
    Differences,
    /// `wharf doctor`
    Doctor,
    /// `wharf cleanup`
    Cleanup,
    /// `wharf notify test`
    NotifyTest,
    /// What a webhook is sent
    Notification,
}

impl Command {
    /// What it prints with `--json`; none where it knows none.
    pub fn answer(&self) -> Option<Answer> {
        match self {
            Command::Status => Some(Answer::Status),
            Command::Environments => Some(Answer::Environments),
            Command::Activities { .. } | Command::Activity(Activity::List { .. }) => {
                Some(Answer::Activities)
            }
            Command::Activity(Activity::Show { .. } | Activity::Wait { .. }) => {
                Some(Answer::Activity)
            }
            Command::Log(_) | Command::Activity(Activity::Log(_)) => Some(Answer::Log),
            Command::Url { grant: None } => Some(Answer::Url),
            Command::Url { grant: Some(_) } => Some(Answer::Grant),
            Command::Releases => Some(Answer::Releases),
            Command::Crons { what: None } => Some(Answer::Crons),
            Command::Slugs => Some(Answer::Slugs),
            Command::Slug(Slug::Why { .. }) => Some(Answer::SlugWhy),
            Command::Snapshot(Snapshot::List) => Some(Answer::Snapshots),
            // What it prints is the archive.
            Command::Slug(Slug::Export { .. }) | Command::Snapshot(Snapshot::Export { .. }) => None,
            Command::Mount(Mount::List | Mount::Size { .. }) => Some(Answer::Mounts),
            // What it prints may be an archive.
            Command::Mount(Mount::Download(_)) => None,
            Command::Mount(Mount::Upload(upload)) if upload.dry_run => Some(Answer::MountChanges),
            Command::Project(Project::List) => Some(Answer::Projects),
            Command::Hook(Hook::Status(_)) => Some(Answer::Hooks),
            Command::Key(Key::List { .. }) => Some(Answer::Keys),
            Command::Check { .. } => Some(Answer::Check),
            Command::Init { .. } => Some(Answer::Init),
            Command::Doctor => Some(Answer::Doctor),
            Command::Cleanup { .. } => Some(Answer::Cleanup),
            Command::Notify(_) => Some(Answer::NotifyTest),
            Command::Info {
                title: None,
                parent: None,
            } => Some(Answer::Environment),
            Command::Rollback { .. }
            | Command::Deploy { .. }
            | Command::Redeploy { .. }
            | Command::Activate
            | Command::Deactivate
            | Command::Pause
            | Command::Resume
            | Command::Maintenance { .. }
            | Command::Seed
            | Command::Data(_)
            | Command::Approve { .. }
            | Command::Cancel { .. }
            | Command::Activity(Activity::Approve { .. } | Activity::Cancel { .. })
            | Command::Branch(_)
            | Command::Merge
            | Command::Promote
            | Command::Sync { .. }
            | Command::Delete { .. }
            | Command::Info { .. }
            | Command::Crons { what: Some(_) }
            | Command::Slug(Slug::Import { .. })
            | Command::Mount(Mount::Upload(_))
            | Command::Snapshot(
                Snapshot::Create { .. } | Snapshot::Restore { .. } | Snapshot::Delete { .. },
            )
            | Command::Variable(Variable::Set(_) | Variable::Delete { .. }) => {
                Some(Answer::Outcome)
            }
            Command::Variable(Variable::List { .. }) => Some(Answer::Variables),
            Command::Variable(Variable::Get { .. }) => Some(Answer::Variable),
            Command::Config(Config::Diff { .. }) => Some(Answer::Differences),
            Command::Project(Project::Add { .. })
            | Command::Hook(Hook::Install { .. } | Hook::Uninstall(_) | Hook::Refresh { .. })
            | Command::Key(Key::Add { .. } | Key::Remove { .. })
            | Command::Config(Config::Dump { .. })
            // What it prints is the command's own.
            | Command::Run { .. }
            | Command::Shell
            | Command::Db(_)
            | Command::Start { .. }
            | Command::Admin(_)
            | Command::Reload
            | Command::Schema { .. }
            | Command::Completions { .. }
            | Command::Man { .. } => None,
        }
    }
}
