//! The Debian package on a Debian that was really booted, as a sysadmin gets it: from nothing to a page, then
//! whatever may happen to a host. Needs root, and what `make deb` made: `make test-deb`.
//!
//! Budget: 3 minutes.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod contents;
mod host;
#[path = "../booted/machine/mod.rs"]
#[allow(dead_code, reason = "the tests of `booted` use the rest")]
mod machine;
mod newcomer;
mod removal;
mod upgrade;

use std::path::PathBuf;

/// The package that `make deb` made.
fn package() -> PathBuf {
    PathBuf::from(std::env::var_os("WHARF_DEB").expect("`make test-deb` says where it is"))
}
