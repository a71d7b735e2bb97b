//! `wharf slug`.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

use super::release_number;

/// `wharf slug`.
#[derive(Debug, Clone, Subcommand)]
pub enum Slug {
    /// Say what changed since the slug before, and whether a redeploy would build anew
    Why {
        /// Of this release, such as r41 [default: the serving one, and the branch's tip]
        #[arg(long, value_name = "NUMBER", value_parser = release_number)]
        release: Option<u32>,
    },
    /// Write a slug as a tar archive: the same bytes wherever the same was built
    #[command(
        after_help = "Who may: contributors. It goes to standard output, which is no terminal: \
                            wharf slug export | zstd > slug.tar.zst\nIt is whole only where the \
                            command succeeds; import sees that as well."
    )]
    Export {
        /// A release such as r41, or six or more digits of a key or digest [default: what serves]
        slug: Option<String>,
        /// Write this file instead, which takes its name when it is whole
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Take in what `wharf slug export` wrote: a push that would build the same uses it
    #[command(
        after_help = "Who may: admins of every type, since no build stands between the archive \
                            and what a push of the project deploys.\nEach file is held against \
                            the archive's own list, and nothing of an archive that is not whole \
                            stays."
    )]
    Import {
        /// The archive, or - for standard input [default: -]
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
}

impl Slug {
    /// Its words for the far side of ssh, where no file is read or written: what it is about goes
    /// through standard input and output.
    pub(super) fn words(&self) -> Vec<String> {
        let (verb, rest) = match self {
            Slug::Why { release } => {
                let release = release.map(|release| format!("--release=r{release}"));
                ("why", release.into_iter().collect())
            }
            Slug::Export {
                slug: Some(slug), ..
            } => ("export", vec!["--".to_owned(), slug.clone()]),
            Slug::Export { slug: None, .. } => ("export", Vec::new()),
            Slug::Import { .. } => ("import", Vec::new()),
        };
        let words = ["slug", verb].map(str::to_owned);
        words.into_iter().chain(rest).collect()
    }
}
