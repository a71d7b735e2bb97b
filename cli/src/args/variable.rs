//! `wharf variable` and `wharf config`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

/// `wharf variable`.
#[derive(Debug, Clone, Subcommand)]
pub enum Variable {
    /// Show what counts in the environment, or what is set at a level
    List {
        /// What is set at this level only
        #[command(flatten)]
        at: At,
    },
    /// Print a variable's value; never a secret's
    Get {
        /// Such as LOG_LEVEL
        name: String,
        /// What is set at this level only
        #[command(flatten)]
        at: At,
    },
    /// Set a variable; it counts with the next deployment
    #[command(
        after_help = "Who may: contributors for an environment, admins for a type or \
                            the project.\nWhat is not said of a variable that is set stays: a \
                            secret stays a secret until it is deleted."
    )]
    Set(Set),
    /// Take a variable away; that counts with the next deployment
    Delete {
        /// Such as LOG_LEVEL
        name: String,
        /// Where it is set
        #[command(flatten)]
        at: At,
    },
}

/// `wharf variable set`.
#[derive(Debug, Clone, Args)]
pub struct Set {
    /// Such as LOG_LEVEL; or LOG_LEVEL=VALUE
    #[arg(value_name = "NAME[=VALUE]")]
    pub name: String,
    /// Its value; `-` reads it from standard input, less the last line end
    pub value: Option<String>,
    /// For which environments
    #[command(flatten)]
    pub at: At,
    /// Who sees it [default: both; of a secret: run]
    #[arg(long, value_name = "WHO")]
    pub visible: Option<Visible>,
    /// Never show the value again
    #[arg(long)]
    pub secret: bool,
    /// Give it to environments that are made from this one
    #[arg(long)]
    pub inheritable: bool,
    /// Take a value only that is JSON
    #[arg(long)]
    pub as_json: bool,
}

/// Where variables are set.
#[derive(Debug, Clone, Default, Args)]
pub struct At {
    /// For the project, for a type, or for one environment [default: environment]
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<Level>,
    /// Which type: production, staging, development
    #[arg(long = "type", value_name = "TYPE", required_if_eq("level", "type"))]
    pub kind: Option<Kind>,
}

/// For which environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Every environment of the project
    Project,
    /// Every environment of a type
    Type,
    /// One environment
    Environment,
}

/// A type of environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The root of the tree
    Production,
    /// Nearly production
    Staging,
    /// Anything else
    Development,
}

/// Who sees a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Visible {
    /// Builds
    Build,
    /// Deploy commands and processes
    Run,
    /// All of them
    Both,
}

/// `wharf config`.
#[derive(Debug, Clone, Subcommand)]
pub enum Config {
    /// Print what is set in the environment, without secrets, as a file to be committed
    Dump {
        /// Write wharf.config.toml at the top of the work tree instead
        #[arg(long, conflicts_with = "output")]
        write: bool,
        /// Write this file instead
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Compare the variables of two environments
    #[command(
        after_help = "Exit status: 0 they are the same, 1 they differ. Of secrets only \
                            whether they differ is said."
    )]
    Diff {
        /// An environment or branch
        first: String,
        /// Another one
        second: String,
    },
}

impl Set {
    /// Its name alone.
    pub fn name(&self) -> &str {
        self.pair().map_or(&self.name, |(name, _)| name)
    }

    /// Its name and its value, where the name has the value behind it.
    pub fn pair(&self) -> Option<(&str, &str)> {
        self.name.split_once('=')
    }
}

impl At {
    /// Whether one environment is meant.
    pub fn is_own(&self) -> bool {
        self.kind.is_none() && matches!(self.level, None | Some(Level::Environment))
    }

    /// The level's and the type's words.
    fn words(&self) -> Vec<String> {
        let level = self.level.map(|level| format!("--level={}", word(level)));
        let kind = self.kind.map(|kind| format!("--type={}", word(kind)));
        level.into_iter().chain(kind).collect()
    }
}

/// A value's word on the command line.
pub fn word(value: impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

impl Variable {
    /// Where it looks or sets.
    pub fn at(&self) -> &At {
        match self {
            Variable::List { at } | Variable::Get { at, .. } | Variable::Delete { at, .. } => at,
            Variable::Set(set) => &set.at,
        }
    }

    /// Its words for the far side of ssh. A value never stands among them: it goes there through
    /// standard input.
    pub(super) fn words(&self) -> Vec<String> {
        let (verb, name) = match self {
            Variable::List { .. } => ("list", None),
            Variable::Get { name, .. } => ("get", Some(name.as_str())),
            Variable::Set(set) => ("set", Some(set.name())),
            Variable::Delete { name, .. } => ("delete", Some(name.as_str())),
        };
        let mut words = vec!["variable".to_owned(), verb.to_owned()];
        words.extend(self.at().words());
        if let Variable::Set(set) = self {
            let visible = set.visible.map(|it| format!("--visible={}", word(it)));
            words.extend(visible);
            for (wanted, flag) in [
                (set.secret, "--secret"),
                (set.inheritable, "--inheritable"),
                (set.as_json, "--as-json"),
            ] {
                words.extend(wanted.then(|| flag.to_owned()));
            }
        }
        if let Some(name) = name {
            words.extend(["--".to_owned(), name.to_owned()]);
        }
        if let Variable::Set(_) = self {
            words.push("-".to_owned());
        }
        words
    }
}

impl Config {
    /// Its words for the far side of ssh, where no file is written.
    pub(super) fn words(&self) -> Vec<String> {
        let words: &[&str] = match self {
            Config::Dump { .. } => &["config", "dump"],
            Config::Diff { first, second } => &["config", "diff", "--", first, second],
        };
        words.iter().map(ToString::to_string).collect()
    }
}
