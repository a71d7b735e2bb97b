//! `git push -o`: what is understood, what is not, and that each is said once.

use wharf_tests::{World, obeys_the_rules};

use crate::laptop::{PAGE, on_one_git, on_one_git_where, reads_as};
use crate::rejected::REJECT;

/// The environments as the host has them.
fn environments(world: &World) -> Vec<serde_json::Value> {
    let words = ["--here", "--project", "shop", "--json", "environments"];
    serde_json::from_str(&world.wharf(&words).ok().out).unwrap()
}

fn parent(world: &World, id: &str) -> String {
    let all = environments(world);
    let one = all.iter().find(|one| one["id"] == id).unwrap();
    one["parent"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_new_environment_has_the_parent_that_was_chosen() {
    on_one_git(&[PAGE], |world, shop| {
        shop.push(&["main", "main:staging"]).ok();
        let words = ["-o", "parent=staging", "-o", "title=A cart", "main:cart"];
        let said = shop.push(&words).ok().transcript();
        obeys_the_rules(&said);
        assert!(!said.contains("warning"), "{said}");
        assert_eq!(parent(world, "cart"), "staging");
        // The next push changes nothing of that, and says so where it was to.
        shop.commit("Nothing");
        shop.push(&["main:cart"]).ok();
        assert_eq!(parent(world, "cart"), "staging");
        let words = ["-o", "environment.parent=main", "main:cart"];
        shop.commit("Nothing");
        let said = shop.push(&words).ok().transcript();
        obeys_the_rules(&said);
        reads_as("parent of what is there", &said);
        assert_eq!(parent(world, "cart"), "staging");
        // One that is not there is said, and the rule's counts.
        let said = shop.push(&["-o", "parent=nowhere", "main:other"]).ok();
        reads_as("parent that is not there", &said.transcript());
        assert_eq!(parent(world, "other"), "main");
        // It has children now.
        let said = shop.push(&["--delete", "staging"]).exits(1).transcript();
        reads_as("deleted parent", &said);
    });
}

#[test]
fn a_warning_is_said_once_where_builds_are_checked() {
    on_one_git_where(REJECT, &[PAGE], |_, shop| {
        let said = shop.push(&["-o", "no-wait", "main"]).ok().transcript();
        assert_eq!(said.matches("warning: ").count(), 1, "{said}");
        assert!(said.contains("did you mean nowait?"), "{said}");
        shop.push(&["main:side"]).ok();
        let said = shop.push(&["-o", "no-wait", ":side"]).ok().transcript();
        assert_eq!(said.matches("warning: ").count(), 1, "{said}");
    });
}
