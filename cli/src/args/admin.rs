//! `wharf admin`.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

/// What concerns this host's Wharf as a whole.
#[derive(Debug, Clone, Subcommand)]
pub enum Admin {
    /// Write all that cannot be made again into one file: configuration, record, data, logs
    #[command(
        after_help = "The daemon may run meanwhile: of the database one moment is taken, files of \
                      applications are read as they\nare then. Secrets are in the file, so only you \
                      can read it. Repositories are not in it.\n\nWho may: root and the daemon's own \
                      user. The same as: wharfd backup --all FILE"
    )]
    Backup {
        /// The file: a tar
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// What was built, too: nothing has to be built again then, and every release can serve
        #[arg(long)]
        slugs: bool,
    },
    /// Bring back what `wharf admin backup` wrote, on this host or another one
    #[command(
        after_help = "The file is looked through first, and nothing is touched where it is not whole, does not \
                      fit, or meets\nanother Wharf. No daemon may run.\n\nWho may: root and the daemon's own \
                      user. The same as: wharfd restore --all FILE"
    )]
    Restore {
        /// The file
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Put the Wharf aside that is here
        #[arg(long)]
        replace: bool,
    },
}
