//! A push that deletes a branch and makes another at the same commit: the branch is called
//! otherwise from now on, and its environment stays.

use wharf_config::name::BranchName;
use wharf_config::project::{Environment, Kind, Project};
use wharf_wire::hook::RefUpdate;

use super::admission::{Branch, branch};
use super::places::Places;

/// A branch that goes on under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// What it was called.
    pub from: BranchName,
    /// What it is called now.
    pub to: BranchName,
    /// Its tip, which stays, in hex.
    pub commit: String,
}

/// The one rename in a push. There is none where more than one deletion and one new branch of a
/// commit leave it open which is which, where the new branch has an environment already, and where
/// the project's rules give either branch a place of its own.
pub fn of(project: &Project, places: &Places<'_>, updates: &[RefUpdate]) -> Option<Rename> {
    let (mut gone, mut begun) = (Vec::new(), Vec::new());
    for update in updates {
        match branch(project, update) {
            Ok(Branch::Goes(name)) => gone.push((name, update.old.as_str())),
            Ok(Branch::Moves(name, _)) if update.creates() => {
                begun.push((name, update.new.as_str()));
            }
            _ => {}
        }
    }
    let mut pairs = gone.iter().flat_map(|gone| {
        let same = begun.iter().filter(|begun| begun.1 == gone.1);
        same.map(move |begun| (gone, begun))
    });
    let (Some(((from, commit), (to, _))), None) = (pairs.next(), pairs.next()) else {
        return None;
    };
    let is_there = places.of(from).is_some_and(|place| place.is_there);
    if !is_there || places.of(to).is_some() {
        return None;
    }
    let [old, new] = [from, to].map(|name| places.environment(name));
    let is_declared =
        |name: &BranchName| project.environments.iter().any(|one| one.branch == *name);
    let has_its_place = [from, to].into_iter().any(is_declared);
    if has_its_place || !is_alike(&old, &new) {
        return None;
    }
    Some(Rename {
        from: from.clone(),
        to: to.clone(),
        commit: (*commit).to_owned(),
    })
}

/// Whether what one holds may be the other's: data and secrets stay within their type.
fn is_alike(old: &Environment, new: &Environment) -> bool {
    old.kind == new.kind && old.kind != Kind::Production
}

impl Rename {
    /// Whether an update is its deletion.
    pub fn ends(&self, project: &Project, update: &RefUpdate) -> bool {
        matches!(branch(project, update), Ok(Branch::Goes(name)) if name == self.from)
    }

    /// Whether an update is one of its two.
    pub fn is_of(&self, project: &Project, update: &RefUpdate) -> bool {
        let begins =
            matches!(branch(project, update), Ok(Branch::Moves(name, _)) if self.begins(&name));
        begins || self.ends(project, update)
    }

    /// Whether a branch is its new name.
    pub fn begins(&self, name: &BranchName) -> bool {
        self.to == *name
    }

    /// What people read of it, before `places` know of it.
    pub fn said(&self, places: &Places<'_>) -> String {
        let id = places.id(&self.from);
        format!(
            "{} is now {}; its environment {id} keeps its id, its address and its data",
            self.from, self.to
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use wharf_config::name::{EnvironmentId, ProjectName};
    use wharf_config::project::{Declared, Policy};

    use crate::plan::places::Place;

    const NONE: &str = "0000000000000000000000000000000000000000";

    fn name(name: &str) -> BranchName {
        BranchName::parse(name).unwrap()
    }

    fn place(branch: &str) -> Place {
        Place {
            id: EnvironmentId::from_branch(&name(branch)),
            branch: name(branch),
            parent: Some("main".into()),
            live: Some(1),
            is_there: true,
        }
    }

    fn declared(branch: &str, kind: Kind) -> Declared {
        Declared {
            key: branch.into(),
            branch: name(branch),
            kind,
            parent: None,
            hosts: Vec::new(),
            policy: Policy::default(),
        }
    }

    /// Each word is a branch with where it was and where it is; 0 stands for none.
    fn rename(push: &str) -> Option<(String, String)> {
        let at = PathBuf::from("/srv/git/shop.git");
        let mut project = Project::new(ProjectName::parse("shop").unwrap(), at);
        project.environments = vec![
            declared("main", Kind::Production),
            declared("staging", Kind::Staging),
        ];
        let all = ["main", "staging", "a", "b"].map(place).to_vec();
        let places = Places::new(&project, None, all);
        let id = |digit: &str| match digit {
            "0" => NONE.to_owned(),
            digit => digit.repeat(40),
        };
        let update = |word: &str| {
            let mut parts = word.split(':');
            let (branch, old, new) = (parts.next()?, parts.next()?, parts.next()?);
            Some(RefUpdate {
                name: format!("refs/heads/{branch}"),
                lossy: false,
                old: id(old),
                new: id(new),
            })
        };
        let updates: Vec<RefUpdate> = push.split(' ').filter_map(update).collect();
        let found = of(&project, &places, &updates)?;
        Some((found.from.to_string(), found.to.to_string()))
    }

    #[test]
    fn only_what_leaves_no_doubt_is_a_rename() {
        let is = Some(("a".to_owned(), "new".to_owned()));
        assert_eq!(rename("a:1:0 new:0:1"), is);
        assert_eq!(rename("new:0:1 a:1:0 b:2:3"), is);
        assert_eq!(rename("a:1:0 b:2:0 new:0:1"), is, "b was elsewhere");
        for push in [
            "a:1:0 new:0:2",
            "a:1:0 b:1:0 new:0:1",
            "a:1:0 new:0:1 other:0:1",
            "a:1:0 b:0:1",
            "a:1:0 b:2:1",
            "unknown:1:0 new:0:1",
            "main:1:0 new:0:1",
            "staging:1:0 new:0:1",
        ] {
            assert_eq!(rename(push), None, "{push}");
        }
    }
}
