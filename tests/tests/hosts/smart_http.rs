//! nginx asks for a password, fcgiwrap runs `git http-backend`, and that says who it was.

use wharf_tests::{Nginx, World, gits};

use crate::house::{PAGE, add, executable, in_order, page, pushed_by, status};

#[test]
fn a_push_over_http_is_its_user_s() {
    for git in gits() {
        let world = World::with_git(&git);
        let shop = world.site("shop", &[PAGE]);
        shop.init();
        let repository = world.repository("shop");
        let own =
            "#!/bin/sh\nread old new ref\necho own sees $REMOTE_USER\ntest $ref != refs/heads/no\n";
        world
            .wharf(&["hook", "uninstall", &repository.display().to_string()])
            .ok();
        executable(&repository.join("hooks/pre-receive"), own);
        add(&world, &repository).has("it runs too");
        assert!(status(&world, &repository).starts_with("layout                        plain\n"));

        let nginx = Nginx::start(&world, &["ada", "dan"]);
        nginx.give("ada", &shop, &repository);
        let said = shop.push(&["main"]).ok();
        in_order(&said.transcript(), &["own sees ada", "main now serves r1"]);
        assert_eq!(page(&world), "one\n");
        pushed_by(&world, "ada", "REMOTE_USER");

        // Whose name it is decides what may be done with it.
        shop.write("index.html", "two\n");
        shop.commit("two");
        nginx.give("dan", &shop, &repository);
        let said = shop.push(&["main"]).exits(1);
        said.has("dan may not push to main");
        shop.push(&["main:idea"]).ok();
        pushed_by(&world, "dan", "REMOTE_USER");
        nginx.give_with("ada", "guessed", &shop, &repository);
        shop.push(&["main"]).exits(128).lacks("own sees");
        assert_eq!(page(&world), "one\n");

        // The hook that was there has its say, and what it refuses Wharf does not see.
        nginx.give("ada", &shop, &repository);
        let said = shop.push(&["main:no"]).exits(1);
        said.has("own sees ada").lacks("success");
        shop.push(&["-o", "nowait", "main"])
            .ok()
            .has("queued; follow it");
    }
}
