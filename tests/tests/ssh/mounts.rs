//! Files that travel over ssh into mounts and out of them, and who may let them.

use std::fs;

use wharf_tests::World;

use crate::house::{House, VERA};
use crate::laptop::on_one_git_with;

const MOUNTED: (&str, &str) = (
    "wharf.toml",
    "public = \"out\"\nbuild = \"mkdir out; cp wharf.toml out\"\n[mounts]\nvar = \"data\"\n",
);

#[test]
fn files_go_from_a_laptop_and_back() {
    on_one_git_with(&[MOUNTED], |world, sshd, shop| {
        shop.push(&["main"]).ok();
        shop.write("files/a b/\u{e9}", "one\n");
        shop.write("files/empty", "");
        shop.sh("ln -s 'a b' files/link").ok();
        shop.wharf(&["mount", "upload", "files", "var", "--dry-run"])
            .ok()
            .has("+ var/a b/\u{e9}\n");
        shop.wharf(&["mount", "upload", "files", "var"])
            .ok()
            .has("3 files added");
        shop.wharf(&["mount", "upload", "files/empty", "var/one"])
            .ok();
        shop.wharf(&["mount", "size"]).ok().has("var");
        shop.wharf(&["mount", "download", "var/a b", "back"])
            .ok()
            .has("written: ");
        shop.sh("diff -r 'files/a b' back").ok();
        shop.wharf(&["mount", "download", "var"]).ok();
        shop.sh("test -e var/one && rm var/one && diff -r files var")
            .ok();
        shop.sh("wharf mount download var -o - | tar tf -")
            .ok()
            .has("\nlink\n");
        shop.sh("tar -C files -cf - . | wharf mount upload - var/tar --delete")
            .ok();
        // What is not whole is nowhere.
        let before = fs::read_dir(shop.path()).unwrap().count();
        shop.wharf(&["mount", "download", "var/none"])
            .exits(5)
            .has("var/none is not there");
        shop.wharf(&["mount", "download", "none", "-o", "none.tar"])
            .exits(5)
            .has("none is in no mount");
        assert_eq!(fs::read_dir(shop.path()).unwrap().count(), before);
        shop.sh("tar -C files -cf - . | head -c 1536 | wharf mount upload - var/cut")
            .exits(6)
            .has("ends too early");
        shop.wharf(&["mount", "upload", "none", "var"])
            .exits(1)
            .has("cannot read");
        // No file of the host's is read or written, whatever is asked for.
        let laptop = sshd.laptop("ada");
        let host = laptop.host.trim_start_matches("ssh://");
        let (host, port) = host.split_once(':').unwrap();
        let ssh = format!("{} -p {port} {host} wharf", laptop.ssh);
        let file = world.path("written.tar");
        shop.sh(&format!(
            "{ssh} mount download -p shop -e main var -o {} >here.tar",
            file.display()
        ))
        .ok();
        shop.sh("tar tf here.tar").ok().has("empty");
        shop.sh(&format!(
            "{ssh} mount upload /etc/passwd var -p shop -e main </dev/null"
        ))
        .exits(6)
        .has("one file was to be in it");
        assert!(!file.exists());
    });
}

#[test]
fn viewers_take_no_data_and_contributors_write_where_they_are() {
    let world = World::new();
    let mut house = House::new(&world, VERA);
    house.shop.write(MOUNTED.0, MOUNTED.1);
    house.shop.commit("Mounts");
    house.is("olga");
    for branch in ["main", "main:staging", "main:side"] {
        house.shop.push(&[branch]).ok();
    }
    house.shop.write("files/x", "x\n");
    let upload = |house: &House<'_>, id: &str| {
        house
            .shop
            .wharf(&["mount", "upload", "files", "var", "-e", id])
    };
    let download = |house: &House<'_>, id: &str, to: &str| {
        house
            .shop
            .wharf(&["mount", "download", "var", to, "-e", id])
    };
    upload(&house, "main").ok();
    house.is("dan");
    upload(&house, "main")
        .exits(6)
        .has("dan may not write into the mounts of main")
        .has("contributors may");
    download(&house, "main", "no")
        .exits(6)
        .has("dan may not take data of main");
    // How much there is he may see.
    house
        .shop
        .wharf(&["mount", "size", "-e", "main"])
        .ok()
        .has("var");
    upload(&house, "staging").ok();
    download(&house, "staging", "yes").ok();
    house.is("vera");
    upload(&house, "side").exits(6).has("vera may not write");
    download(&house, "side", "no")
        .exits(6)
        .has("vera may not take");
    house.shop.wharf(&["mount", "list", "-e", "side"]).ok();
    house
        .shop
        .wharf(&["mount", "size", "-e", "staging"])
        .exits(6);
    assert!(!house.shop.path().join("no").exists());
    let taken = world.activities(Some("shop"), 20).unwrap();
    let taken: Vec<_> = taken
        .iter()
        .filter(|one| one.kind.word() == "download")
        .map(|one| (one.actor.name.as_str(), one.environment.as_str()))
        .collect();
    assert_eq!(taken, [("dan", "staging")]);
}
