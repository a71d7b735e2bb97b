//! Projects: which repositories are served, and how their branches become environments.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use ipnet::IpNet;

use crate::{
    host::{Host, OnFailure},
    name::{BranchName, Domain, EnvironmentId, ProjectName},
    notify::Notify,
    problem::Problems,
};

mod access;
mod pattern;
mod plan;
mod policy;
pub(crate) mod read;
mod remote;
mod role;
mod schedule;
mod snapshots;
mod write;
mod written;

pub use access::{Access, Previews};
pub use pattern::BranchPattern;
pub use plan::{MaxActive, PLANS};
pub use policy::{Accept, Approve, Branchable, NewData, OnNewBranch, Policy, Wake};
pub use remote::Remote;
pub use role::{Role, Roles, Who};
pub use schedule::{Schedule, Window};
pub use snapshots::{Retention, Rhythm, Rule, Snapshots};
pub use write::{NewProject, WriteError, write_new};
pub use written::{Written, written};

/// A project file, made valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The file's name without `.toml`.
    pub name: ProjectName,
    /// Absolute path of its bare repository.
    pub repository: PathBuf,
    /// The domain that its environments live under.
    pub domain: Option<Domain>,
    /// The environments that the operator declared, production first; empty means that the
    /// repository's default branch is production.
    pub environments: Vec<Declared>,
    /// What other branches become, the most particular pattern first; `*` is the last.
    pub patterns: Vec<Pattern>,
    /// The branch that follows production, as a copy to look at.
    pub mirror: Option<BranchName>,
    /// How many environments may live at a time.
    pub max_active: MaxActive,
    /// Who may do what; none: whoever gets so far may do everything.
    pub roles: Option<Roles>,
    /// Who may look at pages that are not public, beside the host's own list.
    pub previews: Previews,
    /// Operators' addresses, which no maintenance keeps away, beside the host's own.
    pub operators: Vec<IpNet>,
    /// What a failed build means for its push; none: what the host says.
    pub on_failure: Option<OnFailure>,
    /// The git host that moves of branches that Wharf makes itself are pushed to; none: they are made in the
    /// repository.
    pub remote: Option<Remote>,
    /// Who is told of what happens in it, beside the host's own list.
    pub notify: Vec<Notify>,
    /// What is done to data before it goes down to another environment.
    pub sanitize: Sanitize,
}

/// What is done to data before it goes down to another environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sanitize {
    /// Nobody says: production's goes nowhere.
    #[default]
    Unsaid,
    /// Nothing, since nobody in it has to be hidden.
    Needless,
    /// This command of the environment's that it comes from is run on the copy first.
    Command(String),
}

/// A branch that the operator declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// What the file calls it; `parent` refers to this.
    pub key: String,
    /// Its branch.
    pub branch: BranchName,
    /// Its type.
    pub kind: Kind,
    /// The branch of its parent; none for production.
    pub parent: Option<BranchName>,
    /// Its own host names; empty means the one by rule.
    pub hosts: Vec<Domain>,
    /// What it allows.
    pub policy: Policy,
}

/// What branches become that nobody declared by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Which branches.
    pub branches: BranchPattern,
    /// Their type, never production.
    pub kind: Kind,
    /// The branch of their parent; none means production.
    pub parent: Option<BranchName>,
    /// What they allow.
    pub policy: Policy,
}

/// An environment's type.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The root of the tree; one a project.
    Production,
    /// Nearly production.
    Staging,
    /// Anything else.
    Development,
}

impl Kind {
    /// Every type, the root's first.
    pub const ALL: [Self; 3] = [Self::Production, Self::Staging, Self::Development];

    /// Reads its word, as the record holds it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::Development => "development",
        }
    }
}

/// What a branch becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// Its branch.
    pub branch: BranchName,
    /// Its type.
    pub kind: Kind,
    /// Its parent; none for production, and for one whose project has no production yet.
    pub parent: Option<EnvironmentId>,
    /// The branch of that parent: where two branches share an id by rule, the record knows better.
    pub parent_branch: Option<BranchName>,
    /// Its own host names; empty means the one by rule.
    pub hosts: Vec<Domain>,
    /// What it allows.
    pub policy: Policy,
}

