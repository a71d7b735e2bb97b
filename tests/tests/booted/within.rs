//! Tests that run in a machine of their own, where Wharf is installed: what needs a world finds the
//! machine's own there.

use std::{env, path::Path};

use wharf_tests::is_within;

use crate::machine::Machine;

/// What the test outside hands on.
const HANDED_ON: [&str; 4] = [
    "WHARF_CRASH_ALL",
    "WHARF_CUTS",
    "WHARF_SEED",
    "RUST_BACKTRACE",
];
/// Disks of a test's own are loop devices, and nobody makes nodes for them in a container.
const SET_UP: &str = "mknod /dev/loop-control c 10 237
for number in $(seq 0 63); do mknod /dev/loop$number b 7 $number; done";

/// Whether this is the test in its machine. If not, it runs there now, by its name, and this fails as it
/// did.
#[track_caller]
pub(crate) fn within(test: &str) -> bool {
    if is_within() {
        return true;
    }
    let program = env::current_exe().unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let machine = Machine::boot_with(&[&program, repository, kept]);
    machine.runs(SET_UP);
    let mut again = machine.command("exec \"$0\" --exact \"$1\" --nocapture --test-threads=1");
    again.arg(&program).arg(test);
    again
        .env("WHARF_TEST_WITHIN", "1")
        .env("WHARF_BIN", "/usr/bin");
    for name in HANDED_ON {
        again.envs(env::var_os(name).map(|value| (name, value)));
    }
    let status = again.status().unwrap();
    assert!(status.success(), "{test} failed in its machine: see above");
    false
}
