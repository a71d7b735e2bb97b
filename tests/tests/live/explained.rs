//! `wharf slug why` and `wharf slugs`: each kind of change is told as it is, and builds anew or not.

use std::fs;

use serde_json::Value;
use wharf_tests::{Said, Tree, World, run};

const PATCH: &str = "--- a/site/index.html\n+++ b/site/index.html\n@@ -1 +1 @@\n-two\n+PATCHED\n";
const NOTHING: &str = "A redeploy of main now would change nothing";

/// What a change comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    /// A slug is built.
    Build,
    /// The slug of before serves on.
    Same,
    /// One that was built earlier.
    Found,
}

struct Site<'w>(Tree<'w>);

impl Site<'_> {
    /// What is said of the release that serves, and of a redeploy: the first line, then the rows.
    #[track_caller]
    fn why(&self) -> [Vec<String>; 2] {
        let said = self.0.wharf(&["slug", "why"]).ok();
        assert!(
            said.out
                .lines()
                .all(|line| line.len() <= 72 && line.is_ascii()),
            "{said}"
        );
        let mut parts = [Vec::new(), Vec::new()];
        let mut part = 0;
        for line in said.out.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let text = words.join(" ");
            match line.strip_prefix("    ") {
                Some(_) => {
                    let last: &mut String = parts[part].last_mut().unwrap();
                    last.push_str(&format!(" {text}"));
                }
                None => {
                    part = if line.starts_with("A redeploy") {
                        1
                    } else {
                        part
                    };
                    parts[part].push(text);
                }
            }
        }
        parts
    }

    /// What the serving release's part must be after a change.
    #[track_caller]
    fn told(&self, what: &str, to: To, rows: &[&str]) {
        let [since, now] = self.why();
        let words = match to {
            To::Build => "was built anew, slug",
            To::Same => "nothing that a build sees changed.",
            To::Found => "which was there; since",
        };
        assert!(since[0].contains(words), "{what}: {since:?}");
        same(what, &since[1..], rows);
        assert!(now[0].starts_with(NOTHING), "{what}: {now:?}");
        assert_eq!(now.len(), 1, "{what}: {now:?}");
        let activities = json(&self.0, &["activities", "-n", "1"]);
        let reused = activities[0]["slug_reused"].as_bool().unwrap();
        assert_eq!(reused, to != To::Build, "{what}");
    }

    /// A commit.
    #[track_caller]
    fn push(&self, what: &str, to: To, rows: &[&str]) {
        self.0.commit(what);
        self.0.push(&["main"]).ok().has("success: ");
        self.told(what, to, rows);
    }

    /// Something else, which a redeploy brings: it is told before, too.
    #[track_caller]
    fn redeploy(&self, what: &str, change: &str, to: To, rows: &[&str]) {
        self.0.sh(change).ok();
        let [_, now] = self.why();
        let words = match to {
            To::Build => "now would build anew:",
            To::Same | To::Found if rows.is_empty() => NOTHING,
            To::Same | To::Found => "now would reuse slug",
        };
        assert!(now[0].contains(words), "{what}: {now:?}");
        same(what, &now[1..], rows);
        self.0.wharf(&["redeploy"]).ok();
        self.told(what, to, rows);
    }
}

/// A row that ends in `*` need only begin so.
#[track_caller]
fn same(what: &str, told: &[String], rows: &[&str]) {
    let fits = |(told, row): (&String, &&str)| match row.strip_suffix('*') {
        Some(begin) => told.starts_with(begin),
        None => told == row,
    };
    let all = told.len() == rows.len() && told.iter().zip(rows).all(fits);
    assert!(all, "{what}: {told:?} and not {rows:?}");
}

#[track_caller]
fn json(site: &Tree<'_>, words: &[&str]) -> Value {
    let said = run(site.command("wharf").args(words).arg("--json"));
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}\n{said}"))
}

fn config(top: &str, steps: &str, more: &str) -> String {
    format!("public = \"site\"\n{top}[build]\nsteps = [{steps}]\n{more}")
}

