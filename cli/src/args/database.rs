//! `wharf db`.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

/// `wharf db`.
#[derive(Debug, Clone, Subcommand)]
pub enum Database {
    /// Write out all that a database holds, as it is at one moment
    #[command(
        after_help = "Who may: contributors. It goes to standard output, which is no terminal: \
                      wharf db dump | zstd > dump.sql.zst\nA file whose name ends with .gz is \
                      compressed; it takes its name when it is whole."
    )]
    Dump {
        /// The service, as wharf.toml names it [default: the only database]
        service: Option<String>,
        /// Write this file instead, such as dump.sql.gz
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Put what a dump says in the place of all that a database holds
    #[command(
        allow_missing_positional = true,
        after_help = "Who may: admins. A file that gzip packed is unpacked. The database's own server reads it \
                      beside the one that\nserves; only then processes are stopped, and what it made of it takes \
                      the place of what is there,\nwhich is kept on the host for a while. A dump that wharf wrote \
                      says where it is from: data goes into\nthe environment that it is of, or into one below it, \
                      never upward."
    )]
    Import {
        /// The service, as wharf.toml names it [default: the only database]
        service: Option<String>,
        /// The dump, such as dump.sql.gz, or - for standard input
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Begin a database's own shell, as the application's user
    Shell {
        /// The service, as wharf.toml names it [default: the only database]
        service: Option<String>,
    },
}

/// `wharf data`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Data {
    /// Put all data of an environment aside and deploy what serves anew, as in a new environment
    #[command(
        after_help = "Who may: contributors of development environments, admins of staging; production's data is never \
                      reset.\nWhat mounts and services hold is kept on the host for a while. Then deploy.install \
                      and [seed] run as in\na first deployment."
    )]
    Reset,
}

impl Database {
    /// Its words for the far side of ssh, where no file is read or written.
    pub(super) fn words(&self) -> Vec<String> {
        let (verb, service, file) = match self {
            Database::Dump { service, .. } => ("dump", service, None),
            // What it is about goes through standard input.
            Database::Import { service, .. } => ("import", service, Some("-")),
            Database::Shell { service } => ("shell", service, None),
        };
        let mut words = ["db", verb].map(str::to_owned).to_vec();
        // Behind it all would be the last of two, of which the first may be left out.
        if service.is_some() && file.is_none() {
            words.push("--".to_owned());
        }
        words.extend(service.clone());
        words.extend(file.map(str::to_owned));
        words
    }
}
