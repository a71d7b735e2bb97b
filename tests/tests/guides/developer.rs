//! The developer's guide, from a laptop: over a real sshd, with a real key.

use std::fs;

use wharf_tests::{Sshd, World};

use crate::reader::{Reader, commands};

#[test]
fn the_developer_s_guide_works_from_the_first_line_to_the_last() {
    let world = World::new();
    let repository = world.repository("shop");
    let shown = repository.display().to_string();
    let mut init = world.command("git");
    init.args(["init", "--quiet", "--bare", "-b", "main", &shown]);
    wharf_tests::run(&mut init).ok();
    world.wharf(&["project", "add", "shop", &shown]).ok();
    let sshd = Sshd::start(&world);
    let laptop = sshd.admit("alice");
    let address = laptop.host.trim_start_matches("ssh://");
    let (account, port) = address.rsplit_once(':').unwrap();
    let home = world.path("laptop");
    fs::create_dir_all(&home).unwrap();
    let mut reader = Reader::new(&world, world.path("work"))
        .with("GIT_SSH_COMMAND", &laptop.ssh)
        // A laptop has no daemon of its own.
        .with("WHARF_HOME", home.display().to_string())
        .reads(
            "git@host:/srv/git/shop.git",
            format!("{}{shown}", laptop.host),
        )
        .reads(
            "ssh git@host",
            format!("{} -p {port} {account}", laptop.ssh),
        );
    for typed in commands("developer.md") {
        let said = reader.types(&typed);
        if typed.text.starts_with("wharf run") {
            said.has("debug");
        }
    }
    // What it all came to.
    assert!(
        world
            .get("main--shop.localhost", "/")
            .ok()
            .contains("The shop")
    );
    assert!(
        world
            .get("main--shop.localhost", "/cart.html")
            .ok()
            .contains("The cart")
    );
    assert_eq!(world.get("cart--shop.localhost", "/").status, 404);
}