#[test]
fn twenty_kinds_of_change_are_told_as_they_are() {
    // Each slug is wanted again later.
    let world =
        World::with_host_file("[router]\nlisten = \"127.0.0.1:0\"\n[keep]\nreleases = 100\n");
    let (a, b) = ("\"echo a >site/a\"", "\"echo b >site/b\"");
    let first = config("", a, "");
    let files = [("wharf.toml", first.as_str()), ("site/index.html", "one\n")];
    let site = Site(world.site("shop", &files));
    site.0.init();
    site.0.push(&["main"]).ok();
    let [since, now] = site.why();
    assert!(
        since[0].starts_with("r1 is the first release; slug "),
        "{since:?}"
    );
    assert!(now[0].starts_with(NOTHING), "{now:?}");
    let write = |file: &str, text: &str| site.0.write(file, text);

    committed(&site, &write);
    let set = |top: &str, steps: &str, more: &str| write("wharf.toml", &config(top, steps, more));
    let file = "file changed wharf.toml";
    set("", &format!("{a}, {b}"), "");
    let added = "build step added echo b >site/b";
    site.push("a step more", To::Build, &[added, file]);
    set("", &format!("\"echo A >site/a\", {b}"), "");
    site.push(
        "another step",
        To::Build,
        &[
            "build step removed echo a >site/a",
            "build step added echo A >site/a",
            file,
        ],
    );
    set("", &format!("{b}, \"echo A >site/a\""), "");
    site.push(
        "another order",
        To::Build,
        &[
            "build step moved echo b >site/b",
            "build step moved echo A >site/a",
            file,
        ],
    );
    set("", &format!("[{b}, \"echo A >site/a\"]"), "");
    site.push(
        "at the same time",
        To::Build,
        &[
            "build step removed echo A >site/a",
            "build step added & echo A >site/a",
            file,
        ],
    );
    set("", a, "[mounts]\nvar = \"private\"\n");
    site.push(
        "a mount",
        To::Build,
        &[
            "build step removed echo b >site/b",
            "build step removed & echo A >site/a",
            "build step added echo a >site/a",
            "mount added var",
            file,
        ],
    );
    set(
        "",
        a,
        "[assets]\nrun = \"mkdir made\"\noutputs = [\"made\"]\n",
    );
    site.push(
        "static content",
        To::Build,
        &[
            "assets added mkdir made",
            "assets added into made",
            "mount removed var",
            file,
        ],
    );
    set("runtime = \"python\"\n", a, "[env]\nMODE = \"one\"\n");
    site.push(
        "a runtime and a variable of the code",
        To::Build,
        &[
            "assets removed mkdir made",
            "assets removed into made",
            "runtime added python none -> 3.*",
            "variable added MODE",
            file,
        ],
    );
    set("", a, "");
    // The tree that the patch came to.
    site.push(
        "without them",
        To::Found,
        &["runtime removed python 3.*", "variable removed MODE", file],
    );
    variables(&site);
    runs(&world, &site);
}

/// Changes of files and patches.
fn committed(site: &Site<'_>, write: &dyn Fn(&str, &str)) {
    write("site/index.html", "two\n");
    site.push("a file", To::Build, &["file changed site/index.html"]);
    write("site/new.html", "new\n");
    site.push("a file more", To::Build, &["file added site/new.html"]);
    site.0.git(&["mv", "site/new.html", "site/old.html"]).ok();
    site.push(
        "another name",
        To::Build,
        &["file removed site/new.html", "file added site/old.html"],
    );
    site.0.sh("chmod +x site/old.html").ok();
    site.push("another mode", To::Build, &["file changed site/old.html"]);
    site.0.git(&["rm", "--quiet", "-f", "site/old.html"]).ok();
    // This tree was built before the file came.
    site.push("a file less", To::Found, &["file removed site/old.html"]);
    write("patches/1.patch", PATCH);
    let (patch, file) = ("patch added patches/1.patch", "file added patches/1.patch");
    site.push("a patch", To::Build, &[patch, file]);
    write("patches/1.patch", &PATCH.replace("PATCHED", "MENDED"));
    let (patch, file) = (
        "patch changed patches/1.patch",
        "file changed patches/1.patch",
    );
    site.push("another patch", To::Build, &[patch, file]);
    site.0.git(&["rm", "--quiet", "patches/1.patch"]).ok();
    let (patch, file) = (
        "patch removed patches/1.patch",
        "file removed patches/1.patch",
    );
    site.push("no patch", To::Found, &[patch, file]);
}

