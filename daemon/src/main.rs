//! `wharfd`: the life of the process.

use std::process::ExitCode;

use clap::Parser;
use wharf_daemon::life::{self, Flags};

fn main() -> ExitCode {
    let flags = Flags::parse();
    match life::live(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(end) => {
            // The edge: the chain of causes is rendered once, here.
            eprint!("{end}");
            ExitCode::from(end.status())
        }
    }
}
