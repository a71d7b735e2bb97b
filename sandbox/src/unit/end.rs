//! How a unit ended, in systemd's words and in ours.

use crate::ask::End;

/// How a process ended by itself: `CLD_EXITED` of siginfo_t.
const EXITED: i32 = libc::CLD_EXITED;

/// What systemd's words mean: `Result`, `ExecMainCode` and `ExecMainStatus` in
/// org.freedesktop.systemd1(5).
#[must_use]
pub fn end(result: &str, code: i32, status: i32) -> End {
    match result {
        "success" | "exit-code" if code == EXITED => End::Exited(status),
        "success" | "exit-code" | "signal" | "core-dump" => End::Killed,
        "oom-kill" => End::Memory,
        "timeout" => End::Time,
        other => End::Failed(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_s_words_have_a_meaning() {
        let killed = libc::CLD_KILLED;
        for (result, code, status, meant) in [
            ("exit-code", EXITED, 143, End::Exited(143)),
            ("signal", killed, 9, End::Killed),
            ("core-dump", libc::CLD_DUMPED, 11, End::Killed),
            ("oom-kill", killed, 9, End::Memory),
            ("timeout", killed, 9, End::Time),
            ("resources", 0, 0, End::Failed("resources".into())),
        ] {
            assert_eq!(end(result, code, status), meant, "{result} {status}");
        }
    }
}