/// Changes of what is set.
fn variables(site: &Site<'_>) {
    let set = |words: &str, value: &str| format!("printf {value} | wharf variable set {words} -");
    let build = |value: &str| set("--visible build LEVEL", value);
    let row = "variable added LEVEL";
    site.redeploy("a build variable", &build("high"), To::Build, &[row]);
    let row = "variable changed LEVEL";
    site.redeploy("another value", &build("low"), To::Build, &[row]);
    let delete = "wharf variable delete LEVEL";
    let row = "variable removed LEVEL";
    site.redeploy("no variable", delete, To::Found, &[row]);
    let secret = |value: &str| set("--secret --visible both TOKEN", value);
    let row = "secret added TOKEN";
    site.redeploy("a secret", &secret("a-long-secret"), To::Build, &[row]);
    site.redeploy("the same secret", &secret("a-long-secret"), To::Same, &[]);
    let row = "secret changed TOKEN";
    site.redeploy("another secret", &secret("a-new-secret"), To::Build, &[row]);
    let said = site.0.wharf(&["slug", "why", "--json"]).ok();
    said.lacks("a-new-secret").lacks("a-long-secret");
    let run = |value: &str| set("--visible run SHOWN", value);
    let row = "run variable added SHOWN";
    site.redeploy("a run variable", &run("yes"), To::Same, &[row]);
    let row = "run variable changed SHOWN";
    site.redeploy("its value", &run("no"), To::Same, &[row]);
    let title = "wharf info --title Shop";
    site.redeploy("a title", title, To::Same, &[]);
}

/// What comes without a change of the code.
fn runs(world: &World, site: &Site<'_>) {
    site.push("the same tree", To::Same, &["commit changed *"]);
    let rebuild = ["redeploy", "--rebuild"];
    site.0.wharf(&rebuild).ok();
    site.told("a rebuild", To::Build, &["rebuild somebody asked for it"]);
    site.redeploy("after it", "true", To::Same, &[]);
    // The one before the last is asked for by its number, and nothing of now is said.
    let live = json(&site.0, &["info"])["release"].as_u64().unwrap();
    let earlier = format!("r{}", live - 1);
    site.0
        .wharf(&["slug", "why", "--release", &earlier])
        .ok()
        .has("somebody asked for it")
        .lacks("A redeploy");
    site.0
        .wharf(&["slug:why", "--release", "r999"])
        .exits(5)
        .has("main has no release r999");

    // A branch is trusted less, until its type says otherwise.
    site.0.wharf(&["branch", "side"]).ok();
    let side = ["slug", "why", "-e", "side"];
    let border = "built again open branches use no slug of protected ones";
    let told = site.0.wharf(&side).ok().has("r1 is the first release");
    told.has(border);
    site.0.wharf(&["slug", "why"]).ok().lacks("built again");
    let file = world.home().join("config/projects.d/shop.toml");
    let text = fs::read_to_string(&file).unwrap();
    let staging = "\n[environments.main]\ntype = \"production\"\n\
                   [environments.side]\ntype = \"staging\"\nparent = \"main\"\n";
    fs::write(&file, format!("{text}{staging}")).unwrap();
    world.wharf(&["reload"]).ok();
    let row = "trust domain changed open -> protected";
    site.0.wharf(&side).ok().has(row);
    site.0.wharf(&["redeploy", "-e", "side"]).ok();
    site.0.wharf(&side).ok().has(row);
    // What cannot be deployed is said with its reason.
    site.0.write("wharf.toml", "publik = 1\n");
    site.0.commit("Wrong");
    let (repository, tip) = (world.repository("shop"), "refs/heads/side");
    let commit = site.0.git(&["rev-parse", "HEAD"]).ok().out;
    let kept = [
        "push",
        "--quiet",
        "--no-verify",
        "wharf",
        "main:refs/kept/wrong",
    ];
    site.0.git(&kept).ok();
    let moved = run(world.command("git").arg("-C").arg(&repository).args([
        "update-ref",
        tip,
        commit.trim(),
    ]));
    moved.ok();
    site.0
        .wharf(&side)
        .ok()
        .has("A redeploy of side now would fail: the configuration is not valid");
    listed(&site.0);
}

/// The slugs with who uses them.
fn listed(site: &Tree<'_>) {
    let said: Said = site.wharf(&["slugs"]).ok();
    let said = said
        .has("(rebuilt)")
        .has("serves")
        .has("protected")
        .has("open");
    let all = json(site, &["slug:list"]);
    let all = all.as_array().unwrap();
    assert_eq!(said.out.lines().count(), all.len() + 1, "{said}");
    let live = all.iter().filter(|slug| {
        let used = slug["used_by"].as_array().unwrap();
        used.iter()
            .any(|used| used["environment"] == "main" && used["live"] == true)
    });
    assert_eq!(live.count(), 1, "{said}");
}
