//! Which environment: the name that a route's file and its place in the table share.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The longest part of a name.
const MAX: usize = 64;

/// A project and one of its environments. Both parts are `[a-z0-9-]+`, so that a name that exists
/// is safe as a file's name ever after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    project: String,
    environment: String,
}

/// Not `[a-z0-9-]+`, or too long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no project or environment: only a-z, 0-9 and - can be in it")]
pub struct NameError(String);

impl Name {
    /// Takes the two parts as they came.
    pub(crate) fn new(project: &str, environment: &str) -> Result<Self, NameError> {
        for part in [project, environment] {
            let is_good =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if part.is_empty() || part.len() > MAX || !part.bytes().all(is_good) {
                return Err(NameError(part.chars().take(MAX).collect()));
            }
        }
        Ok(Self {
            project: project.to_owned(),
            environment: environment.to_owned(),
        })
    }

    /// The project's name and the environment's id.
    pub(crate) fn parts(&self) -> (&str, &str) {
        (&self.project, &self.environment)
    }

    /// The name of a route's file without its `.json`.
    pub(crate) fn of_stem(stem: &str) -> Result<Self, NameError> {
        let (project, environment) = stem
            .split_once('.')
            .ok_or_else(|| NameError(stem.chars().take(MAX).collect()))?;
        Self::new(project, environment)
    }

    /// The route's file.
    pub(crate) fn file(&self, routes: &Path) -> PathBuf {
        routes.join(format!("{self}.json"))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.project, self.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leaves_the_directory() {
        for (project, environment) in [
            ("..", "main"),
            ("a/b", "main"),
            ("shop", ""),
            ("shop", "a.b"),
            ("Shop", "main"),
            ("shop", "ma\0in"),
        ] {
            assert!(
                Name::new(project, environment).is_err(),
                "{project} {environment}"
            );
        }
        assert!(Name::new("shop", &"a".repeat(65)).is_err());
        let name = Name::new("shop", "feature-1-0a1b2c").unwrap();
        assert_eq!(
            name.file(Path::new("/r")),
            Path::new("/r/shop.feature-1-0a1b2c.json")
        );
        assert_eq!(Name::of_stem("shop.feature-1-0a1b2c"), Ok(name));
    }
}
