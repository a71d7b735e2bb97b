//! git's post-receive hook; started through a stub, see `wharf_hooks::stub`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(wharf_hooks::post_receive::run(std::env::args_os().nth(1)))
}
