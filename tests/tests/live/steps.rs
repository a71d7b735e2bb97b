//! Build steps: groups that run at the same time, and where one that fails is written.

use wharf_tests::{Tree, Watched, World};

fn site<'world>(world: &'world World, build: &str) -> Tree<'world> {
    let config = format!("public = \"site\"\n{build}");
    let site = world.site(
        "shop",
        &[("wharf.toml", &config), ("site/index.html", "one\n")],
    );
    site.init().ok();
    site
}

/// Two commands that each wait for the other: they end only where they run at the same time.
const MEET: &str = r#"[build]
steps = [
  "mkdir meet",
  [
    { name = "css", run = "mkfifo meet/a; printf 'half '; echo >meet/a; echo css; cat meet/b" },
    { name = "js", run = "mkfifo meet/b; until [ -p meet/a ]; do :; done; cat meet/a; echo js; echo >meet/b" },
  ],
  "rm -r meet",
]
"#;

#[test]
fn a_group_runs_at_the_same_time_and_says_whose_lines_are_whose() {
    let world = World::new();
    let site = site(&world, MEET);
    let said = site.push(&["main"]).ok();
    let transcript = said.transcript();
    for line in ["  | [css] half css", "  | [js] js"] {
        assert!(transcript.lines().any(|one| one == line), "{line}: {said}");
    }
    said.has("css: done").has("js: done");
    let shown = site.wharf(&["log", "--raw"]).ok();
    let whole = |line: &str| shown.out.lines().any(|one| one == line);
    assert!(whole("[css] half css") && whole("[js] js"), "{shown}");
    let trace = world.trace();
    let steps = trace.iter().filter(|point| point.ends_with("started"));
    let builds: Vec<&String> = steps
        .filter(|point| point.contains("build build"))
        .collect();
    assert_eq!(
        builds,
        [
            "step build build 1: started",
            "step build build 2: started",
            "step build build 3: started"
        ]
    );
    // The same commands one after the other are another build.
    let sequence = "[build]\nsteps = [\"echo a\", \"echo b\"]\n";
    site.write("wharf.toml", &format!("public = \"site\"\n{sequence}"));
    site.commit("Sequence");
    site.push(&["main"]).ok().has("build steps changed");
}

#[test]
fn the_first_that_fails_ends_its_group() {
    let world = World::new();
    let group = "[build]\nsteps = [\n  [\n    { name = \"slow\", run = \"sleep 600\" },\n    \
                 { name = \"bad\", run = \"echo why; exit 7\" },\n  ],\n]\n";
    let site = site(&world, group);
    let said = site
        .push(&["main"])
        .ok()
        .has("error: build failed in step 1 of 1 (bad), exit code 7")
        .has("slow: stopped")
        .has("--> wharf.toml:6:27")
        .has("all of its output: wharf log");
    assert!(said.transcript().contains("  | [bad] why"), "{said}");
    let left = world.processes().into_iter().find(|one| one.is_sandbox());
    assert!(left.is_none(), "{left:?}");
}

#[test]
fn a_cancel_ends_a_whole_group() {
    let world = World::new();
    let group = "[build]\nsteps = [[\"echo begun; sleep 600\", \"sleep 601\"]]\n";
    let site = site(&world, group);
    let mut push = Watched::push(&site, &["main"]);
    push.until("begun");
    let id = push.id();
    site.wharf(&["cancel", &id]).ok();
    let said = push.end();
    assert!(said.contains("cancelled"), "{said}");
    assert!(!world.processes().iter().any(|one| one.is_sandbox()));
}

#[test]
fn a_failing_command_shows_where_it_is_written() {
    let world = World::new();
    let build = "[build]\nsteps = [\n  \"true\",\n  { name = \"compile\", run = \"echo no; kill -9 $$\" },\n]\n";
    let site = site(&world, build);
    let said = site
        .push(&["main"])
        .ok()
        .has("error: build failed in step 2 of 2 (compile), ended by signal 9 (SIGKILL)")
        .has("--> wharf.toml:5:29");
    let text = said.transcript();
    let snippet = "5 |   { name = \"compile\", run = \"echo no; kill -9 $$\" },";
    assert!(text.contains(snippet), "{said}");
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {said}"));
    assert!(at("  | no") < at("--> wharf.toml") && at("--> wharf.toml") < at("hint: all of its"));
    let deploy = "public = \"site\"\n[deploy]\nrun = \"nothing-of-this-name\"\n";
    site.write("wharf.toml", deploy);
    site.commit("Deploy");
    site.push(&["main"])
        .ok()
        .has("exit code 127: a command was not found")
        .has("--> wharf.toml:3:7")
        .has("hint: install it on the host below /usr, or in an earlier step; all of its output: wharf")
        .has("--raw");
    // What was detected is named by its file.
    site.write("wharf.toml", "public = \"site\"\n");
    site.write("Procfile", "release: exit 3\n");
    site.commit("Procfile");
    site.push(&["main"])
        .ok()
        .has("exit code 3")
        .has("--> Procfile");
}
