//! Patches that a repository brings.

use wharf_tests::{Said, Tree};

use crate::{host::Host, says};

const TEXT: &str = "one\ntwo\nthree\n";

/// A patch that makes a file.
fn creates(file: &str) -> String {
    format!(
        "diff --git a/{file} b/{file}\nnew file mode 100644\n--- /dev/null\n+++ b/{file}\n\
         @@ -0,0 +1 @@\n+made\n"
    )
}

fn push(site: &Tree<'_>) -> Said {
    site.commit("Next");
    site.push(&["main"]).ok()
}

#[test]
fn patches_that_write_beyond_the_tree() {
    let host = Host::new();
    let build = "[build]\nsteps = [\"git init -q . && mkdir inner && ln -s /tmp link\"]\n\
                 patches = { files = \"p/*\", after = \"git init -q . && mkdir inner && ln -s /tmp link\" }\n";
    let config = format!("public = \"site\"\n{build}");
    let files = [("wharf.toml", config.as_str()), ("site/a.txt", TEXT)];
    let site = host.site("shop", &files);
    site.init();
    site.push(&["main"]).ok();
    let outside = host.path("outside");
    let outside = outside.to_str().unwrap();
    let link = "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n\
                @@ -0,0 +1 @@\n+/app/site\n\\ No newline at end of file\n";
    for (name, text) in [
        ("up", creates("../x")),
        ("absolute", creates(outside)),
        ("inner", creates("inner/../../x")),
        ("git", creates(".git/hooks/x")),
        ("nested git", creates("inner/.GIT/x")),
        ("through a link", creates("link/x")),
        ("through its own link", format!("{link}{}", creates("l/x"))),
        (
            "moved out",
            "diff --git a/site/a.txt b/link/a.txt\nsimilarity index 100%\n\
             rename from site/a.txt\nrename to link/a.txt\n"
                .to_owned(),
        ),
        ("no patch", "nonsense\n".to_owned()),
    ] {
        site.write("p/1.patch", &text);
        let said = push(&site)
            .has(says("patches::patches_that_write_beyond_the_tree"))
            .has("main still serves r1;");
        assert!(!said.transcript().contains("applied"), "{name}: {said}");
        assert_eq!(site.get("/x").status, 404, "{name}");
        assert!(!host.path("outside").exists(), "{name}");
    }
    let large = "x".repeat(5 << 20);
    site.write("p/1.patch", &large);
    push(&site).has("the patch p/1.patch has more than 4.2 MB");
    host.still_serves();
}
