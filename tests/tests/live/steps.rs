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

/// What fails, and at which line and column it is written.
const FAILING: [(&str, &str, &str); 9] = [
    (
        "[build]\nsteps = [[\"true\", { name = \"js\", run = \"echo why; exit 7\" }]]\n",
        "build failed in step 1 of 1 (js), exit code 7",
        "4:40",
    ),
    (
        "[assets]\nrun = \"echo why; exit 7\"\noutputs = [\"out\"]\n",
        "build failed in assets command 1 of 1 (echo why; exit 7), exit code 7",
        "4:7",
    ),
    (
        "[assets]\nrun = \"echo why; kill -TERM $$\"\noutputs = [\"out\"]\nwhen = { committed = \"no\" }\n",
        "deploy failed in assets command 1 of 1 (echo why; kill -TERM $$), ended by signal 15 (SIGTERM)",
        "4:7",
    ),
    (
        "[deploy]\ninstall = { unless = \"echo why; kill -9 $$\", run = \"true\" }\n",
        "it cannot be told whether it is installed (echo why; kill -9 $$), ended by signal 9 (SIGKILL)",
        "4:22",
    ),
    (
        "[deploy]\ninstall = { unless = \"false\", run = [\"true\", \"echo why; exit 7\"] }\n",
        "install failed in command 2 of 2 (echo why; exit 7), exit code 7",
        "4:46",
    ),
    (
        "[deploy]\nrun = [\"true\", \"echo why; exit 7\"]\n",
        "deploy failed in command 2 of 2 (echo why; exit 7), exit code 7",
        "4:16",
    ),
    (
        "[checks]\nhome = \"echo why; exit 7\"\n",
        "check 1 of 1 failed (home), exit code 7",
        "4:8",
    ),
    (
        "[web]\nstart = \"echo why; kill -9 $$\"\n",
        "the new release ended at its start, by signal 9 (SIGKILL)",
        "4:9",
    ),
    (
        "[processes]\napi = \"echo why; exit 7\"\n",
        "process api of the new release ended at its start, with exit code 7",
        "4:7",
    ),
];

#[test]
fn whatever_fails_shows_its_place_its_end_its_last_lines_and_the_rest() {
    let world = World::new();
    let site = site(&world, "");
    for (config, verdict, place) in FAILING {
        let lines = config.replace("echo why", "seq -f 'line %g' 40; echo why");
        let verdict = verdict.replace("echo why", "seq -f 'line %g' 40; echo why");
        site.write("wharf.toml", &format!("public = \"site\"\n\n{lines}"));
        site.commit("Fail");
        let said = site.push(&["main"]).ok();
        // Our own lines are at most 72 columns wide.
        let text = said.transcript();
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&format!("error: {verdict}")), "{said}");
        let end = &text[text.find("error: ").unwrap()..];
        let before = end.lines().take_while(|line| !line.contains("-->"));
        let printed = before.filter(|line| line.starts_with("  | "));
        let printed: Vec<String> = printed.map(|line| line.replace("[js] ", "")).collect();
        assert_eq!(printed.len(), 30, "{said}");
        assert_eq!(printed[0], "  | line 12", "{said}");
        assert_eq!(printed[29], "  | why", "{said}");
        assert!(end.contains(&format!("--> wharf.toml:{place}\n")), "{said}");
        let id = words.split("all of its output: wharf log ").nth(1);
        let id = id.unwrap_or_else(|| panic!("{said}"));
        let id = id.split_whitespace().next().unwrap();
        let rest = site.wharf(&["log", id, "--raw"]).ok();
        assert!(rest.out.contains("line 1\n"), "{rest}");
    }
    // What comes late is a warning that tells as much.
    let late = "public = \"site\"\n\n[deploy]\nafter = \"echo why; exit 7\"\n";
    site.write("wharf.toml", late);
    site.commit("Late");
    let said = site
        .push(&["main"])
        .ok()
        .has("warning: late command 1 of 1 failed (echo why; exit 7), exit code 7")
        .has("--> wharf.toml:4:9")
        .has("all of its output: wharf log");
    let text = said.transcript();
    assert!(text.lines().any(|line| line == "  | why"), "{said}");
}
