//! The repositories of all projects at once, and what would be changed in them.

use std::fs;
use std::path::Path;

use wharf_tests::{Said, World};

use crate::gitea::regenerate;
use crate::house::PAGE;

fn hook(world: &World, words: &[&str]) -> Said {
    world.wharf(&[&["hook"], words].concat())
}

fn is_installed(repository: &Path) -> bool {
    repository.join("wharf-hooks.json").exists()
}

#[test]
fn all_projects_or_those_of_one_host_are_served_at_once() {
    let world = World::new();
    let tree = world.site("shop", &[PAGE]);
    let (plain, gitea) = (world.path("plain.git"), world.path("gitea.git"));
    for (name, repository) in [("one", &plain), ("two", &gitea)] {
        let shown = repository.display().to_string();
        tree.git(&["init", "--quiet", "--bare", &shown]).ok();
        if name == "two" {
            regenerate(repository);
        }
        world.wharf(&["project", "add", name, &shown]).ok();
    }
    let said = hook(&world, &["status", "--all"]).ok();
    said.has("layout plain").has("layout gitea");
    let said = hook(&world, &["status", "--all", "--json"]).ok().out;
    let objects = serde_json::Deserializer::from_str(&said).into_iter::<serde_json::Value>();
    let layouts: Vec<_> = objects.map(|one| one.unwrap()["layout"].clone()).collect();
    assert_eq!(layouts, ["plain", "gitea"]);

    hook(&world, &["uninstall", "--all", "--layout", "gitea"]).ok();
    assert!(is_installed(&plain) && !is_installed(&gitea));
    hook(&world, &["status", "--all"]).exits(1);
    let config = fs::read(gitea.join("config")).unwrap();
    let said = hook(&world, &["install", "--all", "--dry-run"]).ok();
    for line in [
        "+++ b/hooks/pre-receive.d/wharf",
        "+\tadvertisePushOptions = true",
        "+++ b/wharf-hooks.json",
    ] {
        assert!(said.out.lines().any(|own| own == line), "{line}\n{said}");
    }
    assert_eq!(fs::read(gitea.join("config")).unwrap(), config);
    assert!(!is_installed(&gitea));

    // One that is gone does not keep the others from having theirs.
    fs::remove_dir_all(&plain).unwrap();
    let said = hook(&world, &["install", "--all"]).exits(1);
    said.has("plain.git is not a git repository")
        .has("wrote hooks/pre-receive.d/wharf");
    assert!(is_installed(&gitea));
    hook(&world, &["install"]).exits(2);
    hook(&world, &["install", "--all", "--layout", "svn"]).exits(2);
}

/// This machine's git may know them; an older one is told apart before anything changes.
#[test]
fn configuration_hooks_are_run_where_git_knows_them() {
    for git in wharf_tests::gits() {
        let world = World::with_git(&git);
        let tree = world.site("shop", &[PAGE]);
        tree.init();
        let repository = world.repository("shop");
        let shown = repository.display().to_string();
        hook(&world, &["uninstall", &shown]).ok();
        let version = tree.git(&["--version"]).ok().out;
        let mut numbers = version
            .split(['.', ' '])
            .filter_map(|one| one.parse::<u32>().ok());
        let version = (numbers.next().unwrap(), numbers.next().unwrap());
        let said = hook(&world, &["install", "--config-hooks", &shown]);
        if version < (2, 54) {
            said.exits(1).has("takes no hooks from its configuration");
            assert!(!is_installed(&repository));
            continue;
        }
        said.ok();
        assert!(!repository.join("hooks/pre-receive").exists());
        tree.push(&["main"]).ok().has("main now serves r1");
    }
}
