//! What `wharf doctor` found, good news first and the worst last, where the eye is.

use anstyle::{AnsiColor, Style};
use wharf_wire::view::{Finding, Severity};

use crate::failure::plain;

/// Draws the findings, with styles for a stream that strips them where they are not wanted.
pub fn draw(findings: &[Finding]) -> String {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.severity);
    let mut out = String::new();
    for finding in sorted {
        let (word, style) = match finding.severity {
            Severity::Good => ("ok", AnsiColor::Green.on_default()),
            Severity::Warning => ("warning", AnsiColor::Yellow.on_default().bold()),
            Severity::Error => ("error", AnsiColor::Red.on_default().bold()),
        };
        out.push_str(&row(word, style, &finding.message));
        for hint in finding.hint.iter().flat_map(|hint| hint.lines()) {
            out.push_str(&row("hint", AnsiColor::Cyan.on_default(), hint));
        }
    }
    out
}

fn row(word: &str, style: Style, text: &str) -> String {
    format!("{style}{word:>7}{style:#}  {}\n", plain(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_last() {
        let finding = |severity, message: &str, hint: Option<&str>| Finding {
            severity,
            code: "x".into(),
            message: message.into(),
            hint: hint.map(Into::into),
        };
        let all = [
            finding(
                Severity::Error,
                "bubblewrap is missing",
                Some("apt install bubblewrap\nor another isolation"),
            ),
            finding(Severity::Good, "git 2.47.3", None),
            finding(Severity::Warning, "reduced isolation", None),
        ];
        let drawn = anstream::adapter::strip_str(&draw(&all)).to_string();
        insta::assert_snapshot!(drawn);
    }
}
