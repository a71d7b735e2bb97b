//! Text that strangers wrote, made fit for a terminal and a log: printable ASCII only.

/// The longest stranger's word that a message quotes, in characters.
const QUOTED: usize = 60;

/// Makes the text printable ASCII: line ends and tabs become spaces, the rest is escaped.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' '..='~' => out.push(c),
            '\n' | '\t' => out.push(' '),
            other => out.extend(other.escape_unicode()),
        }
    }
    out
}

/// Shortens the text to `limit` characters, with dots where something is left out.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => {
            let keep = limit.saturating_sub(3);
            text.chars().take(keep).chain("...".chars()).collect()
        }
    }
}

/// The nearest character boundary at or before a byte.
pub(crate) fn boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or_default()
}

/// Quotes a stranger's word within a message.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", shortened(&plain(&shortened(text, QUOTED)), QUOTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_shortens() {
        assert_eq!(
            plain("a\tb\u{1b}[31m\u{202e}é"),
            r"a b\u{1b}[31m\u{202e}\u{e9}"
        );
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abc...");
        assert!(quoted(&"\u{1b}".repeat(1_000)).len() <= QUOTED + 2);
    }
}
