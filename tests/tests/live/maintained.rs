//! Visitors are kept away while commands run that need it, and come in again whatever happens.

use std::fs;

use wharf_tests::{Watched, World};
use wharf_wire::route::Route;

use crate::app::SERVER;

/// The route of the project's first environment.
fn route(world: &World) -> Route {
    let file = world.home().join("state/routes/shop.main.json");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// What its deployment does, beside serving [`SERVER`].
fn config(deploy: &str) -> String {
    let mounts = "[mounts]\ndata = \"private\"\n";
    format!("web = \"exec python3 app.py\"\n\n{mounts}\n[deploy]\n{deploy}\n")
}

/// A shop that was deployed once, so.
fn shop<'world>(world: &'world World, deploy: &str) -> wharf_tests::Tree<'world> {
    let files = [SERVER, ("version", "one\n"), ("503.html", "soon\n")];
    let shop = world.site("shop", &files);
    shop.init().ok();
    shop.write("wharf.toml", &config(deploy));
    shop.commit("one");
    shop.push(&["main"])
        .ok()
        .lacks("maintenance")
        .has("main now serves r1.");
    shop
}

fn again(shop: &wharf_tests::Tree<'_>, version: &str, deploy: &str) {
    shop.write("version", &format!("{version}\n"));
    shop.write("wharf.toml", &config(deploy));
    shop.commit(version);
}

const ALWAYS: &str =
    "maintenance = { page = \"503.html\" }\nhold = \"45s\"\nrun = \"cat version >> data/log\"";

#[test]
fn the_route_says_so_until_the_switch() {
    let world = World::new();
    let shop = shop(&world, ALWAYS);
    assert_eq!(route(&world).maintenance, None, "nothing served before it");
    again(&shop, "two", ALWAYS);
    world.freeze_at("step deploy deploy 1: started");
    let mut push = Watched::push(&shop, &["main"]);
    // What is said last before it freezes may come when it thaws.
    push.until("Log: wharf log");
    world.wait_until_frozen();
    let held = route(&world);
    let maintenance = held.maintenance.unwrap();
    assert_eq!(held.release, 1);
    assert_eq!(maintenance.activity, Some(push.id()));
    let page = maintenance.page.unwrap();
    assert_eq!(fs::read_to_string(page).unwrap(), "soon\n");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let until = u128::from(maintenance.hold_until);
    let now = now.unwrap().as_millis();
    assert!(until > now && until <= now + 45_000, "{until} at {now}");
    world.thaw();
    let said = push.said().ok();
    let said = said
        .has("  maintenance")
        .has("requests wait 45s")
        .has("lifted; it was on for")
        .has("  visitors were kept away for ");
    said.has("main now serves r2 (was r1).");
    let shown = shop.wharf(&["activities", "-n", "1", "--json"]).ok();
    let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert!(shown[0]["maintenance_ms"].as_u64().is_some(), "{shown}");
    assert!(world.logs().contains("\"WHARF_MAINTENANCE_MS\":"));
    assert_eq!(route(&world).maintenance, None);
    assert_eq!(shop.get("/").ok(), "two\n");
}

#[test]
fn what_says_that_it_is_not_needed_is_believed() {
    let world = World::new();
    let unless = |probe: &str| {
        format!("maintenance = {{ unless = \"{probe}\" }}\nrun = \"echo more >> data/log\"")
    };
    let shop = shop(&world, &unless("false"));
    again(&shop, "two", &unless("echo noise; true"));
    let said = shop.push(&["main"]).ok().has("main now serves r2");
    said.has("  maintenance not needed (echo noise; true says so)")
        .lacks("lifted")
        .lacks("| noise");
    again(&shop, "three", &unless("exit 3"));
    shop.push(&["main"])
        .ok()
        .has("lifted; it was on for")
        .has("main now serves r3");
    // What cannot be asked has not said no.
    again(&shop, "four", &unless("no-such-command"));
    let said = shop.push(&["main"]);
    said.has("it cannot be told whether maintenance is needed")
        .has("main still serves r3; nothing was changed.");
    // Nothing runs that could need it.
    again(&shop, "five", "maintenance = true");
    shop.push(&["main"])
        .ok()
        .lacks("maintenance")
        .has("main now serves r5");
}

