//! Who may do what in an environment. What nobody allowed is denied.

use std::fmt;

use wharf_config::project::{Kind, Role, Roles};

/// Something that a person does to an environment, or wants to see of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// See what serves, activities and logs.
    View,
    /// Move its branch forward, or make it by a push.
    Push,
    /// Move its branch to what is no descendant.
    Force,
    /// Make it from another one.
    Branch,
    /// Bring a child's code to it.
    Merge,
    /// The same where it takes no push.
    MergeOnly,
    /// Bring its parent's code to it.
    Sync,
    /// Let it live.
    Activate,
    /// Stop it and delete its data.
    Deactivate,
    /// Stop it.
    Pause,
    /// Start it again.
    Resume,
    /// Keep visitors away, or let them in again.
    Maintenance,
    /// Delete it with its branch.
    Delete,
    /// Deploy its tip again.
    Redeploy,
    /// Let an earlier release serve.
    RollBack,
    /// Stop one of its activities.
    Cancel,
    /// Let a deployment go on that waits for it.
    Approve,
    /// Deploy without waiting for the window.
    Now,
    /// Change its title or its parent.
    Settings,
    /// Give others a link to its pages.
    Grant,
    /// Run commands in what serves there: with its variables, on its data.
    Run,
    /// Set its variables.
    SetVariable,
    /// Set variables for every environment of its type.
    SetVariables,
    /// Take what it was built to away as a file.
    Export,
    /// Bring what a push to one of its type would deploy.
    Import,
    /// Take what is in its mounts.
    Download,
    /// Write into its mounts.
    Upload,
    /// Copy its data.
    Snapshot,
    /// Put a copy of data in the place of its data.
    Restore,
    /// Take a copy of its data away, or bring it into an environment below.
    TakeSnapshot,
    /// Destroy a copy of its data.
    DeleteSnapshot,
    /// Bring sample data to it.
    Seed,
    /// Put all of its data aside and begin anew.
    Reset,
}

impl Act {
    /// Every act, for the table in the documentation.
    pub const ALL: [Act; 33] = [
        Act::View,
        Act::Push,
        Act::Force,
        Act::Branch,
        Act::Merge,
        Act::MergeOnly,
        Act::Sync,
        Act::Activate,
        Act::Deactivate,
        Act::Pause,
        Act::Resume,
        Act::Maintenance,
        Act::Delete,
        Act::Redeploy,
        Act::RollBack,
        Act::Cancel,
        Act::Approve,
        Act::Now,
        Act::Settings,
        Act::Grant,
        Act::Run,
        Act::SetVariable,
        Act::SetVariables,
        Act::Export,
        Act::Import,
        Act::Download,
        Act::Upload,
        Act::Snapshot,
        Act::Restore,
        Act::TakeSnapshot,
        Act::DeleteSnapshot,
        Act::Seed,
        Act::Reset,
    ];

    /// The least role for it. Whoever may push could merge by hand and push that, so merging needs
    /// more only where nobody may push.
    pub fn needs(self, kind: Kind) -> Role {
        match self {
            Act::View => Role::Viewer,
            Act::Push
            | Act::Branch
            | Act::Merge
            | Act::Sync
            | Act::Activate
            | Act::Pause
            | Act::Resume
            | Act::Redeploy
            | Act::Cancel
            | Act::Grant
            // Whoever may push can have anything run there, with every secret.
            | Act::Run
            | Act::SetVariable
            // It costs room only, and what nobody keeps goes again.
            | Act::Snapshot
            // A build may have left what it was trusted with; who pushes could print it.
            | Act::Export
            // Whoever may run commands there reads and writes all of it by one. Who may only look may
            // not: people's data is in it.
            | Act::Download
            | Act::Upload
            | Act::Seed => Role::Contributor,
            // Whoever made a branch may take it away again.
            Act::Deactivate | Act::Delete | Act::Reset if kind == Kind::Development => Role::Contributor,
            // Of production it is what all visitors see.
            Act::Maintenance if kind != Kind::Production => Role::Contributor,
            Act::Deactivate
            | Act::Delete
            | Act::Reset
            | Act::Maintenance
            | Act::Force
            | Act::MergeOnly
            | Act::RollBack
            | Act::Approve
            | Act::Now
            | Act::Settings
            | Act::SetVariables
            | Act::Restore
            | Act::TakeSnapshot
            | Act::DeleteSnapshot
            // No review and no build stands between it and what serves.
            | Act::Import => Role::Admin,
        }
    }

