//! The daemon dies at every step of a check: the push is refused, and nothing is left of it.

use std::fs;

use wharf_tests::{Tree, Watched, World};

const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n[push]\non_failure = \"reject\"\n";
const CONFIG: &str = "public = \"out\"\nbuild = \"mkdir out; cp page out/index.html\"\n";

/// What a check cannot leave out.
const POINTS: [&str; 8] = [
    "record activities: before",
    "record activities: after",
    "record beginning: before",
    "step build checkout: started",
    "step build build 1: started",
    "step build freeze: started",
    "record slug: before",
    "record end: after",
];

#[test]
fn a_push_is_refused_wherever_its_check_is_interrupted() {
    let world = World::with_host_file(HOST);
    let shop = world.site("shop", &[("wharf.toml", CONFIG), ("page", "one\n")]);
    shop.init();
    world.forget_trace();
    shop.push(&["main"]).ok().has("its branch may move.");
    let mut points = check(&world.trace());
    for point in POINTS {
        assert!(
            points.iter().any(|one| one == point),
            "no {point}: {points:?}"
        );
    }
    points.dedup();
    let accepted = tip(&shop);
    for (row, point) in points.iter().enumerate() {
        shop.write("page", &format!("{row}\n"));
        shop.commit(point);
        world.freeze_at(point);
        let push = Watched::push(&shop, &["main"]);
        world.wait_until_frozen();
        world.kill_daemon();
        let said = push.end();
        let refused = "[remote rejected] main -> main (Wharf does not answer on this host)";
        assert!(said.contains(refused), "{point}:\n{said}");
        world.start();
        assert_eq!(tip(&shop), accepted, "{point}");
        let all = shop.wharf(&["activities", "--json"]).ok().out;
        assert!(!all.contains("\"running\""), "{point}: {all}");
        let newest = shop.wharf(&["activities", "-n", "1"]).ok().out;
        let (what, how) = match point.as_str() {
            // Nobody has heard of it.
            "record activities: before" => ("push r1", "succeeded"),
            "record end: after" => ("check", "succeeded"),
            _ => ("check", "cancelled: Wharf was restarted"),
        };
        assert!(
            newest.contains(what) && newest.contains(how),
            "{point}: {newest}"
        );
        let left = fs::read_dir(world.home().join("state/builds")).unwrap();
        assert_eq!(left.count(), 0, "{point}");
    }
    assert_eq!(shop.get("/").ok(), "one\n");
    shop.push(&["main"]).ok().has("main now serves r2");
    assert_eq!(shop.get("/").ok(), format!("{}\n", points.len() - 1));
}

/// The points of the first activity, which is the check; without those of the admission, where it is
/// pre-receive that refuses.
fn check(trace: &[String]) -> Vec<String> {
    let end = trace.iter().position(|point| point == "record end: after");
    let points = trace[..=end.expect("a check ends")].iter();
    let points = points.filter(|point| !point.starts_with("admission: "));
    points.cloned().collect()
}

fn tip(shop: &Tree<'_>) -> String {
    let said = shop.git(&["ls-remote", "wharf", "refs/heads/main"]).ok();
    said.out
}
