//! What people ask for by name: every byte of a log, a build anew, what the shell completes.

use std::fs;

use wharf_tests::World;

use crate::app::{CONFIG, deployed};

#[test]
fn the_raw_log_has_every_byte() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let noise: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    fs::write(shop.path().join("noise"), &noise).unwrap();
    shop.write(
        "wharf.toml",
        &format!("build = \"cat noise\"\n{}", CONFIG.1),
    );
    shop.commit("Noise");
    let said = shop.push(&["main"]).ok();
    assert!(!said.err.contains('\u{1b}'), "{said}");
    let mut raw = shop.command("wharf");
    let raw = raw.args(["log", "--raw"]).output().unwrap();
    assert!(raw.status.success());
    let found = raw.stdout.windows(noise.len()).any(|part| part == noise);
    assert!(found, "{} bytes", raw.stdout.len());
}

#[test]
fn a_rebuild_builds_anew_and_a_redeploy_does_not() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let build = "echo x >>/cache/count; wc -l </cache/count >version";
    shop.write("wharf.toml", &format!("build = \"{build}\"\n{}", CONFIG.1));
    shop.commit("Counted");
    shop.push(&["main"]).ok();
    assert_eq!(shop.get("/").ok(), "1\n");
    shop.wharf(&["redeploy"]).ok().has("reused slug");
    assert_eq!(shop.get("/").ok(), "1\n");
    shop.wharf(&["redeploy", "--rebuild"])
        .ok()
        .lacks("reused slug");
    assert_eq!(shop.get("/").ok(), "2\n");
    shop.commit("Nothing");
    shop.push(&["-o", "rebuild", "main"]).ok();
    assert_eq!(shop.get("/").ok(), "3\n");
    // An earlier release has what was built for it then.
    shop.wharf(&["rollback", "r2"]).ok();
    assert_eq!(shop.get("/").ok(), "1\n");
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let world = World::new();
    let help = world.wharf(&["--help"]).ok().out;
    assert!(help.contains("environments"), "{help}");
    for shell in ["bash", "zsh", "fish"] {
        let said = world.wharf(&["completions", shell]).ok();
        for command in ["rollback", "environments", "redeploy"] {
            assert!(said.out.contains(command), "{shell}: {command}");
        }
    }
    let directory = world.path("man");
    fs::create_dir(&directory).unwrap();
    world.wharf(&["man", directory.to_str().unwrap()]).ok();
    let pages: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    for page in ["wharf.1", "wharf-rollback.1", "wharf-log.1"] {
        assert!(pages.iter().any(|name| name == page), "{pages:?}");
    }
}
