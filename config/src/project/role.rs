//! Who may do what: roles, by the type of an environment.

use std::collections::BTreeMap;

use super::Kind;

/// What somebody may do; a later one may all that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read: what serves, activities, logs.
    Viewer,
    /// Push, branch, redeploy.
    Contributor,
    /// Force a push, merge into what takes no push, promote, roll back, approve, settings.
    Admin,
}

impl Role {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Contributor => "contributor",
            Self::Admin => "admin",
        }
    }
}

/// Whom a line of `[roles]` is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// `"*"`: whoever can be told apart from nobody.
    Anyone,
    /// `"@ops"`: a group of `[groups]`, or of the host's users.
    Group(String),
    /// A person's name, or an ssh key's fingerprint.
    Person(String),
}

/// The roles of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// Each line of `[roles]`.
    pub given: BTreeMap<Who, BTreeMap<Kind, Role>>,
    /// Each line of `[groups]`.
    pub groups: BTreeMap<String, Vec<String>>,
}

impl Roles {
    /// What somebody may do with environments of a type: the best that any line gives. `groups` are
    /// those that the host itself knows them to be in.
    pub fn of(&self, name: &str, groups: &[String], kind: Kind) -> Option<Role> {
        let is_meant = |who: &Who| match who {
            Who::Anyone => true,
            Who::Person(person) => person == name,
            Who::Group(group) => match self.groups.get(group) {
                Some(members) => members.iter().any(|member| member == name),
                None => groups.contains(group),
            },
        };
        let lines = self.given.iter().filter(|(who, _)| is_meant(who));
        lines
            .filter_map(|(_, roles)| roles.get(&kind))
            .max()
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_line_counts_and_nobody_else_has_any() {
        let all = |role| Kind::ALL.map(|kind| (kind, role)).into();
        let roles = Roles {
            given: [
                (Who::Group("devs".into()), all(Role::Viewer)),
                (Who::Group("wheel".into()), all(Role::Admin)),
                (
                    Who::Person("ann".into()),
                    [(Kind::Staging, Role::Contributor)].into(),
                ),
            ]
            .into(),
            groups: [("devs".into(), vec!["ann".into()])].into(),
        };
        assert_eq!(roles.of("ann", &[], Kind::Staging), Some(Role::Contributor));
        assert_eq!(roles.of("ann", &[], Kind::Production), Some(Role::Viewer));
        assert_eq!(roles.of("bob", &[], Kind::Development), None);
        // A group of the file is the file's alone.
        assert_eq!(roles.of("bob", &["devs".into()], Kind::Staging), None);
        assert_eq!(
            roles.of("bob", &["wheel".into()], Kind::Staging),
            Some(Role::Admin)
        );
    }
}
