//! How deep arrays and inline tables of a text lie in each other.
//!
//! The parser has a bound of its own, 80, but miscounts where brackets do not fit together: what closes in
//! a part that it skips is taken off what is open. Such a text has it recurse until the stack ends, which no
//! program survives. So whoever commits one must not reach it.

use std::ops::Range;

use toml_parser::{Source, lexer::TokenKind};

/// As deep as the parser goes.
const MOST: usize = 80;

/// Where a text goes deeper than [`MOST`], if it does.
///
/// Counts what the parser may have open: a bracket closes the last one that is open or, where it is of the
/// other kind, nothing. The parser closes no fewer: it skips a closing bracket only where one of the other
/// kind is open.
pub(super) fn beyond(text: &str) -> Option<Range<usize>> {
    let mut open = Vec::new();
    for token in Source::new(text).lex() {
        match token.kind() {
            opening @ (TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket) => {
                open.push(opening);
            }
            TokenKind::RightSquareBracket => close(&mut open, TokenKind::LeftSquareBracket),
            TokenKind::RightCurlyBracket => close(&mut open, TokenKind::LeftCurlyBracket),
            _ => {}
        }
        if open.len() > MOST {
            let span = token.span();
            return Some(span.start()..span.end());
        }
    }
    None
}

fn close(open: &mut Vec<TokenKind>, kind: TokenKind) {
    if open.last() == Some(&kind) {
        open.pop();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use proptest::prelude::*;

    use super::{MOST, beyond};

    #[test]
    fn what_the_parser_takes_is_not_too_deep() {
        for (opening, closing) in [("[", "]"), ("{ a = ", " }")] {
            let nested =
                |depth: usize| format!("a = {}1{}\n", opening.repeat(depth), closing.repeat(depth));
            assert!(beyond(&nested(MOST)).is_none());
            assert!(toml::de::DeTable::parse(&nested(MOST)).is_ok());
            let at = beyond(&nested(MOST + 1)).unwrap();
            assert_eq!(at.start, 4 + MOST * opening.len());
        }
        // Headers are brackets, too, and close.
        assert!(beyond(&"[a]\n[[b]]\n".repeat(1000)).is_none());
    }

    #[test]
    fn brackets_that_do_not_fit_together_count() {
        for period in ["{[0-9]+)\" = ", "{a=[}", "[{]a=", "{[a] b=", "{b ", "[1 "] {
            assert!(
                beyond(&format!("a = {}", period.repeat(20_000))).is_some(),
                "{period}"
            );
        }
    }

    proptest! {
        /// Parts that open, close and confuse, in any order: no stack ends.
        #[test]
        fn the_parser_is_never_lost(parts in prop::collection::vec(
            prop::sample::select(vec!["{", "}", "[", "]", "a", "=", ",", ".", "\"b\"", "'", "\n", "#", " "]),
            0..12,
        ), times in 1_usize..3000) {
            let text = format!("a = {}", parts.concat().repeat(times));
            if beyond(&text).is_none() {
                let _ = toml::de::DeTable::parse_recoverable(&text);
            }
        }
    }
}
