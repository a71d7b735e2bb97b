//! Virtual environments and packages: built once at `/app`, working everywhere.

use wharf_tests::World;

#[test]
fn a_virtual_environment_works_where_it_was_built_and_where_it_is_used_again() {
    let world = World::new();
    let site = world.example("python", "site");
    site.init();
    let main = site.push(&["main"]).ok().has("main now serves r1.");
    main.has("requirements.txt: virtual environment in /app/.venv");
    let page = site.get("/").ok();
    assert!(page.contains("sys.prefix: /app/.venv"), "{page}");

    site.git(&["switch", "--quiet", "--create", "first"]).ok();
    site.push(&["first"])
        .ok()
        .has("built again: open branches use no slug of protected ones");
    assert_eq!(site.get("/").ok(), page);

    site.git(&["switch", "--quiet", "--create", "second"]).ok();
    site.commit("Nothing new");
    site.push(&["second"])
        .ok()
        .has("reused slug")
        .lacks("pip install");
    assert_eq!(site.get("/").ok(), page);
}

#[test]
fn a_node_application_with_packages() {
    let world = World::new();
    let site = world.example("node", "site");
    site.init();
    site.push(&["main"])
        .ok()
        .has("npm ci")
        .has("main now serves r1.");
    assert!(site.get("/").ok().contains("node v"));
}

#[test]
fn a_static_site_that_npm_builds() {
    let world = World::new();
    let site = world.example("static-npm", "site");
    site.init();
    site.push(&["main"]).ok().has("main now serves r1.");
    assert!(site.get("/").ok().contains("<html"));
}

#[test]
fn a_mount_keeps_its_data_over_releases() {
    let world = World::new();
    let site = world.example("counter", "site");
    site.init();
    site.push(&["main"])
        .ok()
        .has("1 mount")
        .has("schema 0 -> 2");
    assert!(site.get("/").ok().contains("visit 1"));
    site.commit("Again");
    site.push(&["main"])
        .ok()
        .has("schema 2 -> 2")
        .has("reused slug");
    assert!(site.get("/").ok().contains("visit 2"));
    // Another environment has data of its own.
    site.git(&["switch", "--quiet", "--create", "other"]).ok();
    site.push(&["other"]).ok().has("schema 0 -> 2");
    assert!(site.get("/").ok().contains("visit 1"));
}
