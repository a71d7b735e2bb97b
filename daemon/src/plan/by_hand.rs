//! Commands that people run by hand: which are taken, how they are begun, and what their end says.

use wharf_wire::ask::Terminal;

/// Words of one command, at most.
const MOST_WORDS: usize = 1_000;
/// Bytes of all of them.
const MOST_BYTES: usize = 32 * 1024;
/// Characters of them that are recorded.
const RECORDED: usize = 200;
/// The longest name of a terminal.
const LONGEST_NAME: usize = 64;
/// Commands at a time in one environment.
pub const MOST_IN_ENVIRONMENT: usize = 8;
/// Commands at a time on the host.
pub const MOST: usize = 64;

/// Why a command is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCommand {
    /// It has no word, or an empty first one.
    #[error("no program is named")]
    Empty,
    /// What a shell would take for an option.
    #[error("the name of a program does not begin with `-`")]
    Option,
    /// It has too many words, or too long ones.
    #[error("the command is too long: at most {MOST_WORDS} words, {MOST_BYTES} bytes together")]
    TooLong,
    /// A word that no process can be given.
    #[error("a word of the command has a NUL byte in it")]
    Nul,
}

/// Looks whether a process can be given these words.
///
/// # Errors
/// Why not.
pub fn check(words: &[String]) -> Result<(), NoCommand> {
    let bytes: usize = words.iter().map(|word| word.len() + 1).sum();
    if words.first().is_none_or(String::is_empty) {
        return Err(NoCommand::Empty);
    }
    if words[0].starts_with('-') {
        return Err(NoCommand::Option);
    }
    if words.len() > MOST_WORDS || bytes > MOST_BYTES {
        return Err(NoCommand::TooLong);
    }
    match words.iter().any(|word| word.contains('\0')) {
        true => Err(NoCommand::Nul),
        false => Ok(()),
    }
}

/// The terminal's name, as far as it is one that a terminal database may know.
pub fn name_of(terminal: &Terminal) -> &str {
    let name = terminal.name.as_str();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "+-._".contains(letter);
    match !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(plain) {
        true => name,
        false => "dumb",
    }
}

/// What `/bin/sh` is given: it runs `"$@"` as it stands, or becomes a shell itself.
///
/// On a terminal it does so in a session of its own, whose controlling terminal that is: Ctrl-C then
/// reaches what runs, and neither the sandbox nor who watches over it. It is no longer ignored either,
/// where whoever started the daemon ignored it, as shells do for what they start in the background.
pub fn text(command: Option<&[String]>, terminal: Option<&Terminal>) -> String {
    let session = match terminal {
        Some(_) => "env --default-signal setsid --ctty -- ",
        None => "",
    };
    match command {
        Some(_) => format!(r#"exec {session}"$@""#),
        None => format!(
            "if command -v bash >/dev/null; then exec {session}bash -l; fi; exec {session}sh -l"
        ),
    }
}

/// What is recorded of a command, without what is secret: `words` are quoted already.
pub fn recorded(words: &str) -> String {
    let plain = words.chars().map(|letter| match letter.is_control() {
        true => ' ',
        false => letter,
    });
    let mut plain: String = plain.collect();
    if let Some((end, _)) = plain.char_indices().nth(RECORDED) {
        plain.truncate(end);
        plain.push_str(" [...]");
    }
    plain
}

/// The status that a caller's own command exits with.
pub fn code(exit: i32) -> u8 {
    u8::try_from(exit & 0xff).expect("eight bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_no_process_can_be_given_is_refused() {
        assert_eq!(check(&words(&["echo", "", "a b"])), Ok(()));
        assert_eq!(check(&[]), Err(NoCommand::Empty));
        assert_eq!(check(&words(&[""])), Err(NoCommand::Empty));
        assert_eq!(check(&words(&["-x"])), Err(NoCommand::Option));
        assert_eq!(check(&words(&["a", "b\0c"])), Err(NoCommand::Nul));
        let many = vec!["a".to_owned(); MOST_WORDS + 1];
        assert_eq!(check(&many), Err(NoCommand::TooLong));
        assert_eq!(
            check(&words(&[&"a".repeat(MOST_BYTES)])),
            Err(NoCommand::TooLong)
        );
    }

    #[test]
    fn a_terminal_s_name_is_a_name() {
        let named = |name: &str| {
            let terminal = Terminal {
                name: name.to_owned(),
                columns: 80,
                rows: 24,
            };
            name_of(&terminal).to_owned()
        };
        assert_eq!(named("xterm-256color"), "xterm-256color");
        for bad in ["", "a b", "../../etc/passwd", "x\n", &"x".repeat(65)] {
            assert_eq!(named(bad), "dumb");
        }
    }

    #[test]
    fn what_is_recorded_is_one_short_line() {
        assert_eq!(recorded("printf 'a\nb'"), "printf 'a b'");
        let long = recorded(&"é".repeat(500));
        assert_eq!(long.chars().count(), RECORDED + " [...]".len());
    }
}
