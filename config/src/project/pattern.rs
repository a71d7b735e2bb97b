//! Patterns of branch names: `feature/*`.

use globset::{GlobBuilder, GlobMatcher};

use crate::name::BranchName;

/// A pattern of branch names; `*` also takes in slashes.
#[derive(Debug, Clone)]
pub struct BranchPattern(GlobMatcher);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no pattern of branches: {0}")]
pub struct NoPattern(String);

impl BranchPattern {
    /// Reads a pattern, such as `feature/*` or `{fix,hotfix}/*`.
    ///
    /// # Errors
    /// That it is none.
    pub fn parse(text: &str) -> Result<Self, NoPattern> {
        let glob = GlobBuilder::new(text).build();
        let glob = glob.map_err(|error| NoPattern(error.kind().to_string()))?;
        Ok(Self(glob.compile_matcher()))
    }

    /// The one that fits every branch.
    pub fn all() -> Self {
        Self::parse("*").expect("it is a pattern")
    }

    /// Whether a branch is meant.
    pub fn fits(&self, branch: &BranchName) -> bool {
        self.0.is_match(branch.as_str())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.glob().glob()
    }
}

impl PartialEq for BranchPattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.glob() == other.0.glob()
    }
}

impl Eq for BranchPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_letters() {
        let fits = |pattern: &str, branch: &str| {
            let branch = BranchName::parse(branch).unwrap();
            BranchPattern::parse(pattern).unwrap().fits(&branch)
        };
        assert!(fits("*", "a/b/c"));
        assert!(fits("feature/*", "feature/a/b"));
        assert!(!fits("feature/*", "features"));
        assert!(fits("{fix,hotfix}/*", "hotfix/1"));
        BranchPattern::parse("a[").unwrap_err();
    }
}
