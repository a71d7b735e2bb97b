//! `wharf`: what people run.

use std::process::ExitCode;

use wharf_cli::{args, commands, failure::Failure};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let json = args::wants_json(&words);
    let wharf = match args::parse(words) {
        Ok(wharf) => wharf,
        Err(error) if json && error.use_stderr() => {
            // Whoever cannot be told is told nothing else either.
            drop(error.print());
            let failure = Failure::from(error);
            failure.print_json();
            return ExitCode::from(failure.exit.code());
        }
        Err(error) => error.exit(),
    };
    match commands::run(&wharf) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            // After the command's name that word may be somebody else's.
            failure.report(wharf.global.json);
            ExitCode::from(failure.exit.code())
        }
    }
}
