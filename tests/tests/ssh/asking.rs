//! `wharf` on a laptop: the same questions, answered by the host that the remote names.

use crate::laptop::{PAGE, on_every_git, on_one_git, reads_as};

#[test]
fn every_question_can_be_asked_from_a_laptop() {
    on_every_git(&[PAGE], |world, shop| {
        shop.push(&["main"]).ok();
        shop.write("index.html", "two\n");
        shop.commit("Second");
        shop.push(&["main"]).ok();
        shop.push(&["main:staging"]).ok();
        let url = format!("http://main--shop.localhost:{}", world.port());
        assert_eq!(shop.url().trim_end_matches('/'), url);
        for (name, words) in [
            ("status", &["status"][..]),
            ("environments", &["environments"]),
            ("releases", &["releases"]),
            ("activities", &["activities"]),
            ("log", &["log"]),
        ] {
            let said = shop.wharf(words).ok();
            assert_eq!(said.err, "", "{said}");
            reads_as(&format!("asked {name}"), &squeezed(&said.out));
        }
        // For programs it is the same, and the same as on the host, where there is no ssh.
        for what in ["environments", "releases", "activities"] {
            let there = shop.wharf(&[what, "--json"]).ok().out;
            assert!(there.starts_with('['), "{there}");
            let mut words = vec!["--here", "--project", "shop", "--json", what];
            if what == "releases" {
                words.extend(["--environment", "main"]);
            }
            assert_eq!(world.wharf(&words).ok().out, there);
        }
    });
}

#[test]
fn hints_run_as_printed() {
    on_one_git(&[PAGE], |_, shop| {
        let first = shop.push(&["main"]).ok().transcript();
        shop.write("index.html", "two\n");
        shop.commit("Second");
        let second = shop.push(&["main"]).ok().transcript();
        shop.write("wharf.toml", "build = \"echo broken; exit 1\"\n");
        shop.commit("Broken");
        let broken = shop.push(&["main"]).ok().transcript();

        assert_eq!(commands(&first).len(), 2, "{first}");
        shop.sh(commands(&first)[0]).ok().has("main now serves r1.");
        shop.sh(commands(&first)[1]).ok().has("LAST ACTIVITY");
        let [log, undo] = commands(&second)[..] else {
            panic!("{second}");
        };
        assert_eq!(undo, "wharf rollback -e main");
        shop.sh(undo).ok().has("main now serves r1 (was r2).");
        assert_eq!(shop.get("/").ok(), "one\n");
        shop.sh(log).ok().has("main now serves r2 (was r1).");
        for command in commands(&broken) {
            shop.sh(command).ok().has("broken");
        }
        // What a refusal on the command line hints at.
        let refused = shop.wharf(&["rollback", "r1"]).exits(6).err;
        shop.sh(commands(&refused)[0]).ok().has("ROLLBACK");
    });
}

/// The commands of `wharf` that a text tells its reader to run.
fn commands(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.find(": wharf ").map(|at| &line[at + 2..]))
        .collect()
}

#[test]
fn acting_from_a_laptop() {
    on_one_git(&[PAGE], |_, shop| {
        shop.push(&["main"]).ok();
        let said = shop.wharf(&["redeploy"]).ok();
        reads_as("redeploy", &said.err);
        let said = shop.wharf(&["redeploy", "--rebuild"]).ok();
        assert!(said.err.contains("main now serves r3 (was r2)."), "{said}");
        let said = shop.wharf(&["rollback", "r1"]).ok();
        reads_as("rollback", &said.err);
    });
}

#[test]
fn exit_codes_pass_through() {
    on_one_git(&[PAGE], |world, shop| {
        shop.push(&["main"]).ok();
        shop.wharf(&["rollback", "r99"]).exits(5).has("error: ");
        shop.wharf(&["-e", "nothing", "releases"]).exits(5);
        shop.wharf(&["log", "ffff"]).exits(5);
        shop.wharf(&["rollback", "nonsense"]).exits(2);
        shop.wharf(&["frobnicate"]).exits(2);
        shop.write("wharf.toml", "build = \"exit 1\"\n");
        shop.commit("Broken");
        shop.push(&["main"]).ok().has("main still serves r1;");
        shop.wharf(&["log", "--follow"]).exits(3);
        shop.wharf(&["log"]).ok().has("main still serves r1;");
        shop.wharf(&["redeploy"])
            .exits(3)
            .has("main still serves r1;");
        assert_eq!(shop.get("/").ok(), "one\n");
        world.kill_daemon();
        shop.wharf(&["status"]).exits(4);
    });
}

/// One space between words: how wide columns are depends on what stands in them.
fn squeezed(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace());
    let lines: Vec<String> = lines
        .map(|words| words.collect::<Vec<_>>().join(" "))
        .collect();
    lines.join("\n")
}
