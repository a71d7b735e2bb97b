//! Pushes of every kind, and what the pusher reads.

use wharf_tests::{Sshd, World, obeys_the_rules};

#[test]
fn a_first_push() {
    let world = World::new();
    let sshd = Sshd::start(&world);
    let mut shop = world.example("static", "shop");
    shop.init();
    let ada = sshd.admit("ada");
    sshd.give(&ada, &mut shop, "shop");
    let said = shop.push(&["main"]).ok();
    println!("{said}");
    obeys_the_rules(&said.transcript());
    println!("{}", shop.get("/").ok());
}
