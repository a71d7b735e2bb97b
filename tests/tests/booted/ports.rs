//! Ports that others take, where each environment has a user of its own.

use crate::machine::Machine;
use crate::squat::{SQUATS, takes};

#[test]
fn a_port_that_a_neighbour_took() {
    let machine = Machine::boot();
    let config = "web = \"exec python3 app.py\"\n[deploy]\nhealth = \"/\"\n";
    let squatter = [("wharf.toml", config), ("app.py", SQUATS)];
    let said = machine.pushes("squatter", &squatter);
    said.ok().has("main now serves r1");
    let take = takes(7080, "main--squatter.localhost");
    let config = config.replace("exec python3 app.py", "python3 take.py && exec sleep 600");
    let shop = [("wharf.toml", config.as_str()), ("take.py", &take)];
    machine
        .pushes("shop", &shop)
        .has("another program listens on port")
        .has("main serves nothing yet");
}
