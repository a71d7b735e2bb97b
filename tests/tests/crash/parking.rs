//! An environment whose deployments are approved: built at once, live by somebody's word.

use std::fs;

use wharf_tests::run;
use wharf_wire::outcome::State;
use wharf_wire::view::Activity;

use crate::operation::{Fault, Stage};

/// What the project's file has beside its repository.
const APPROVED: &str = "[environments.main]\ntype = \"production\"\n\
                        [environments.feature]\napprove = true\n";

impl Stage<'_> {
    /// Lets `feature` serve anew, where none of its processes ends meanwhile; returns its version.
    pub(crate) fn approved(&mut self) -> String {
        let file = self.world.home().join("config/projects.d/shop.toml");
        let text = fs::read_to_string(&file).unwrap();
        if !text.contains(APPROVED) {
            fs::write(&file, format!("{text}{APPROVED}")).unwrap();
            self.world.wharf(&["reload"]).ok();
        }
        if self.world.tips("shop").contains_key("feature") {
            self.sample.tree.push(&[":feature"]).ok();
        }
        let version = self.sample.commit();
        let id = self.park();
        let said = self.sample.tree.wharf(&["approve", &id]).ok();
        said.has("feature now serves r1.");
        version
    }

    /// Pushes it to `feature`, where it waits; returns the activity's id.
    pub(crate) fn park(&self) -> String {
        let said = self.sample.tree.push(&["main:feature"]).ok();
        let said = said.has("success: built; waits for approval").transcript();
        let id = said.split_once("Log: wharf log ").unwrap().1;
        id.split_whitespace().next().unwrap().to_owned()
    }

    /// Approves what still waits: it goes live, as it was built.
    pub(crate) fn approve(&self, activity: &Activity) -> Result<(), String> {
        let tree = &self.sample.tree;
        let said = run(tree.command("wharf").args(["approve", &activity.id]));
        if said.code != 0 {
            return Err(format!("it cannot be approved: {said}"));
        }
        let verdict = self.world.judge(&["shop"]);
        if !verdict.problems.is_empty() {
            return Err(verdict.problems.join("\n"));
        }
        let after = verdict.activities.iter().find(|one| one.id == activity.id);
        match after {
            Some(after) if after.state == State::Succeeded => {
                let built = |one: &Activity| builds(one).count();
                match built(after) == built(activity) {
                    true => Ok(()),
                    false => Err(format!("{} was built again", activity.id)),
                }
            }
            other => Err(format!("approved, it is {other:?}")),
        }
    }
}

/// What is wrong with an approval that was recorded, or with one that was not.
pub(crate) fn was_approved(activity: &Activity, fault: &Fault) -> Result<(), String> {
    let builds = builds(activity).count();
    if builds != 1 {
        return Err(format!("{} was built {builds} times", activity.id));
    }
    let approved_by = activity.approved_by.as_deref().unwrap_or_default();
    match activity.state {
        State::Waiting if !fault.may_be_refused => {
            Err(format!("{} wants another approval", activity.id))
        }
        State::Waiting => Ok(()),
        _ if approved_by.is_empty() => Err(format!("nobody approved {}", activity.id)),
        _ => Ok(()),
    }
}

fn builds(activity: &Activity) -> impl Iterator<Item = &str> {
    let names = activity.steps.iter().map(|step| step.name.as_str());
    names.filter(|name| name.starts_with("build "))
}
