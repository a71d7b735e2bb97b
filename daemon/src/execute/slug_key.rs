//! What a build result is addressed by: everything that went into it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Grows when a slug's layout changes, so that no earlier slug is taken for a new one.
pub const FORMAT: u32 = 2;

/// Everything that went into a slug. Two builds with equal ingredients have the same result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingredients {
    /// Always [`FORMAT`] of who built it.
    pub format: u32,
    /// Object id of the tree.
    pub tree: String,
    /// What is applied to it, in order: the path and the object id of each patch; before them
    /// after how many steps they are applied, where they do not come first.
    #[serde(default)]
    pub patches: Vec<String>,
    /// The build's commands, in order.
    pub steps: Vec<String>,
    /// The commands that make static content in the build, and where it comes to lie.
    #[serde(default)]
    pub assets: Vec<String>,
    /// Where mounts go: their points are made when the slug freezes.
    pub mounts: Vec<String>,
    /// Runtimes and their probed versions, such as `python` and `3.11.2`.
    pub runtimes: BTreeMap<String, String>,
    /// The variables that the build saw.
    pub variables: BTreeMap<String, String>,
    /// The secrets among them: a digest that tells nothing to whoever lacks the project's salt.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, String>,
    /// `protected` or `open`: slugs do not cross the border.
    pub trust_domain: String,
}

/// The SHA-256 of [`Ingredients`], in hexadecimal: safe as a directory's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SlugKey(String);

/// Text that is no [`SlugKey`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no slug key: 64 digits of 0-9 and a-f")]
pub struct BadSlugKey(String);

impl SlugKey {
    /// Reads a key, as a directory of the slug store is named.
    ///
    /// # Errors
    /// [`BadSlugKey`] when it is none.
    pub fn parse(text: &str) -> Result<Self, BadSlugKey> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadSlugKey(text.chars().take(80).collect()))
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a rebuild on request: of its own, since releases may hold the earlier slug.
    #[must_use]
    pub fn rebuilt(&self, activity: &str) -> SlugKey {
        SlugKey(hex(&Sha256::digest(format!(
            "{self} rebuilt by {activity}"
        ))))
    }

    /// The key of a slug of ingredients of this key that was imported into a project: one of its own,
    /// so that no build replaces it.
    #[must_use]
    pub fn imported(&self, project: &str) -> SlugKey {
        SlugKey(hex(&Sha256::digest(format!(
            "{self} imported into {project}"
        ))))
    }

    /// The first digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..6]
    }
}

impl fmt::Display for SlugKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SlugKey {
    type Error = BadSlugKey;
    fn try_from(text: String) -> Result<Self, BadSlugKey> {
        Self::parse(&text)
    }
}

impl From<SlugKey> for String {
    fn from(key: SlugKey) -> Self {
        key.0
    }
}

impl Ingredients {
    /// The key of a slug that is made of these.
    #[must_use]
    pub fn key(&self) -> SlugKey {
        // Struct fields have a fixed order and the maps are sorted: equal values, equal bytes.
        let bytes = serde_json::to_vec(self).expect("strings and maps with string keys");
        SlugKey(hex(&Sha256::digest(bytes)))
    }

    /// The names of variables that its build saw otherwise than one of these would.
    #[must_use]
    pub fn seen_otherwise(
        &self,
        plain: &BTreeMap<String, String>,
        secrets: &BTreeMap<String, String>,
    ) -> Vec<String> {
        let mut names = differing(&self.variables, plain);
        names.extend(differing(&self.secrets, secrets));
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(str::to_owned).collect()
    }
}

/// The keys whose value, or whether they are there, differs; sorted.
pub(super) fn differing<'a>(
    old: &'a BTreeMap<String, String>,
    new: &'a BTreeMap<String, String>,
) -> Vec<&'a str> {
    let mut names: Vec<&str> = old
        .iter()
        .filter(|(name, value)| new.get(*name) != Some(*value))
        .map(|(name, _)| name.as_str())
        .chain(
            new.keys()
                .filter(|name| !old.contains_key(*name))
                .map(String::as_str),
        )
        .collect();
    names.sort_unstable();
    names
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes all");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Ingredients {
        Ingredients {
            format: FORMAT,
            tree: "4b825dc642cb6eb9a060e54bf8d69288fbee4904".into(),
            patches: vec!["patches/1.patch 0000".into()],
            steps: vec!["npm ci".into(), "npm run build".into()],
            assets: vec!["bin/assets".into(), "pub/static".into()],
            mounts: vec!["data".into()],
            runtimes: [("node".into(), "20.1.0".into())].into(),
            variables: [("NODE_ENV".into(), "production".into())].into(),
            secrets: [("TOKEN".into(), "0000".into())].into(),
            trust_domain: "protected".into(),
        }
    }

    use crate::execute::slug_change::explain;

    type Change = fn(&mut Ingredients);

    #[test]
    fn each_ingredient_changes_the_key_and_is_named() {
        let table: [(Change, &str); 12] = [
            (|i| i.tree = "0".repeat(40), "tree changed"),
            (
                |i| i.steps = vec!["npm ci npm run build".into()],
                "build steps changed",
            ),
            (|i| i.patches.clear(), "patches changed"),
            (|i| i.assets.clear(), "assets changed"),
            (|i| i.mounts.clear(), "mounts changed"),
            (
                |i| drop(i.runtimes.insert("node".into(), "22.0.0".into())),
                "node changed",
            ),
            (|i| drop(i.variables.remove("NODE_ENV")), "NODE_ENV changed"),
            (
                |i| drop(i.variables.insert("A".into(), String::new())),
                "A changed",
            ),
            (|i| drop(i.secrets.remove("TOKEN")), "TOKEN changed"),
            (
                |i| drop(i.secrets.insert("TOKEN".into(), "1111".into())),
                "TOKEN changed",
            ),
            (|i| i.trust_domain = "open".into(), "trust domain changed"),
            (|i| i.format = 0, "slug format changed"),
        ];
        let old = base();
        for (change, words) in table {
            let mut new = old.clone();
            change(&mut new);
            assert_ne!(old.key(), new.key(), "{words}");
            assert_eq!(explain(&old, &new), [words]);
        }
        assert_eq!(explain(&old, &base()), [""; 0]);
        assert_eq!(old.key(), base().key());
    }

    #[test]
    fn the_key_is_stable_across_releases_of_wharf() {
        let mut base = base();
        base.secrets.clear();
        insta::assert_snapshot!(base.key(), @"105db97f49285f0575ca7edd5954426fc19fe47f5f3527efd2d1548cde505606");
    }

    #[test]
    fn only_a_key_is_a_directory_name() {
        let key = base().key();
        assert_eq!(SlugKey::parse(key.as_str()).unwrap(), key);
        assert_eq!(key.short().len(), 6);
        for bad in [
            "",
            "..",
            &"A".repeat(64),
            &"a".repeat(63),
            &format!("{}/", "a".repeat(63)),
        ] {
            assert!(SlugKey::parse(bad).is_err());
        }
    }
}
