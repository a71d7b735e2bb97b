//! Dumps that leave for a laptop and come back from there.

use std::io::Write as _;
use std::process::Stdio;

use wharf_wire::outcome::Kind;

use crate::laptop::on_one_git;

const CONFIG: &str = "public = \".\"\n[services]\ncache = \"redis\"\n";

#[test]
fn a_dump_travels_both_ways() {
    let files = [("wharf.toml", CONFIG), ("index.html", "shop")];
    on_one_git(&files, |world, shop| {
        shop.push(&["main"]).ok();
        let redis = |words: &str| {
            let line = format!("REDISCLI_AUTH=$CACHE_PASSWORD redis-cli -s $CACHE_SOCKET {words}");
            shop.wharf(&["run", "--", "sh", "-c", &line]).ok().out
        };
        redis("set word old");
        shop.wharf(&["db", "dump", "-o", "all.rdb.gz"]).ok();
        shop.wharf(&["db", "dump", "cache", "-o", "all.rdb"]).ok();
        for file in ["all.rdb.gz", "all.rdb"] {
            redis("set word new");
            shop.wharf(&["db", "import", "cache", file])
                .ok()
                .has("main serves r1 with it.");
            assert_eq!(redis("get word"), "old\n");
        }
        redis("set word new");
        shop.sh("wharf db import - <all.rdb").ok();
        assert_eq!(redis("get word"), "old\n");
        shop.sh("head -c 50 all.rdb.gz >cut.gz").ok();
        shop.wharf(&["db", "import", "cut.gz"])
            .exits(6)
            .has("the dump is not whole: it was cut off");
        // Whoever goes in the middle looks over there as one that is done.
        let imports = || {
            let all = world.activities(Some("shop"), 100).unwrap();
            all.iter()
                .filter(|one| one.kind == Kind::DatabaseImport)
                .count()
        };
        let (before, all) = (
            imports(),
            std::fs::read(shop.path().join("all.rdb")).unwrap(),
        );
        world.forget_trace();
        let mut wharf = shop.command("wharf");
        wharf.args(["db", "import", "-"]);
        let child = wharf.stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.unwrap();
        child.stdin.as_mut().unwrap().write_all(&all).unwrap();
        world.wait_for_point("dump: coming");
        child.kill().unwrap();
        child.wait().unwrap();
        world.wait_for_point("dump: thrown away");
        assert_eq!(imports(), before);
    });
}
