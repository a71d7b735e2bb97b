//! Slugs as people and scripts read them: which there are, and why one was built.

use serde::{Deserialize, Serialize};

use crate::view::Reason;

/// A slug that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Slug {
    /// The project that was asked about.
    pub project: String,
    /// Its key: 64 hexadecimal digits.
    pub key: String,
    /// The digest of every file in it, in hex.
    pub digest: String,
    /// When it was made: milliseconds since 1970-01-01 UTC.
    pub created: u64,
    /// How many files it holds.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// `protected` or `open`.
    pub trust_domain: String,
    /// Whether it was built again on request.
    pub rebuilt: bool,
    /// Whether it came as an archive, and was not built here.
    pub imported: bool,
    /// The environments of the project that have releases of it, at most 100.
    pub used_by: Vec<Use>,
    /// How many more have.
    pub left_out: u64,
}

/// A slug that was written as an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// The project's name.
    pub project: String,
    /// The environment's id.
    pub environment: String,
    /// The key of what it is made of: 64 hexadecimal digits.
    pub key: String,
    /// The digest of every file in it, in hex.
    pub digest: String,
    /// The commit that the archive names, in hex; none where no release of the environment is of it.
    pub commit: Option<String>,
    /// How many files it holds.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The archive's own bytes.
    pub size: u64,
}

/// The releases of an environment that are of a slug.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// The environment's id.
    pub environment: String,
    /// Their numbers, newest first, at most 20.
    pub releases: Vec<u32>,
    /// Whether one of them serves.
    pub live: bool,
}

/// Why an environment's slug is as it is, and what a redeploy would make of it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// The project's name.
    pub project: String,
    /// The environment's id.
    pub environment: String,
    /// The release that was asked about, or that serves; none where none does.
    pub release: Option<u32>,
    /// That release against the one that served before it; none where there is no release.
    pub since: Option<Comparison>,
    /// The branch's tip against what serves; none where a release was asked about.
    pub now: Option<Tip>,
}

/// What a slug is made of against what an earlier one was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The key of the slug; of one that is still to be built again it may become another.
    pub slug: String,
    /// How it was come by.
    pub origin: Origin,
    /// The earlier release; none where it is the first.
    pub before: Option<u32>,
    /// Whether it is still recorded what that one was built of.
    pub known: bool,
    /// What is not as it was.
    pub changes: Vec<Change>,
    /// How many more changes there are than are listed.
    pub left_out: u64,
    /// Why a slug that the other trust domain has built of the same is not used; none where it has
    /// built none.
    #[serde(default)]
    pub border: Option<String>,
}

/// How a slug was come by, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It is the earlier release's own.
    Same,
    /// It was there: something else was built of the same before.
    Found,
    /// It was built.
    Built,
}

/// What deploying a branch's tip would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tip {
    /// The tip, in hex; none where there is none.
    pub commit: Option<String>,
    /// What it would come to.
    pub effect: Effect,
    /// What would be built of, against what serves; none where it would fail.
    pub comparison: Option<Comparison>,
    /// Why it would fail.
    pub reason: Option<Reason>,
}

/// What a deployment would come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// A slug is built, and a release made of it.
    Rebuild,
    /// A release is made of a slug that is there.
    Redeploy,
    /// All is as it serves.
    Nothing,
    /// It would fail before anything is built.
    Failure,
}

/// One thing that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What it is.
    pub kind: ChangeKind,
    /// What became of it.
    pub how: How,
    /// Which: a path, a command, a name. Never a value.
    pub name: String,
    /// What it was: of a runtime, the trust domain, the format and the commit.
    pub old: Option<String>,
    /// What it is.
    pub new: Option<String>,
}

/// What changes. All but the last two are of the slug's key: a slug is built for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A file of the tree.
    File,
    /// The tree, where its files are not known any more.
    Tree,
    /// A patch, or where patches are applied.
    Patch,
    /// A command of the build.
    Step,
    /// A command or place of static content.
    Assets,
    /// A mount's place.
    Mount,
    /// A language's interpreter or compiler on the host.
    Runtime,
    /// A variable that the build sees.
    Variable,
    /// A secret that the build sees.
    Secret,
    /// Whether protected environments trust it.
    TrustDomain,
    /// How Wharf lays slugs out.
    Format,
    /// Somebody asked for a rebuild.
    Rebuild,
    /// A variable that only deploy commands and processes see.
    RunVariable,
    /// The commit, of the same tree.
    Commit,
}

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It is there now.
    Added,
    /// It is another.
    Changed,
    /// It is gone.
    Removed,
    /// It stands elsewhere in the order.
    Moved,
}
