//! `wharf`: what people run.

use std::process::ExitCode;

use wharf_cli::{args, commands};

fn main() -> ExitCode {
    let wharf = match args::parse(std::env::args_os()) {
        Ok(wharf) => wharf,
        Err(error) => error.exit(),
    };
    match commands::run(&wharf) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.exit.code())
        }
    }
}
