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
    /// Begin a database's own shell, as the application's user
    Shell {
        /// The service, as wharf.toml names it [default: the only database]
        service: Option<String>,
    },
}

impl Database {
    /// Its words for the far side of ssh, where no file is read or written.
    pub(super) fn words(&self) -> Vec<String> {
        let (verb, service) = match self {
            Database::Dump { service, .. } => ("dump", service),
            Database::Shell { service } => ("shell", service),
        };
        let mut words = ["db", verb].map(str::to_owned).to_vec();
        if let Some(service) = service {
            words.extend(["--".to_owned(), service.clone()]);
        }
        words
    }
}
