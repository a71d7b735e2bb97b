//! Tests that mount, in a mount namespace and with process ids of their own: nothing of them is left,
//! however they end.

use std::{env, process::Command};

use rustix::process::geteuid;

use crate::programs;

/// Set for the test that runs apart.
const INSIDE: &str = "WHARF_TEST_APART";

/// Whether this is the test apart. If not, it runs there now, by its name, and this fails as it did.
///
/// # Panics
/// When it failed, or this is not root.
#[track_caller]
pub fn apart(test: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    assert!(
        geteuid().is_root(),
        "{test} mounts disks of its own: run it as root, in a container for one"
    );
    let mut again = Command::new(programs::find("setpriv"));
    again
        // It goes with this thread, however that ends.
        .args(["--pdeathsig", "KILL", "unshare"])
        .args(["--mount", "--propagation=private"])
        // Its first process is a shell, which reaps; when that goes, all go.
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", "\"$@\"; exit $?", "sh"])
        .arg(env::current_exe().expect("a test knows its own program"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1");
    let status = again.status().expect("unshare can be run");
    assert!(status.success(), "{test} failed apart: see above");
    false
}
