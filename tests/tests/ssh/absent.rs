//! A host whose daemon is away.

use wharf_tests::{lines_obey_the_rules, obeys_the_rules};

use crate::laptop::{PAGE, on_every_git, reads_as};

#[test]
fn without_its_daemon_a_host_refuses_pushes_and_serves_on() {
    on_every_git(&[PAGE], |world, shop| {
        shop.push(&["main"]).ok();
        let (host, port) = ("main--shop.localhost", world.port());
        world.kill_daemon();
        assert_eq!(world.get(host, "/").ok(), "one\n");

        shop.write("index.html", "two\n");
        shop.commit("Second");
        let said = shop.push(&["main"]).exits(1).transcript();
        lines_obey_the_rules(&said);
        reads_as("daemon away", &said);
        shop.wharf(&["status"])
            .exits(4)
            .has("error: ")
            .has("hint: ");

        world.start();
        assert_eq!(world.port(), port);
        assert_eq!(world.get(host, "/").ok(), "one\n");
        let said = shop.push(&["main"]).ok().transcript();
        obeys_the_rules(&said);
        assert_eq!(world.get(host, "/").ok(), "two\n");
    });
}
