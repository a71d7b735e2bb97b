//! gitolite 3 as its package has it: set up, administered by pushes, with hooks of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use wharf_tests::{Gitolite, World, gits};

use crate::house::{PAGE, add, executable, in_order, page, pushed_by, status};

const RULES: &str = "\nrepo shop\n    RW+     =   ada\n    RW idea =   dan\n    R       =   dan\n";

#[test]
fn gitolite_says_who_pushes_and_what_they_may() {
    for git in gits() {
        let world = World::with_git(&git);
        let (gitolite, admin) = Gitolite::start(&world, "ada");
        gitolite.admit(&admin, "dan");
        let rules = fs::read_to_string(admin.path().join("conf/gitolite.conf")).unwrap();
        admin.write("conf/gitolite.conf", &format!("{rules}{RULES}"));
        gitolite.apply(&admin);
        let repository = gitolite.repository("shop");
        let before = fs::read_link(repository.join("hooks/update")).unwrap();
        add(&world, &repository);
        assert!(
            status(&world, &repository).starts_with("layout                        gitolite\n")
        );

        let mut shop = world.site("shop", &[PAGE]);
        gitolite.give(&gitolite.laptop("ada"), &mut shop, "wharf", "shop");
        shop.push(&["main"]).ok().has("main now serves r1");
        assert_eq!(page(&world), "one\n");
        pushed_by(&world, "ada", "GL_USER");

        gitolite.give(&gitolite.laptop("dan"), &mut shop, "wharf", "shop");
        shop.write("index.html", "two\n");
        shop.commit("two");
        shop.push(&["main:idea"]).ok();
        pushed_by(&world, "dan", "GL_USER");
        // Wharf would refuse it, too; gitolite's own word is the last one.
        shop.push(&["main:other"])
            .exits(1)
            .has("DENIED by fallthru");
        assert_eq!(page(&world), "one\n");
        assert_eq!(
            fs::read_link(repository.join("hooks/update")).unwrap(),
            before
        );
        let shown = repository.display().to_string();
        world.wharf(&["hook", "uninstall", &shown]).ok();
        assert!(!repository.join("hooks/pre-receive").exists());
        assert!(!repository.join("wharf-hooks.json").exists());
    }
}

/// The recipe of docs/git-hosts.md: hooks of gitolite's that are put back at each change of its rules.
#[test]
fn what_gitolite_puts_back_is_followed_by_ours() {
    let world = World::new();
    let (gitolite, admin) = Gitolite::start(&world, "ada");
    let local = gitolite.home().join("local");
    let own = local.join("hooks/repo-specific/first");
    executable(
        &own,
        "#!/bin/sh\ncat >/dev/null\necho first sees $GL_USER\ntest ! -e \"$HOME/closed\"\n",
    );
    let trigger = "#!/bin/sh\nexec wharf hook install --all --layout gitolite\n";
    executable(&local.join("triggers/wharf-hooks"), trigger);
    let rc = gitolite.home().join(".gitolite.rc");
    let text = fs::read_to_string(&rc).unwrap();
    let text = text
        .replace(
            "0077,",
            "0027,\n    NON_CORE => \"wharf-hooks POST_COMPILE .\",",
        )
        .replace(
            "# LOCAL_CODE                =>  \"$ENV{HOME}",
            "LOCAL_CODE =>  \"$ENV{HOME}",
        )
        .replace(
            "# 'repo-specific-hooks',",
            "'repo-specific-hooks', 'wharf-hooks',",
        );
    fs::write(&rc, text).unwrap();
    let rules = fs::read_to_string(admin.path().join("conf/gitolite.conf")).unwrap();
    let option = "    option hook.pre-receive = first\n";
    admin.write("conf/gitolite.conf", &format!("{rules}{RULES}{option}"));
    gitolite.apply(&admin);
    let repository = gitolite.repository("shop");
    add(&world, &repository);
    let ours = repository.join("hooks/pre-receive.wharf");
    assert!(ours.exists());

    let mut shop = world.site("shop", &[PAGE]);
    gitolite.give(&gitolite.laptop("ada"), &mut shop, "wharf", "shop");
    let said = shop.push(&["main"]).ok().transcript();
    in_order(&said, &["first sees ada", "main now serves r1"]);

    // Each change of the rules takes ours away with all that is beside the driver.
    admin.write(
        "conf/gitolite.conf",
        &format!("{rules}{RULES}{option}# again\n"),
    );
    gitolite.apply(&admin).has("wrote hooks/pre-receive.wharf");
    let complete = status(&world, &repository);
    assert!(
        complete.contains("installed as hooks/pre-receive.wharf"),
        "{complete}"
    );
    let mode = repository.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o750);
    fs::write(gitolite.home().join("closed"), "").unwrap();
    shop.write("index.html", "two\n");
    shop.commit("two");
    shop.push(&["main"])
        .exits(1)
        .has("first sees ada")
        .lacks("success");
    assert_eq!(page(&world), "one\n");
}
