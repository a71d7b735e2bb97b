//! git's proc-receive hook; started through a stub, see `wharf_hooks::stub`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(wharf_hooks::proc_receive::run(std::env::args_os().nth(1)))
}
