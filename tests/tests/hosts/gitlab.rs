//! A repository as GitLab keeps it: in hashed storage, its hooks run by Gitaly, whose directory of
//! hooks it names itself. What it documents of custom hooks is a script here.

use std::path::Path;

use wharf_tests::{World, gits, run};

use crate::house::{PAGE, add, executable, in_order, page, pushed_by, status};

/// Where the SHA-256 of a project's number puts it.
const HASHED: &str =
    "@hashed/6b/86/6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b.git";

/// What Gitaly does once its own checks are through: the custom hooks of the repository, in the order
/// of their names, until one fails; no hidden ones, no backups.
const RUNNER: &str = r#"#!/bin/sh
name=${0##*/}
data=$(cat)
echo "gitaly $name of $GL_USERNAME"
for hook in "$PWD/custom_hooks/$name" "$PWD/custom_hooks/$name.d"/*[!~]; do
  test -x "$hook" && test -f "$hook" || continue
  printf '%s\n' "$data" | "$hook" || exit 1
done
"#;

fn gitaly(world: &World, at: &Path) -> String {
    for hook in ["pre-receive", "post-receive"] {
        executable(&at.join(hook), RUNNER);
    }
    // What it passes to git, for each push.
    let receive = at.join("receive-pack");
    let hooks = at.display();
    let text = format!("#!/bin/sh\nexec git -c core.hooksPath={hooks} receive-pack \"$@\"\n");
    executable(&receive, &text);
    let shown = receive.display().to_string();
    assert!(world.path("gitaly").exists());
    format!("--receive-pack={shown}")
}

#[test]
fn a_push_through_gitaly_s_custom_hooks_is_its_user_s() {
    for git in gits() {
        let world = World::with_git(&git);
        let repository = world.path("repositories").join(HASHED);
        let shop = world.site("shop", &[PAGE]);
        let shown = repository.display().to_string();
        shop.git(&["init", "--quiet", "--bare", &shown]).ok();
        let receive = gitaly(&world, &world.path("gitaly"));
        let own = "#!/bin/sh\nread old new ref\necho own\ntest $ref != refs/heads/no\n";
        executable(&repository.join("custom_hooks/pre-receive.d/10-own"), own);
        add(&world, &repository).has("wrote custom_hooks/pre-receive.d/wharf");
        assert!(status(&world, &repository).starts_with("layout                        gitlab\n"));
        let push = |who: &str, words: &[&str]| {
            let mut push = shop.command("git");
            push.args(["push", &receive, &shown]).args(words);
            run(push.env("GL_USERNAME", who).env("GL_ID", "user-17"))
        };
        let said = push("ada", &["main"]).ok().transcript();
        in_order(
            &said,
            &[
                "gitaly pre-receive of ada",
                "own",
                "gitaly post-receive of ada",
                "main now serves r1",
            ],
        );
        assert_eq!(page(&world), "one\n");
        pushed_by(&world, "ada", "GL_USERNAME");
        shop.commit("two");
        push("dan", &["main"])
            .exits(1)
            .has("dan may not push to main");
        push("ada", &["main:no"])
            .exits(1)
            .has("own")
            .lacks("success");
        world.wharf(&["hook", "uninstall", &shown]).ok();
        assert!(!repository.join("custom_hooks/post-receive.d").exists());
        assert!(
            repository
                .join("custom_hooks/pre-receive.d/10-own")
                .exists()
        );
        push("ada", &["main:later"]).ok().lacks("[later]");
    }
}
