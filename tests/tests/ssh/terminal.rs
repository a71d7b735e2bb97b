//! The same on a terminal: what is on the screen, after git's own colours and escapes.

use wharf_tests::on_terminal;

use crate::laptop::{BUILT, PAGE, on_every_git, reads_as};

#[test]
fn a_push_reads_well_on_a_terminal() {
    on_every_git(&[PAGE], |_, shop| {
        let screen = on_terminal(
            shop.command("git")
                .args(["push", "--no-progress", "wharf", "main"]),
            80,
        );
        assert_eq!(screen.code, 0, "{}", screen.text);
        reads_as("screen of a first push", &screen.text);
        // A second one, with an upstream and three branches.
        shop.write("index.html", "two\n");
        shop.commit("Second");
        let screen = on_terminal(
            shop.command("git")
                .args(["push", "--no-progress", "wharf", "main"]),
            80,
        );
        reads_as("screen of a second push", &screen.text);
        assert_eq!(shop.get("/").ok(), "two\n");
    });
}

#[test]
fn a_failed_build_reads_well_on_a_terminal() {
    let script = "printf '\\033[2J\\033[1;1Hpainted\\r\\n'; printf 'a\\rb\\n'; exit 3\n";
    on_every_git(&[BUILT, ("build.sh", script)], |_, shop| {
        let screen = on_terminal(
            shop.command("git")
                .args(["push", "--no-progress", "wharf", "main"]),
            80,
        );
        assert_eq!(screen.code, 0, "{}", screen.text);
        reads_as("screen of a failed build", &screen.text);
    });
}

#[test]
fn a_refusal_reads_well_on_a_terminal() {
    on_every_git(&[PAGE, ("wharf.toml", "pubic = \"x\"\n")], |_, shop| {
        let screen = on_terminal(
            shop.command("git")
                .args(["push", "--no-progress", "wharf", "main"]),
            80,
        );
        assert_eq!(screen.code, 1, "{}", screen.text);
        reads_as("screen of a refusal", &screen.text);
    });
}
