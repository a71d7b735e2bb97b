//! Slugs that travel over ssh, and who may let them.

use std::fs;

use wharf_tests::World;

use crate::house::{House, VERA};
use crate::laptop::{BUILT, on_one_git_with};

const BUILD: (&str, &str) = (
    "build.sh",
    "echo building; mkdir out; cp build.sh out/page\n",
);

#[test]
fn a_slug_goes_to_a_laptop_and_back() {
    on_one_git_with(&[BUILT, BUILD], |world, sshd, shop| {
        shop.push(&["main"]).ok().has("| building");
        let file = |name: &str| shop.path().join(name);
        shop.wharf(&["slug", "export", "-o", "one.tar"])
            .ok()
            .has("written: ")
            .has("digest");
        let archive = fs::read(file("one.tar")).unwrap();
        shop.sh("wharf slug export >two.tar").ok();
        assert_eq!(fs::read(file("two.tar")).unwrap(), archive);
        // As somebody does who has ssh alone.
        let laptop = sshd.laptop("ada");
        let host = laptop.host.trim_start_matches("ssh://");
        let (host, port) = host.split_once(':').unwrap();
        let ssh = format!("{} -p {port} {host} wharf", laptop.ssh);
        shop.sh(&format!("{ssh} slug export -p shop -e main >three.tar"))
            .ok();
        assert_eq!(fs::read(file("three.tar")).unwrap(), archive);
        world
            .wharf(&[
                "--here", "slug", "export", "-p", "shop", "-e", "main", "-o", "four.tar",
            ])
            .ok();
        assert_eq!(fs::read(world.path("work/four.tar")).unwrap(), archive);

        shop.wharf(&["slug", "import", "one.tar"])
            .ok()
            .has("is here already");
        shop.sh(&format!("{ssh} slug import -p shop <one.tar"))
            .ok()
            .has("is here already");
        // What is not whole stays nowhere: neither here nor there.
        let before = fs::read_dir(shop.path()).unwrap().count();
        shop.wharf(&["slug", "export", "r7", "-o", "five.tar"])
            .exits(5)
            .has("main has no release r7");
        assert_eq!(fs::read_dir(shop.path()).unwrap().count(), before);
        shop.sh("head -c 600 one.tar | wharf slug import")
            .exits(6)
            .has("ends too early");
        shop.wharf(&["slug", "import", "none.tar"])
            .exits(1)
            .has("cannot read");
    });
}

#[test]
fn viewers_take_nothing_away_and_only_admins_bring_something() {
    let world = World::new();
    let mut house = House::new(&world, VERA);
    house.is("olga");
    for branch in ["main", "main:staging", "main:side"] {
        house.shop.push(&[branch]).ok();
    }
    house.shop.wharf(&["slug", "export", "-o", "slug.tar"]).ok();
    house.shop.wharf(&["slug", "import", "slug.tar"]).ok();

    let import = ["slug", "import", "slug.tar"];
    house.is("dan");
    house
        .shop
        .wharf(&["slug", "export", "-e", "main", "-o", "no.tar"])
        .exits(6)
        .has("dan may not export slugs of main")
        .has("contributors may");
    house
        .shop
        .wharf(&["slug", "export", "-e", "staging", "-o", "staging.tar"])
        .ok();
    house
        .shop
        .wharf(&import)
        .exits(6)
        .has("dan may not import slugs for every")
        .has("admins may");
    house.is("vera");
    house
        .shop
        .wharf(&["slug", "export", "-e", "side", "-o", "no.tar"])
        .exits(6)
        .has("vera may not export slugs of side");
    house
        .shop
        .wharf(&import)
        .exits(6)
        .has("vera may not import slugs for every");
    assert!(!house.shop.path().join("no.tar").exists());
}
