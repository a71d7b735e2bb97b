//! Traces of activities, as a collector takes them. What sends them is there with the feature `otel` only: `make test-otel`.

#[cfg(feature = "otel")]
mod collected;

use std::fs;

use wharf_tests::World;

/// Says where traces go, and lets the daemon read it.
fn send_to(world: &World, more: &str) -> wharf_tests::Said {
    let text = format!("[router]\nlisten = \"127.0.0.1:0\"\n[traces]\n{more}");
    fs::write(world.home().join("config/wharfd.toml"), text).unwrap();
    world.wharf(&["reload"])
}

#[cfg(not(feature = "otel"))]
#[test]
fn a_daemon_without_them_says_so() {
    let world = World::new();
    let said = "traces go nowhere: this wharfd was built without the feature otel";
    send_to(&world, "endpoint = \"http://127.0.0.1:4318\"")
        .ok()
        .has(said);
    world.wharf(&["doctor"]).has(said);
    send_to(&world, "endpoint = \"off\"").ok().lacks("traces");
}
