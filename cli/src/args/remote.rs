//! A command's words for the far side of ssh.

use super::{Activity, Command, Crons, Data, Database, Project, What};

impl Command {
    /// The command's words for the far side of ssh; `None` where it makes no sense there. What
    /// `wharf` sends and what `wharf-shell` lets in is the same set.
    pub fn remote_words(&self) -> Option<Vec<String>> {
        let words = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
        match self {
            Command::Status => words(&["status"]),
            Command::Environments => words(&["environments"]),
            Command::Activities { limit } => words(&["activities", "--limit", &limit.to_string()]),
            Command::Activity(Activity::Show { id }) => words(&["activity", "show", "--", id]),
            Command::Activity(Activity::Wait { id, timeout }) => {
                let limit = timeout.map(|time| format!("--timeout={}s", time.as_secs()));
                let mut all = vec!["activity".to_owned(), "wait".to_owned()];
                all.extend(limit);
                all.extend(["--".to_owned(), id.clone()]);
                Some(all)
            }
            Command::Activity(_) => unreachable!("`short` has named it otherwise"),
            Command::Log(log) => {
                let mut all = vec!["log".to_owned()];
                for (wanted, flag) in [
                    (log.follow, "--follow"),
                    (log.raw, "--raw"),
                    (log.app, "--app"),
                ] {
                    if wanted {
                        all.push(flag.to_owned());
                    }
                }
                if let Some(id) = &log.id {
                    all.extend(["--".to_owned(), id.clone()]);
                }
                Some(all)
            }
            Command::Url { grant: None } => words(&["url"]),
            Command::Url { grant: Some(time) } => {
                words(&["url", &format!("--grant={}s", time.as_secs())])
            }
            Command::Releases => words(&["releases"]),
            Command::Crons { what: None } => words(&["crons"]),
            Command::Crons {
                what: Some(Crons::Run { name }),
            } => words(&["crons", "run", "--", name]),
            Command::Slugs => words(&["slugs"]),
            Command::Slug(slug) => Some(slug.words()),
            Command::Mount(mount) => Some(mount.words()),
            Command::Snapshot(snapshot) => Some(snapshot.words()),
            Command::Project(Project::List) => words(&["project", "list"]),
            Command::Run { command } => {
                let all = ["run", "--"].map(str::to_owned).into_iter();
                Some(all.chain(command.iter().cloned()).collect())
            }
            Command::Shell => words(&["shell"]),
            Command::Db(database) => Some(database.words()),
            Command::Rollback { release: None } => words(&["rollback"]),
            Command::Rollback {
                release: Some(release),
            } => words(&["rollback", &format!("r{release}")]),
            Command::Activate => words(&["activate"]),
            Command::Deactivate => words(&["deactivate"]),
            Command::Pause => words(&["pause"]),
            Command::Resume => words(&["resume"]),
            Command::Seed => words(&["seed"]),
            Command::Data(Data::Reset) => words(&["data", "reset"]),
            Command::Maintenance { to } => words(&["maintenance", to.word()]),
            Command::Deploy { commit } => words(&["deploy", "--commit", commit]),
            Command::Redeploy { rebuild, now } => {
                let mut all = vec!["redeploy".to_owned()];
                all.extend(rebuild.then(|| "--rebuild".to_owned()));
                all.extend(now.then(|| "--now".to_owned()));
                Some(all)
            }
            Command::Approve { id, now } => {
                let mut all = vec!["approve".to_owned()];
                all.extend(now.then(|| "--now".to_owned()));
                all.extend(["--".to_owned(), id.clone()]);
                Some(all)
            }
            Command::Cancel { id } => words(&["cancel", "--", id]),
            Command::Branch(branch) => {
                let mut all = vec!["branch".to_owned()];
                // One word, so that a value which begins with `-` stays a value.
                all.extend(branch.title.iter().map(|title| format!("--title={title}")));
                all.extend(branch.no_data.then(|| "--no-data".to_owned()));
                all.extend(["--".to_owned(), branch.name.clone()]);
                all.extend(branch.parent.clone());
                Some(all)
            }
            Command::Merge => words(&["merge"]),
            Command::Promote => words(&["promote"]),
            Command::Sync { what: What::Code } => words(&["sync", "code"]),
            Command::Sync { what: What::Data } => words(&["sync", "data"]),
            Command::Delete {
                with_children: false,
            } => words(&["delete"]),
            Command::Delete {
                with_children: true,
            } => words(&["delete", "--with-children"]),
            Command::Info { title, parent } => {
                let mut all = vec!["info".to_owned()];
                all.extend(title.iter().map(|title| format!("--title={title}")));
                all.extend(parent.iter().map(|parent| format!("--parent={parent}")));
                Some(all)
            }
            Command::Variable(variable) => Some(variable.words()),
            Command::Config(config) => Some(config.words()),
            Command::Init { .. }
            | Command::Project(Project::Add { .. })
            | Command::Check { .. }
            | Command::Hook(_)
            | Command::Key(_)
            | Command::Start { .. }
            | Command::Reload
            | Command::Doctor
            | Command::Cleanup { .. }
            | Command::Notify(_)
            | Command::Admin(_)
            | Command::Schema { .. }
            | Command::Completions { .. }
            | Command::Man { .. } => None,
        }
    }

    /// Whether its input is somebody's own.
    #[must_use]
    pub fn is_attended(&self) -> bool {
        matches!(
            self,
            Command::Run { .. } | Command::Shell | Command::Db(Database::Shell { .. })
        )
    }
}
