//! `[build]`: how the slug is made.

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::step::{self, Step};
use crate::{
    name::{CachePath, RelPath},
    plain::quoted,
    reader::Item,
};

const MAX_CACHES: usize = 16;
const MAX_PATCHES: usize = 16;

/// Where patches are looked for when nothing says where.
pub const PATCHES: [&str; 2] = ["m2-hotfixes/*.patch", "patches/*.patch"];

/// How the slug is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Build {
    /// What is applied to the tree.
    pub patches: Patches,
    /// Commands, in order.
    pub steps: Vec<Step>,
    /// Directories that are kept between builds.
    pub cache: Vec<CachePath>,
    /// Which network the commands have.
    #[serde(skip_serializing_if = "BuildNetwork::is_full")]
    pub network: BuildNetwork,
}

/// Which network a build's commands have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuildNetwork {
    /// The host's.
    #[default]
    Full,
    /// None but a loopback device of their own.
    None,
}

/// The words for it, in the host's and the applications' files.
pub(crate) const BUILD_NETWORK: [(&str, BuildNetwork); 2] =
    [("full", BuildNetwork::Full), ("none", BuildNetwork::None)];

impl BuildNetwork {
    fn is_full(&self) -> bool {
        *self == Self::Full
    }

    /// What there is where two have a say: the lesser of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Full, Self::Full) => Self::Full,
            _ => Self::None,
        }
    }
}

impl Build {
    /// The steps in groups: those of one run at the same time. None is empty.
    pub fn groups(&self) -> impl Iterator<Item = &[Step]> {
        self.steps.chunk_by(|_, next| next.beside)
    }
}

/// What is applied to the tree, in byte order of the paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Patches {
    /// Patterns of paths; none where the conventional places count, see [`PATCHES`].
    pub files: Option<Vec<PathPattern>>,
    /// The step after which they are applied, by its name; without it they come before all.
    pub after: Option<String>,
}

/// A pattern of paths in the tree, such as `patches/*.patch`; `*` takes in no slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern(String);

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// That it is none, or leads out of the tree.
    pub fn parse(text: &str) -> Result<Self, String> {
        RelPath::parse(text).map_err(|error| error.to_string())?;
        let glob = globset::GlobBuilder::new(text)
            .literal_separator(true)
            .build();
        glob.map_err(|error| format!("is no pattern of paths: {}", error.kind()))?;
        Ok(Self(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What tells the paths that are meant.
    pub fn matcher(&self) -> globset::GlobMatcher {
        let glob = globset::GlobBuilder::new(&self.0)
            .literal_separator(true)
            .build();
        glob.expect("it was read").compile_matcher()
    }
}

impl TryFrom<String> for PathPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<PathPattern> for String {
    fn from(pattern: PathPattern) -> String {
        pattern.0
    }
}

/// The build; only called where the key is there.
pub(super) fn build(item: &Item<'_>) -> Build {
    if !matches!(item.value(), DeValue::Table(_)) {
        return Build {
            steps: step::groups(item),
            ..Build::default()
        };
    }
    let Some(table) = item.table("") else {
        return Build::default();
    };
    let (listed, run) = (table.get("steps"), table.get("run"));
    if let (Some(_), Some(run)) = (&listed, &run) {
        run.bad_key(
            "bad-value",
            "`steps` is there too",
            "put this command into `steps`",
        );
    }
    let steps: Vec<Step> = listed
        .or(run)
        .map(|item| step::groups(&item))
        .unwrap_or_default();
    let build = Build {
        patches: table
            .get("patches")
            .map(|item| patches(&item, &steps))
            .unwrap_or_default(),
        steps,
        cache: table
            .get("cache")
            .map(|item| caches(&item))
            .unwrap_or_default(),
        network: table
            .get("network")
            .and_then(|item| item.one_of(&BUILD_NETWORK))
            .unwrap_or_default(),
    };
    table.finish();
    build
}

/// Whether a build says which steps there are, even if none.
pub(super) fn names_steps(item: &Item<'_>) -> bool {
    match item.value() {
        DeValue::Table(table) => table.contains_key("steps") || table.contains_key("run"),
        _ => true,
    }
}

/// A pattern, a list of them, `false`, or a table with the step that they come after.
fn patches(item: &Item<'_>, steps: &[Step]) -> Patches {
    if !matches!(item.value(), DeValue::Table(_)) {
        return Patches {
            files: patterns(item),
            after: None,
        };
    }
    let Some(table) = item.table("") else {
        return Patches::default();
    };
    let files = table.get("files").and_then(|item| patterns(&item));
    let after = table.get("after").and_then(|item| {
        let name = item.text("\"composer install\"")?;
        if steps.iter().any(|step| step.name == name) {
            return Some(name.to_owned());
        }
        item.bad(
            format!("no step is called {}", quoted(name)),
            "write the name of a step of build.steps",
        );
        None
    });
    table.finish();
    Patches { files, after }
}

fn patterns(item: &Item<'_>) -> Option<Vec<PathPattern>> {
    const EXAMPLE: &str = "\"patches/*.patch\"";
    let one = |item: &Item<'_>| item.parsed(EXAMPLE, PathPattern::parse);
    match item.value() {
        DeValue::Array(_) => {
            let list = item.list(MAX_PATCHES, EXAMPLE)?;
            Some(list.iter().filter_map(one).collect())
        }
        DeValue::Boolean(false) => Some(Vec::new()),
        _ => one(item).map(|pattern| vec![pattern]),
    }
}

fn caches(item: &Item<'_>) -> Vec<CachePath> {
    let list = item.list(MAX_CACHES, "[\"~/.npm\"]").unwrap_or_default();
    list.iter()
        .filter_map(|item| item.parsed("\"~/.npm\"", CachePath::parse))
        .collect()
}