impl Project {
    /// A project without declared environments.
    pub fn new(name: ProjectName, repository: PathBuf) -> Self {
        Self {
            name,
            repository,
            domain: None,
            environments: Vec::new(),
            patterns: vec![Pattern::others()],
            mirror: None,
            max_active: MaxActive::default(),
            roles: None,
            previews: Previews::new(),
            operators: Vec::new(),
            on_failure: None,
            remote: None,
            notify: Vec::new(),
            sanitize: Sanitize::default(),
        }
    }

    /// What a failed build means for a push to this project.
    pub fn on_failure(&self, host: &Host) -> OnFailure {
        self.on_failure.unwrap_or(host.on_failure)
    }

    /// The production branch. `default` is the branch that the repository's HEAD names, which
    /// counts where the operator declared none.
    pub fn production<'a>(&'a self, default: Option<&'a BranchName>) -> Option<&'a BranchName> {
        let declared = self
            .environments
            .iter()
            .find(|e| e.kind == Kind::Production);
        declared.map(|e| &e.branch).or(default)
    }

    /// What a branch becomes; `default` as in [`Project::production`].
    pub fn environment(&self, branch: &BranchName, default: Option<&BranchName>) -> Environment {
        let production = self.production(default);
        let declared = self.environments.iter().find(|e| e.branch == *branch);
        let (kind, parent, hosts, policy) = match declared {
            Some(declared) => (
                declared.kind,
                declared.parent.as_ref(),
                declared.hosts.clone(),
                declared.policy.clone(),
            ),
            None if production == Some(branch) => {
                (Kind::Production, None, Vec::new(), Policy::default())
            }
            None => {
                let pattern = self.pattern(branch);
                let parent = pattern.parent.as_ref().filter(|parent| *parent != branch);
                let parent = parent.or(production);
                (pattern.kind, parent, Vec::new(), pattern.policy.clone())
            }
        };
        Environment {
            id: EnvironmentId::from_branch(branch),
            branch: branch.clone(),
            kind,
            parent: parent.map(EnvironmentId::from_branch),
            parent_branch: parent.cloned(),
            hosts,
            policy,
        }
    }

    /// Where its times are counted; none: where the host is.
    pub fn zone(&self) -> Option<&jiff::tz::TimeZone> {
        // Every policy has it, and the last pattern is always there.
        self.patterns.last()?.policy.schedule.zone.as_ref()
    }

    /// What a branch becomes that nobody declared by name.
    fn pattern(&self, branch: &BranchName) -> &Pattern {
        let fits = |pattern: &&Pattern| pattern.branches.fits(branch);
        let found = self.patterns.iter().find(fits);
        found.expect("the last pattern fits every branch")
    }

    /// Whether a branch follows production and is nobody's to push to.
    pub fn is_mirror(&self, branch: &BranchName) -> bool {
        self.mirror.as_ref() == Some(branch)
    }
}

impl Pattern {
    /// What every branch becomes where nobody wrote anything.
    fn others() -> Self {
        Self {
            branches: BranchPattern::all(),
            kind: Kind::Development,
            parent: None,
            policy: Policy::default(),
        }
    }
}

/// What a directory of project files says; a bad file disables nothing but its own change.
#[derive(Debug, Default)]
pub struct Directory {
    /// The projects, in name order.
    pub projects: Vec<Project>,
    /// The texts of the good files.
    pub texts: BTreeMap<ProjectName, String>,
    /// The bad files.
    pub broken: Vec<Broken>,
}

/// A project file that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problems: Problems,
    /// Whether an earlier text of it counts instead.
    pub kept: bool,
}

/// Reads one project file; its name without `.toml` is the project's.
pub fn read_one(file: &Path) -> Result<Project, Problems> {
    read::one(file)
}

/// Reads all `*.toml` of a directory; one that is not there has none. `kept` is a directory of the
/// texts that were good the last time, by the same names: where a file is bad, that counts.
pub fn read_all(dir: &Path, kept: Option<&Path>) -> Result<Directory, Problems> {
    read::all(dir, kept)
}

#[cfg(test)]
mod tests;
