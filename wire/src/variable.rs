//! Variables that people set, as they are asked for and shown.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a variable is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// For every environment of the project.
    Project,
    /// For every environment of this type.
    Type(String),
    /// For the environment of the scope.
    Environment,
}

/// Who sees a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Visible {
    /// Builds only.
    Build,
    /// Deploy commands and processes only.
    Run,
    /// All of them.
    Both,
}

impl Visible {
    /// The word that people use.
    pub fn word(self) -> &'static str {
        match self {
            Visible::Build => "build",
            Visible::Run => "run",
            Visible::Both => "both",
        }
    }
}

/// A variable that is to be set. What is not said stays as it was.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewVariable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Who sees it.
    pub visible: Option<Visible>,
    /// Its value is never shown from now on.
    pub secret: bool,
    /// Environments get it that are made from this one.
    pub inheritable: bool,
    /// The value must be JSON.
    pub json: bool,
}

impl fmt::Debug for NewVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewVariable")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its project's name.
    pub project: String,
    /// The environment that was asked about, by its id; none where a level was.
    pub environment: Option<String>,
    /// Its name.
    pub name: String,
    /// Its value; none of a secret, and of one that is gone.
    pub value: Option<String>,
    /// Where it comes from: `code` (`wharf.toml`), `generated`, `project`, `type`, `environment`,
    /// `committed`; `gone` where only the serving release has it.
    pub level: String,
    /// The type or the environment that it is set for.
    pub target: Option<String>,
    /// Who sees it.
    pub visible: Visible,
    /// Whether its value is never shown.
    pub secret: bool,
    /// Whether environments get it that are made from this one.
    pub inheritable: bool,
    /// Whether the value must be JSON.
    pub json: bool,
    /// The commit that it is committed in, in hex.
    pub commit: Option<String>,
    /// Whether it waits for a deployment: the serving release has it otherwise.
    pub pending: bool,
    /// Who set it.
    pub set_by: Option<String>,
    /// When: milliseconds since 1970-01-01 UTC.
    pub set_at: Option<u64>,
}

/// A variable in two environments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// Where it is seen so.
    pub visible: Visible,
    /// In the first environment; none where it is not there.
    pub first: Option<Side>,
    /// In the second.
    pub second: Option<Side>,
    /// Whether both are the same.
    pub same: bool,
}

/// A variable in one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Its value; none of a secret.
    pub value: Option<String>,
    /// Whether its value is never shown.
    pub secret: bool,
}
