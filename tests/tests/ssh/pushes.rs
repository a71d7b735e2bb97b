//! Pushes of every kind, and what the pusher reads.

use wharf_tests::{lines_obey_the_rules, obeys_the_rules};

use crate::laptop::{BUILT, PAGE, on_every_git, on_one_git, reads_as};

#[test]
fn a_first_and_a_second_push() {
    on_every_git(&[PAGE], |_, shop| {
        let first = shop.push(&["main"]).ok().transcript();
        obeys_the_rules(&first);
        reads_as("first push", &first);
        assert_eq!(shop.get("/").ok(), "one\n");

        shop.write("index.html", "two\n");
        shop.commit("Second");
        let second = shop.push(&["main"]).ok().transcript();
        obeys_the_rules(&second);
        reads_as("second push", &second);
        assert_eq!(shop.get("/").ok(), "two\n");
    });
}

#[test]
fn a_site_that_is_built() {
    let script = (
        "build.sh",
        "mkdir out\necho building\ncp page out/index.html\n",
    );
    on_every_git(&[BUILT, script, ("page", "built\n")], |_, shop| {
        let said = shop.push(&["main"]).ok().transcript();
        obeys_the_rules(&said);
        reads_as("built site", &said);
        assert_eq!(shop.get("/").ok(), "built\n");
    });
}

#[test]
fn three_branches_at_once() {
    on_every_git(&[PAGE], |world, shop| {
        for branch in ["staging", "feature/red-Shoes"] {
            shop.git(&["switch", "--quiet", "--create", branch]).ok();
            shop.write("index.html", &format!("{branch}\n"));
            shop.commit(branch);
        }
        let words = ["main", "staging", "feature/red-Shoes"];
        let said = shop.push(&words).ok().transcript();
        obeys_the_rules(&said);
        for environment in ["main", "staging"] {
            let lines = said
                .lines()
                .filter(|line| line.starts_with(&format!("[{environment}] ")));
            assert!(lines.count() > 4, "{said}");
            assert!(
                said.contains(&format!("\n{environment} now serves r1.")),
                "{said}"
            );
        }
        // Environments work side by side, so that the order of their lines is not known.
        let urls: Vec<&str> = said
            .lines()
            .filter_map(|line| line.split_once("http://"))
            .map(|(_, url)| url)
            .collect();
        assert_eq!(urls.len(), 3, "{said}");
        for url in urls {
            let host = url.split(':').next().unwrap();
            let body = world.get(host, "/").ok();
            let expected = if host.starts_with("main--") {
                "one\n"
            } else if host.starts_with("staging--") {
                "staging\n"
            } else {
                "feature/red-Shoes\n"
            };
            assert_eq!(body, expected, "{host}");
        }
    });
}

#[test]
fn one_of_several_fails() {
    on_every_git(&[PAGE], |world, shop| {
        shop.git(&["switch", "--quiet", "--create", "staging"]).ok();
        shop.write("wharf.toml", "build = \"echo no harbour; exit 1\"\n");
        shop.commit("Broken");
        let said = shop.push(&["main", "staging"]).ok().transcript();
        obeys_the_rules(&said);
        for environment in ["main", "staging"] {
            // Its own lines, and those of the whole push.
            let prefix = format!("[{environment}]");
            let lines = said
                .lines()
                .filter(|line| line.starts_with(&prefix) || !line.starts_with('['));
            let lines: Vec<&str> = lines.collect();
            reads_as(&format!("{environment} of two"), &lines.join("\n"));
        }
        assert_eq!(world.get("main--shop.localhost", "/").ok(), "one\n");
        assert_eq!(world.get("staging--shop.localhost", "/").status, 404);
    });
}

#[test]
fn a_deleted_branch() {
    on_every_git(&[PAGE], |world, shop| {
        shop.push(&["main", "main:staging"]).ok();
        assert_eq!(world.get("staging--shop.localhost", "/").ok(), "one\n");
        let said = shop.push(&["--delete", "staging"]).ok().transcript();
        obeys_the_rules(&said);
        reads_as("deleted branch", &said);
        assert_eq!(world.get("staging--shop.localhost", "/").status, 404);
        assert_eq!(shop.get("/").ok(), "one\n");
    });
}

#[test]
fn production_is_not_deleted() {
    on_one_git(&[PAGE], |_, shop| {
        shop.push(&["main"]).ok();
        let said = shop.push(&["--delete", "main"]).exits(1).transcript();
        lines_obey_the_rules(&said);
        reads_as("deleted production", &said);
        assert_eq!(shop.get("/").ok(), "one\n");
    });
}

#[test]
fn a_forced_push() {
    on_every_git(&[PAGE], |_, shop| {
        shop.push(&["main"]).ok();
        shop.write("index.html", "other\n");
        shop.git(&[
            "commit",
            "--quiet",
            "--all",
            "--amend",
            "--message",
            "Another first",
        ])
        .ok();
        shop.push(&["main"]).exits(1).has("[rejected]");
        assert_eq!(shop.get("/").ok(), "one\n");
        let said = shop.push(&["--force", "main"]).ok().transcript();
        obeys_the_rules(&said);
        reads_as("forced push", &said);
        assert_eq!(shop.get("/").ok(), "other\n");
    });
}

#[test]
fn an_empty_commit_reuses_the_slug() {
    on_every_git(&[PAGE], |_, shop| {
        shop.push(&["main"]).ok();
        shop.commit("Nothing");
        let said = shop.push(&["main"]).ok().transcript();
        obeys_the_rules(&said);
        assert!(said.contains("reused slug"), "{said}");
        reads_as("empty commit", &said);
        assert_eq!(shop.get("/").ok(), "one\n");
    });
}

#[test]
fn a_tag() {
    on_every_git(&[PAGE], |_, shop| {
        shop.git(&["tag", "v1"]).ok();
        let said = shop.push(&["v1"]).ok().transcript();
        lines_obey_the_rules(&said);
        reads_as("tag", &said);
        // Beside a branch it changes nothing of what is said about that.
        shop.git(&["tag", "v2"]).ok();
        let said = shop.push(&["main", "v2"]).ok().transcript();
        obeys_the_rules(&said);
        reads_as("branch and tag", &said);
        assert_eq!(shop.get("/").ok(), "one\n");
    });
}

#[test]
fn push_options() {
    on_every_git(&[PAGE], |_, shop| {
        let said = shop.push(&["-o", "soon", "main"]).ok().transcript();
        obeys_the_rules(&said);
        reads_as("unknown push option", &said);
        let said = shop.push(&["-o", "nowait", "main:later"]).ok().transcript();
        lines_obey_the_rules(&said);
        reads_as("nowait", &said);
        let hint = said
            .lines()
            .find_map(|line| line.split_once("with: "))
            .unwrap()
            .1;
        let log = shop.sh(hint).ok();
        assert!(log.out.contains("later now serves r1."), "{log}");
    });
}

#[test]
fn a_warning_is_given_once() {
    let files = [
        PAGE,
        (
            "wharf.toml",
            "[web]\nstart = \"python3 -m http.server --bind 127.0.0.1 $PORT\"\n",
        ),
        ("Procfile", "web: other\n"),
    ];
    on_one_git(&files, |_, shop| {
        let said = shop.push(&["main"]).ok().transcript();
        obeys_the_rules(&said);
        reads_as("warning", &said);
        assert_eq!(said.matches("warning: ").count(), 1, "{said}");
        assert_eq!(shop.get("/").ok(), "one\n");
    });
}
