//! Fail points freeze the daemon where they say.

use wharf_tests::{Watched, World};

#[test]
fn the_daemon_freezes_at_a_point_and_goes_on() {
    let world = World::new();
    let site = world.site("shop", &[("index.html", "one")]);
    site.init().ok();
    world.freeze_at("step deploy route: starting");
    let push = Watched::push(&site, &["main"]);
    world.wait_until_frozen();
    assert_eq!(world.get("main--shop.localhost", "/").status, 404);
    world.thaw();
    push.end();
    assert_eq!(site.get("/").body, "one");
    let trace = world.trace();
    for point in ["record activities: after", "step deploy route: ended"] {
        assert!(trace.iter().any(|passed| passed == point), "{trace:#?}");
    }
}
