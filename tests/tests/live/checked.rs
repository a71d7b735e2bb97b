//! Where a failed build refuses a push (`push.on_failure = "reject"`), it refuses a move of the
//! daemon's own, too.

use std::fs;

use wharf_tests::{Tree, World};
use wharf_wire::outcome::{Kind, State};

use crate::app::{CONFIG, deployed};
use crate::moves::{newest, policy, tip, work_on};

const REJECT: &str = "[router]\nlisten = \"127.0.0.1:0\"\n[push]\non_failure = \"reject\"\n";

/// A build that is right in one environment alone: what it reads is in the other's tree.
const CLASH: &str = "build = \"echo built >> /cache/count; ! test -e ours || ! test -e theirs\"\n";

fn shop(world: &World) -> Tree<'_> {
    let shop = deployed(world, "shop");
    shop.write("wharf.toml", &format!("{CLASH}{}", CONFIG.1));
    shop.commit("A build");
    shop.push(&["main"]).ok();
    shop
}

/// How often something was built in the trust domain.
fn builds(world: &World, domain: &str) -> usize {
    let file = format!("state/caches/shop/{domain}/shared/count");
    let count = fs::read_to_string(world.home().join(file)).unwrap_or_default();
    count.lines().count()
}

#[test]
fn a_merge_whose_build_fails_is_refused_and_a_good_one_lands() {
    let world = World::with_host_file(REJECT);
    let shop = shop(&world);
    shop.wharf(&["branch", "feature"])
        .ok()
        .has("feature now serves r1.");
    work_on(&shop, "feature", "theirs", "1\n");
    work_on(&shop, "main", "ours", "1\n");
    let before = (tip(&world, "main"), tip(&world, "feature"));
    let ours = world.releases("shop", "main").unwrap().len();
    for (words, into) in [
        (&["merge", "-e", "feature"][..], "main still serves r3"),
        (
            &["sync", "code", "-e", "feature"],
            "feature still serves r2",
        ),
    ] {
        let branch = into.split(' ').next().unwrap();
        shop.wharf(words)
            .exits(3)
            .has(&format!("wharf: {branch} moves only if this succeeds"))
            .has("error: build failed in step 1 of 1")
            .has(&format!("{into}; nothing was changed."))
            .lacks("push");
        assert_eq!((tip(&world, "main"), tip(&world, "feature")), before);
        let last = newest(&world);
        assert_eq!((last.kind, last.state), (Kind::Check, State::Failed));
    }
    assert_eq!(world.releases("shop", "main").unwrap().len(), ours);
    assert_eq!(shop.get("/").ok(), "one\n");

    // Without the mistake.
    shop.git(&["fetch", "--quiet", "wharf"]).ok();
    shop.git(&["switch", "--quiet", "-C", "feature", "wharf/feature"])
        .ok();
    shop.git(&["rm", "--quiet", "theirs"]).ok();
    shop.write("mended", "1\n");
    shop.commit("Mended");
    shop.push(&["feature"]).ok();
    let built = builds(&world, "protected");
    shop.wharf(&["merge", "-e", "feature"])
        .ok()
        .has("success: the checks have passed")
        .has("reused slug")
        .has("main now serves r4 (was r3).")
        .lacks("push");
    assert_eq!(builds(&world, "protected"), built + 1, "built once");
    shop.wharf(&["sync", "code", "-e", "feature"])
        .ok()
        .has("feature now serves r4");
    assert_eq!(tip(&world, "main"), tip(&world, "feature"));
    world.settle("shop").unwrap();
}

#[test]
fn what_a_child_serves_is_promoted_unless_it_has_to_be_built_and_fails() {
    let world = World::with_host_file(REJECT);
    let shop = shop(&world);
    let declared = "[environments.production]\nbranch = \"main\"\ntype = \"production\"\n\
                    [environments.staging]\nbranch = \"staging\"\ntype = \"staging\"\n\
                    [environments.\"*\"]\nparent = \"staging\"\n";
    policy(&world, declared);
    shop.wharf(&["branch", "staging"]).ok();
    shop.wharf(&["branch", "feature", "staging"]).ok();
    // Open and protected branches have caches of their own, which tells the build where it is.
    let once = format!("build = \"mkdir /cache/once\"\n{}", CONFIG.1);
    fs::create_dir_all(world.home().join("state/caches/shop/protected/shared/once")).unwrap();
    work_on(&shop, "feature", "wharf.toml", &once);
    let before = tip(&world, "staging");
    shop.wharf(&["promote", "-e", "feature"])
        .exits(3)
        .has("build failed in step 1 of 1")
        .has("staging still serves r1; nothing was changed.");
    assert_eq!(tip(&world, "staging"), before);

    // The slug that a child serves is what goes live, also where the same build would fail today.
    let cache = world.home().join("state/caches/shop/protected/shared/once");
    fs::remove_dir(&cache).unwrap();
    shop.wharf(&["promote", "-e", "feature"])
        .ok()
        .has("staging now serves r2 (was r1).");
    shop.wharf(&["redeploy", "--rebuild", "-e", "staging"])
        .exits(3);
    let said = shop.wharf(&["promote", "-e", "staging"]).ok();
    let said = said.has("main now serves r3 (was r2).").lacks("reused");
    let words = "of staging r2, not built again";
    let text = format!("{}{}", said.out, said.err);
    assert_eq!(text.matches(words).count(), 2, "{said}");
    assert_eq!(tip(&world, "main"), tip(&world, "staging"));
}

#[test]
fn nothing_is_built_for_what_would_be_inactive() {
    let world = World::with_host_file(REJECT);
    let shop = shop(&world);
    let declared = "[environments.main]\ntype = \"production\"\n\
                    [environments.\"idea-*\"]\non_new_branch = \"inactive\"\n";
    policy(&world, &format!("max_active = 2\n{declared}"));
    shop.push(&["main:a"]).ok().has("a now serves r1.");
    shop.write("wharf.toml", &format!("build = \"exit 1\"\n{}", CONFIG.1));
    shop.commit("Broken");
    let before = builds(&world, "open");
    // Of two that are new in one push, each is refused a place, and none is built.
    for branches in [&["main:b"][..], &["main:c", "main:idea-one"], &["main:b"]] {
        shop.commit("Another");
        let said = shop.push(branches).ok();
        for branch in branches {
            let id = branch.replace("main:", "");
            said.clone()
                .has(&format!("{id} is not built: it would be inactive"))
                .has("is inactive")
                .has(&format!("{id} serves nothing: it is inactive."));
            let head = shop.git(&["rev-parse", "HEAD"]).ok().out;
            assert_eq!(tip(&world, &id).as_deref(), Some(head.trim()));
        }
    }
    let all = world.activities(Some("shop"), 100).unwrap();
    let wrong = all
        .iter()
        .find(|one| one.kind == Kind::Check && !["main", "a"].contains(&one.environment.as_str()));
    assert!(wrong.is_none(), "{wrong:?}");
    assert_eq!(builds(&world, "open"), before);
    // Nor for a branch that the server begins, and for code that comes there.
    shop.wharf(&["branch", "d", "main"])
        .ok()
        .has("d is not built: it would be inactive");
    // What lives is built as before, beside one that does not.
    let said = shop.push(&["main:a", "main:b"]).exits(1);
    said.has("[remote rejected] main -> a (build failed");
    // One that wishes for the last place is built.
    shop.wharf(&["deactivate", "-e", "a"]).ok();
    let wish = ["-o", "environment.status=active", "main:b"];
    shop.commit("And another");
    shop.push(&wish)
        .exits(1)
        .has("[remote rejected] main -> b (build failed");
}
