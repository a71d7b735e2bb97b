//! What single commands take.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, ValueHint};

use crate::hook::Layout;

use super::{LIMIT, time};

/// `wharf branch`.
#[derive(Debug, Clone, Args)]
pub struct Branch {
    /// The new branch
    pub name: String,
    /// The environment that it begins from [default: the work tree's]
    pub parent: Option<String>,
    /// What people say of it
    #[arg(long)]
    pub title: Option<String>,
    /// Begin without the parent's data
    #[arg(long)]
    pub no_data: bool,
}

/// `wharf crons`.
#[derive(Debug, Clone, Subcommand)]
pub enum Crons {
    /// Run one now and follow it, whether it is due or not
    #[command(
        after_help = "Who may: contributors. It goes on when you stop watching; wharf cancel ID ends it. \
                      While a deployment\nruns its commands, nothing begins."
    )]
    Run {
        /// The cron, such as wharf.toml names it
        name: String,
    },
}

/// What `wharf sync` brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// The code
    Code,
    /// The data
    Data,
}

/// `wharf maintenance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// Visitors see a page
    On,
    /// They see the site
    Off,
}

impl Switch {
    /// As it is written.
    pub(super) fn word(self) -> &'static str {
        match self {
            Switch::On => "on",
            Switch::Off => "off",
        }
    }
}

/// `wharf notify`.
#[derive(Debug, Clone, Subcommand)]
pub enum Notify {
    /// Send a test message and say what came of it
    #[command(
        after_help = "To every [[notify]] of the host's and the projects' files, or to the one that is named. It \
                      fails where\none is not taken. What waited for a destination that takes it is sent at \
                      once.\n\nWho may: root and the daemon's own user."
    )]
    Test {
        /// Its `name`
        name: Option<String>,
    },
}

/// `wharf activity`.
#[derive(Debug, Clone, Subcommand)]
pub enum Activity {
    /// Show what happened, newest first: `wharf activities`
    List {
        /// At most so many
        #[arg(short = 'n', long, default_value_t = LIMIT, value_name = "N",
              value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show one activity with its steps
    Show {
        /// The activity, such as 4f2a
        id: String,
    },
    /// Wait until it has ended, print its last line, exit by its result
    #[command(
        after_help = "Exit status: 0 it succeeded, 3 it failed, was cancelled or superseded, \
                            1 it goes on after the timeout, 4 the daemon stays away, 5 there is none."
    )]
    Wait {
        /// The activity, such as 4f2a
        id: String,
        /// The longest wait, such as 90s or 10m [default: as long as it takes]
        #[arg(long, value_name = "TIME", value_parser = time)]
        timeout: Option<Duration>,
    },
    /// Show its log: `wharf log ID`
    Log(ActivityLog),
    /// Let it go live, where it waits for approval: `wharf approve ID`
    Approve {
        /// The activity, such as 4f2a
        id: String,
        /// Wait for no deploy window either
        #[arg(long)]
        now: bool,
    },
    /// Stop it and all of its processes: `wharf cancel ID`
    Cancel {
        /// The activity, such as 4f2a
        id: String,
    },
}

/// `wharf activity log`.
#[derive(Debug, Clone, Args)]
pub struct ActivityLog {
    /// The activity, such as 4f2a
    pub id: String,
    /// Stay until it ends
    #[arg(short, long)]
    pub follow: bool,
    /// Every byte that the commands printed
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
}

/// `wharf project`.
#[derive(Debug, Clone, Subcommand)]
pub enum Project {
    /// Serve a bare repository: install its hooks and register it
    Add {
        /// The project's name: a-z, 0-9 and single hyphens, at most 23
        name: String,
        /// The bare repository
        #[arg(value_hint = ValueHint::DirPath)]
        repository: PathBuf,
    },
    /// Show every project
    List,
}

/// `wharf hook`.
#[derive(Debug, Clone, Subcommand)]
pub enum Hook {
    /// Install the hooks; those that are there are kept and run first
    #[command(
        after_help = "Plain bare repositories, and those of gitolite, Gitea, Forgejo and GitLab are \
                      told apart by what is in them: see wharf hook status REPO."
    )]
    Install {
        /// Where.
        #[command(flatten)]
        which: Repositories,
        /// Change nothing; print what would be changed as a diff
        #[arg(long)]
        dry_run: bool,
        /// Have git run them from the repository's configuration, beside its files: git 2.54 or newer
        #[arg(long)]
        config_hooks: bool,
    },
    /// Say whether the hooks are in order, and which git host the repository belongs to
    #[command(
        after_help = "Exit status: 0 they are, 1 they are not. With --all and --json, an object \
                            for each repository."
    )]
    Status(Repositories),
    /// Take the hooks out; those that were there before come back
    Uninstall(Repositories),
    /// Bring the hooks of every project up to date: the daemon's own call
    #[command(hide = true)]
    Refresh {
        /// Only these projects; without one, all
        projects: Vec<String>,
    },
}

/// Which repositories a hook command means.
#[derive(Debug, Clone, Args)]
pub struct Repositories {
    /// The bare repository
    #[arg(value_name = "REPO", value_hint = ValueHint::DirPath, required_unless_present = "all")]
    pub path: Option<PathBuf>,
    /// The repositories of all projects
    #[arg(long, conflicts_with = "path")]
    pub all: bool,
    /// Of these, the ones that belong to such a git host
    #[arg(long, value_name = "HOST", requires = "all")]
    pub layout: Option<Layout>,
}

/// `wharf key`.
#[derive(Debug, Clone, Args)]
pub struct KeyFile {
    /// The file that sshd reads [default: ~/.ssh/authorized_keys]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub authorized_keys: Option<PathBuf>,
}

/// `wharf key`.
#[derive(Debug, Clone, Subcommand)]
pub enum Key {
    /// Let a public key push and ask, under a person's name
    Add {
        /// The person: a-z, 0-9, `.`, `_` and `-`, at most 32
        name: String,
        /// The public key's file, or - for standard input
        #[arg(value_hint = ValueHint::FilePath)]
        key: PathBuf,
        /// Where it is written.
        #[command(flatten)]
        file: KeyFile,
    },
    /// Show the keys that `wharf key add` wrote
    List {
        /// Where to look.
        #[command(flatten)]
        file: KeyFile,
    },
    /// Take away all keys of a person
    Remove {
        /// The person
        name: String,
        /// Where they are.
        #[command(flatten)]
        file: KeyFile,
    },
}

/// `wharf log`.
#[derive(Debug, Clone, Args)]
pub struct Log {
    /// The activity [default: the environment's newest]
    pub id: Option<String>,
    /// Stay until it ends
    #[arg(short, long)]
    pub follow: bool,
    /// Every byte that the commands printed
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// What the running application prints
    #[arg(long, conflicts_with_all = ["id", "raw", "json"])]
    pub app: bool,
}
