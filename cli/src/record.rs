//! What commands print with `--json` that no daemon sends; the rest is in `wharf_wire::view`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use wharf_config::problem::Problem;
use wharf_wire::view::{Activity, Reason};

/// What a command came to that changes something; how it ended is its exit status.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Outcome {
    /// What was recorded for it, as it stands now: it may wait still. Empty where nothing was to be
    /// done.
    pub activities: Vec<Activity>,
}

/// What a command prints that was not done.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NotDone {
    /// Why.
    pub error: Error,
}

/// Why something was not done.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Error {
    /// A stable code, listed in `docs/troubleshooting.md`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do next, one step each.
    pub hints: Vec<String>,
    /// How the command exits.
    pub exit: u8,
    /// Every reason, where there may be several; the first is the one above.
    pub reasons: Vec<Reason>,
}

/// What `wharf init` set up.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Ready {
    /// The project's name.
    pub project: String,
    /// Its bare repository.
    pub repository: PathBuf,
    /// The remote that leads there.
    pub remote: String,
    /// The branch that is checked out.
    pub branch: String,
    /// Where that branch will answer, where it can be told.
    pub url: Option<String>,
}

/// What `wharf url` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Address {
    /// The project's name.
    pub project: String,
    /// The environment's id.
    pub environment: String,
    /// Where it answers.
    pub url: String,
}

/// What `wharf check` found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Checked {
    /// The application's directory.
    pub directory: PathBuf,
    /// What it is, in the form in which releases keep it: keys are added, never renamed. None where
    /// something is wrong.
    pub application: Option<Map<String, Value>>,
    /// What is wrong.
    pub problems: Vec<Wrong>,
}

/// One problem of a configuration.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Wrong {
    /// The file, as seen from the directory.
    pub file: String,
    /// Where in it, from 1.
    pub line: Option<usize>,
    /// See `line`.
    pub column: Option<usize>,
    /// A stable code, listed in `docs/troubleshooting.md`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl From<&Problem> for Wrong {
    fn from(problem: &Problem) -> Wrong {
        let place = problem.position();
        Wrong {
            file: problem.file.clone(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
            code: problem.code.to_owned(),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
        }
    }
}

/// What `wharf hook status` found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Hooks {
    /// The repository, links resolved.
    pub repository: PathBuf,
    /// Which git host it belongs to: `plain`, `gitolite`, `gitea`, `gitlab`.
    pub layout: String,
    /// How the hooks come to run: by `files` or by `config`.
    pub way: String,
    /// Whether every hook is Wharf's and every setting as wanted.
    pub complete: bool,
    /// Each of the hooks.
    pub hooks: Vec<Hook>,
    /// Each of the settings.
    pub settings: Vec<Setting>,
    /// What keeps it from working, a line each.
    pub problems: Vec<String>,
}

/// A hook of a repository.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Hook {
    /// git's name of it.
    pub name: String,
    /// Its file, as the repository has it.
    pub file: String,
    /// `missing`, `not Wharf's`, `installed`, `damaged`.
    pub state: String,
}

/// A setting of a repository.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Setting {
    /// Its key.
    pub key: String,
    /// What Wharf wants.
    pub wanted: String,
    /// What it is; none where it is not set.
    pub value: Option<String>,
}

/// A key that `wharf key list` found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Key {
    /// Whose it is.
    pub name: String,
    /// Its algorithm, as ssh calls it.
    pub r#type: String,
    /// Its fingerprint, as ssh prints it.
    pub fingerprint: String,
}