    /// As in `may not push to staging`.
    fn phrase(self) -> &'static str {
        match self {
            Act::View => "look at",
            Act::Push => "push to",
            Act::Force => "force a push to",
            Act::Branch => "make",
            Act::Merge | Act::MergeOnly => "merge into",
            Act::Sync => "sync",
            Act::Activate => "activate",
            Act::Deactivate => "deactivate",
            Act::Pause => "pause",
            Act::Resume => "resume",
            Act::Maintenance => "switch the maintenance of",
            Act::Delete => "delete",
            Act::Redeploy => "redeploy",
            Act::RollBack => "roll back",
            Act::Cancel => "cancel what runs in",
            Act::Approve => "approve deployments of",
            Act::Now => "pass by the deploy window of",
            Act::Settings => "change the settings of",
            Act::Grant => "give links to",
            Act::Run => "run commands in",
            Act::SetVariable | Act::SetVariables => "set variables of",
            Act::Export => "export slugs of",
            Act::Import => "import slugs for",
            Act::Download => "take data of",
            Act::Seed => "bring sample data to",
            Act::Reset => "reset the data of",
            Act::Upload => "write into the mounts of",
            Act::Snapshot => "take snapshots of",
            Act::Restore => "restore the data of",
            Act::TakeSnapshot => "take away snapshots of",
            Act::DeleteSnapshot => "delete snapshots of",
        }
    }
}

/// Who acts, as far as it counts for their rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name, or a key's fingerprint.
    pub name: String,
    /// The groups of this host that they are in.
    pub groups: Vec<String>,
    /// Whether they own the host, and so its policy.
    pub operator: bool,
}

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Denied {
    /// Who.
    pub name: String,
    /// What.
    pub act: Act,
    /// Where.
    pub environment: String,
    /// Its type.
    pub kind: Kind,
    /// What they are there.
    pub role: Option<Role>,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (act, environment) = (self.act.phrase(), &self.environment);
        write!(f, "{} may not {act} {environment}", self.name)
    }
}

impl Denied {
    /// What they are, and what they would have to be.
    pub fn hint(&self) -> String {
        let is = match self.role {
            Some(role) => format!("a {}", role.as_str()),
            None => "nobody".to_owned(),
        };
        format!(
            "you are {is} for {} environments; {} may: ask whoever keeps the project's [roles]",
            self.kind.as_str(),
            match self.act.needs(self.kind) {
                Role::Viewer => "viewers",
                Role::Contributor => "contributors",
                Role::Admin => "admins",
            },
        )
    }
}

/// Whether somebody may do something in an environment of that type. Without roles everybody may
/// who gets so far: the host's own rights say who does.
///
/// # Errors
/// Who may not, and what they lack.
pub fn may(
    roles: Option<&Roles>,
    person: &Person,
    act: Act,
    environment: &str,
    kind: Kind,
) -> Result<(), Denied> {
    let Some(roles) = roles.filter(|_| !person.operator) else {
        return Ok(());
    };
    let role = roles.of(&person.name, &person.groups, kind);
    match role.is_some_and(|role| role >= act.needs(kind)) {
        true => Ok(()),
        false => Err(Denied {
            name: person.name.clone(),
            act,
            environment: environment.to_owned(),
            kind,
            role,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_config::project::Who;

    fn person(name: &str) -> Person {
        Person {
            name: name.into(),
            groups: Vec::new(),
            operator: false,
        }
    }

    #[test]
    fn what_nobody_allowed_is_denied() {
        let by_role = |role| [(Kind::Development, role), (Kind::Staging, Role::Viewer)].into();
        let roles = Roles {
            given: [
                (Who::Person("ann".into()), by_role(Role::Admin)),
                (Who::Person("ben".into()), by_role(Role::Contributor)),
            ]
            .into(),
            groups: Default::default(),
        };
        let roles = Some(&roles);
        let ann = |act, kind| may(roles, &person("ann"), act, "e", kind).is_ok();
        let ben = |act, kind| may(roles, &person("ben"), act, "e", kind).is_ok();
        for act in Act::ALL {
            assert!(ann(act, Kind::Development), "{act:?}");
            assert!(!ann(act, Kind::Production), "{act:?}");
            assert_eq!(ann(act, Kind::Staging), act == Act::View, "{act:?}");
            assert!(may(roles, &person("eve"), act, "e", Kind::Development).is_err());
            assert!(may(None, &person("eve"), act, "e", Kind::Production).is_ok());
        }
        assert!(ben(Act::Push, Kind::Development) && ben(Act::Delete, Kind::Development));
        assert!(ben(Act::Run, Kind::Development) && !ben(Act::Run, Kind::Staging));
        assert!(!ben(Act::Force, Kind::Development) && !ben(Act::RollBack, Kind::Development));
        let operator = Person {
            operator: true,
            ..person("root")
        };
        assert!(may(roles, &operator, Act::Delete, "e", Kind::Production).is_ok());
    }

    #[test]
    fn a_refusal_says_who_and_what_is_lacking() {
        let roles = Roles::default();
        let denied = may(
            Some(&roles),
            &person("eve"),
            Act::Push,
            "cart",
            Kind::Staging,
        );
        let denied = denied.unwrap_err();
        assert_eq!(denied.to_string(), "eve may not push to cart");
        assert!(
            denied.hint().contains("you are nobody for staging"),
            "{}",
            denied.hint()
        );
    }
}
