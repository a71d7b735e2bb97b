//! `wharf snapshot`.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

/// `wharf snapshot`.
#[derive(Debug, Clone, Subcommand)]
pub enum Snapshot {
    /// Copy the environment's data now; what serves goes on
    #[command(
        after_help = "Who may: contributors. One that somebody asked for stays until somebody deletes it."
    )]
    Create {
        /// What people say of it
        #[arg(long)]
        title: Option<String>,
    },
    /// Show the project's snapshots, newest first
    List,
    /// Put a snapshot in the place of the environment's data
    #[command(
        after_help = "Who may: admins. All of it is fetched and verified first; only then processes are stopped, \
                      and the data\nis swapped by renames. What was there is kept on the host for a while. Data \
                      goes into the environment\nthat it is of, or into one below it, never upward."
    )]
    Restore {
        /// The snapshot, such as 4f2a
        id: String,
        /// Let the release serve again that served then
        #[arg(long)]
        with_release: bool,
    },
    /// Write a snapshot as a tar archive
    #[command(
        after_help = "Who may: admins. It goes to standard output, which is no terminal. It is whole only where \
                      the command\nsucceeds."
    )]
    Export {
        /// The snapshot, such as 4f2a
        id: String,
        /// Which of its parts, such as service:database [default: its mounts, or the only one]
        #[arg(long, value_name = "NAME")]
        part: Option<String>,
        /// Write this file instead, which takes its name when it is whole
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Delete a snapshot for good
    #[command(after_help = "Who may: admins.")]
    Delete {
        /// The snapshot, such as 4f2a
        id: String,
    },
}

impl Snapshot {
    /// Its words for the far side of ssh, where no file is written: what it is about goes through
    /// standard output.
    pub(super) fn words(&self) -> Vec<String> {
        let (verb, options, id) = match self {
            Snapshot::Create { title } => {
                // One word, so that a value which begins with `-` stays a value.
                let title = title.iter().map(|title| format!("--title={title}"));
                ("create", title.collect(), None)
            }
            Snapshot::List => ("list", Vec::new(), None),
            Snapshot::Restore { id, with_release } => {
                let release = with_release.then(|| "--with-release".to_owned());
                ("restore", release.into_iter().collect(), Some(id))
            }
            Snapshot::Export { id, part, .. } => {
                let part = part.iter().map(|part| format!("--part={part}"));
                ("export", part.collect(), Some(id))
            }
            Snapshot::Delete { id } => ("delete", Vec::new(), Some(id)),
        };
        let mut words = vec!["snapshot".to_owned(), verb.to_owned()];
        words.extend::<Vec<String>>(options);
        words.extend(id.into_iter().flat_map(|id| ["--".to_owned(), id.clone()]));
        words
    }
}