#[test]
fn what_fails_lets_visitors_in_and_says_what_it_may_have_changed() {
    let world = World::new();
    let shop = shop(&world, ALWAYS);
    let broken = "maintenance = true\nrun = [\"echo a >> data/log\", { name = \"migrate\", run = \"exit 3\" }, \"echo b\"]";
    again(&shop, "two", broken);
    let said = shop.push(&["main"]);
    let said = said.has("error: deploy failed in command 2 of 3 (migrate), exit code 3");
    let said = said
        .has("  ran to its end: echo a >> data/log")
        .has("  stopped in: migrate");
    let said = said
        .has("  data may have changed in data")
        .has("lifted; it was on for")
        .has("  visitors were kept away for ");
    said.has("main still serves r1; deploy commands may have changed its data.")
        .lacks("deploy     echo b");
    assert_eq!(route(&world).maintenance, None);
    assert_eq!(shop.get("/").ok(), "one\n");
    // Somebody stops it.
    again(&shop, "three", "maintenance = true\nrun = \"sleep 1000\"");
    let mut push = Watched::push(&shop, &["main"]);
    push.until("sleep 1000");
    shop.wharf(&["cancel", &push.id()]).ok();
    push.end();
    assert_eq!(route(&world).maintenance, None);
    assert_eq!(shop.get("/").ok(), "one\n");
}

#[test]
fn a_daemon_that_dies_keeps_nobody_away() {
    let world = World::new();
    let shop = shop(&world, ALWAYS);
    for point in [
        "record generation: after",
        "step deploy maintenance: done",
        "step deploy deploy 1: done",
    ] {
        again(&shop, point, ALWAYS);
        world.freeze_at(point);
        let push = Watched::push(&shop, &["main"]);
        world.wait_until_frozen();
        world.kill_daemon();
        world.forget_trace();
        world.start();
        push.end();
        shop.wharf(&["log", "--follow"]);
        assert_eq!(route(&world).maintenance, None, "{point}");
        // The next one lifts it before it looks at what it is to take up.
        if !point.starts_with("step ") {
            continue;
        }
        let trace = world.trace();
        let place = |name: &str| trace.iter().position(|point| point == name);
        let lifted = place("record generation: after").expect("it was on");
        let decided = place("record restart: before").expect("it had begun");
        assert!(lifted < decided, "{trace:#?}");
    }
    // Its command may not run twice.
    let said = shop.wharf(&["activities", "--json"]).ok();
    said.has("\"interrupted\"");
}

#[test]
fn somebody_switches_it_and_deployments_leave_it_so() {
    let world = World::new();
    let shop = shop(&world, "run = \"true\"");
    shop.wharf(&["maintenance", "off"])
        .exits(6)
        .has("maintenance of main is off already");
    let said = shop.wharf(&["maintenance", "on"]).ok();
    said.has("success: main is in maintenance")
        .has("main serves r1 to operators only; visitors see a page.")
        .has("wharf maintenance off -e main");
    let held = route(&world).maintenance.unwrap();
    assert_eq!((held.activity, held.hold_until), (None, 0));
    shop.wharf(&["maintenance", "on"]).exits(6);
    shop.wharf(&["environments"]).ok().has("maintenance by ");
    let host = world.home().join("config/wharfd.toml");
    let old = fs::read_to_string(&host).unwrap();
    fs::write(&host, format!("operators = [\"192.0.2.0/24\"]\n{old}")).unwrap();
    shop.wharf(&["reload"]).ok();
    let held = route(&world).maintenance.unwrap();
    assert_eq!(held.pass, ["192.0.2.0/24".parse().unwrap()]);
    world.kill_daemon();
    world.start();
    assert!(route(&world).maintenance.is_some());
    again(&shop, "two", ALWAYS);
    shop.push(&["main"])
        .ok()
        .has("is on already")
        .has("main now serves r2");
    let held = route(&world).maintenance.unwrap();
    assert_eq!(held.activity, None);
    assert!(held.page.is_some_and(|page| page.ends_with("503.html")));
    let said = shop.wharf(&["maintenance:off"]).ok();
    said.has("success: main lets visitors in again")
        .has("main now serves r2.");
    assert_eq!(route(&world).maintenance, None);
    assert_eq!(shop.get("/").ok(), "two\n");
    shop.wharf(&["activities"])
        .ok()
        .has("maintenance-on")
        .has("maintenance-off");
}

#[test]
fn requests_wait_and_meet_the_new_release() {
    let world = World::new();
    let shop = shop(&world, ALWAYS);
    again(&shop, "two", ALWAYS);
    world.freeze_at("step deploy deploy 1: started");
    let push = Watched::push(&shop, &["main"]);
    world.wait_until_frozen();
    let (answered, answers) = std::sync::mpsc::channel();
    let port = world.port();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let page = wharf_tests::fetch(port, "main--shop.localhost", "/");
            answered.send((page.status, page.body)).unwrap();
        });
        // It is not answered as long as the daemon does not go on.
        let early = answers.recv_timeout(std::time::Duration::from_millis(500));
        assert!(early.is_err(), "{early:?}");
        world.thaw();
        assert_eq!(answers.recv().unwrap(), (200, "two\n".to_owned()));
    });
    push.said().ok().has("main now serves r2 (was r1).");
}
