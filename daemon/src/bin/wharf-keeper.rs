//! `wharf-keeper`: keeps one process, or becomes one sandbox.

fn main() -> std::process::ExitCode {
    wharf_daemon::run::keeper::main()
}
