//! `wharf mount`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// `wharf mount`.
#[derive(Debug, Clone, Subcommand)]
pub enum Mount {
    /// Show the environment's mounts, and what each may hold
    List,
    /// Show how much is in the mounts, as du(1) counts it
    Size {
        /// A mount, or a path below one [default: all]
        path: Option<String>,
    },
    /// Take what is in a mount: a directory of your own, or a tar archive
    Download(Download),
    /// Bring files into a mount; what is there and not among them stays
    Upload(Upload),
}

/// `wharf mount download`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Who may: contributors. Who took what is recorded: people's data may be in it.\n\
                  The directory is there once all of it is, or not at all. Links that lead out of it \
                  are left out, and named."
)]
pub struct Download {
    /// A mount, or a path below one
    pub path: String,
    /// Where to: what is there already is not touched [default: its last name, here]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub to: Option<PathBuf>,
    /// Write a tar archive instead, or to standard output with -
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "to")]
    pub output: Option<PathBuf>,
}

/// `wharf mount upload`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Who may: contributors, as with wharf run. What is in a directory comes to the path \
                  itself; a file comes\nto it, or into it where that is a directory. Each file is \
                  whole at every moment, the old one or the new one,\nand nothing changes before all \
                  of it has come and fits. Links that lead out of the directory are left out."
)]
pub struct Upload {
    /// A directory, a file, or - for a tar archive on standard input
    #[arg(value_hint = ValueHint::AnyPath)]
    pub from: PathBuf,
    /// A mount, or a path below one
    pub path: String,
    /// Make it equal: what is there and not among them goes
    #[arg(long)]
    pub delete: bool,
    /// Change nothing; show what would be changed
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// The archive holds one file, of this name: what a laptop's `wharf` sends
    #[arg(long, hide = true, value_name = "NAME")]
    pub file: Option<String>,
}

impl Upload {
    /// Whether an archive comes on standard input.
    pub fn is_piped(&self) -> bool {
        self.from.as_os_str() == "-"
    }
}

impl Mount {
    /// Its words for the far side of ssh, where no file is read or written: what it is about goes
    /// through standard input and output. `file` is the name of the one file that is uploaded.
    pub(super) fn words(&self) -> Vec<String> {
        match self {
            Mount::List => words(&["mount", "list"], &[]),
            Mount::Size { path } => words(&["mount", "size"], path.as_slice()),
            Mount::Download(download) => words(
                &["mount", "download", "--output=-"],
                std::slice::from_ref(&download.path),
            ),
            Mount::Upload(upload) => {
                let mut all: Vec<String> = ["mount", "upload"].map(str::to_owned).into();
                all.extend(upload.delete.then(|| "--delete".to_owned()));
                all.extend(upload.dry_run.then(|| "--dry-run".to_owned()));
                let name = upload.file.clone().or_else(|| upload.name());
                all.extend(name.map(|name| format!("--file={name}")));
                all.extend(["--".to_owned(), "-".to_owned(), upload.path.clone()]);
                all
            }
        }
    }
}

impl Upload {
    /// The name of the one file that is uploaded; none where it is a directory, or unknown.
    pub fn name(&self) -> Option<String> {
        if self.is_piped() {
            return self.file.clone();
        }
        let is_directory = self.from.is_dir();
        let name = self.from.file_name().filter(|_| !is_directory)?;
        Some(name.to_string_lossy().into_owned())
    }
}

fn words(verb: &[&str], rest: &[String]) -> Vec<String> {
    let mut all: Vec<String> = verb.iter().map(ToString::to_string).collect();
    if !rest.is_empty() {
        all.push("--".to_owned());
        all.extend(rest.iter().cloned());
    }
    all
}
