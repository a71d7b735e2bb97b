//! The sysadmin's guide as far as any user can go: installing into a directory, and trying it without root. The
//! rest is `tests/tests/booted/guides.rs`.

use std::{fs, path::Path};

use wharf_tests::{World, bin, run};

use crate::reader::{Reader, commands};

#[test]
fn the_sysadmin_s_guide_works_where_nobody_is_root() {
    let world = World::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    // Where nothing is: the daemon is started by `wharf init`.
    let own = world.path("own");
    fs::create_dir_all(own.join("config")).unwrap();
    let port = "[router]\nlisten = \"127.0.0.1:0\"\n";
    fs::write(own.join("config/wharfd.toml"), port).unwrap();
    // What was built is where the programs under test are; cargo says so.
    let bin = bin();
    let target = bin.ancestors().nth(2).unwrap().display();
    let cargo = Path::new(env!("CARGO")).parent().unwrap().display();
    let install = format!(
        "env CARGO_TARGET_DIR={target} PATH={cargo}:$PATH make install DESTDIR={}",
        world.path("installed").display(),
    );
    let _begun = Begun(&world, &own);
    let mut reader = Reader::new(&world, root.to_owned())
        .with("WHARF_HOME", own.display().to_string())
        .reads("sudo make install", install);
    for typed in commands("sysadmin.md") {
        reader.types(&typed);
    }
    let left = run(world.command("wharf").arg("status").env("WHARF_HOME", &own));
    left.exits(4);
    for file in [
        "usr/bin/wharfd",
        "usr/lib/systemd/system/wharfd.service",
        "usr/share/man/man1/wharf.1",
    ] {
        assert!(world.path("installed").join(file).is_file(), "{file}");
    }
}

/// The daemon that `wharf init` began, gone also where the guide does not get as far as to stop it.
struct Begun<'w>(&'w World, &'w Path);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let mut stop = self.0.command("wharfd");
        run(stop.arg("stop").env("WHARF_HOME", self.1));
    }
}
