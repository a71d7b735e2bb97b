//! What came of trying the destinations of notifications.

use wharf_wire::notification::Tried;

use crate::failure::plain;

/// Draws each with what to do.
pub fn draw(all: &[Tried]) -> String {
    let mut out = String::new();
    for one in all {
        let word = if one.taken { "success" } else { "error" };
        let of = one
            .project
            .as_deref()
            .map(|project| format!(" of {project}"));
        out.push_str(&format!(
            "{word}: {}{} ({}): {} in {} ms\n",
            plain(&one.name),
            plain(&of.unwrap_or_default()),
            plain(&one.to),
            plain(&one.message),
            one.milliseconds
        ));
        if let Some(hint) = &one.hint {
            out.push_str(&format!("hint: {}\n", plain(hint)));
        }
        match (one.taken, one.waiting) {
            (_, 0) => {}
            (true, waiting) => out.push_str(&format!("  {waiting} that waited go out now\n")),
            (false, waiting) => out.push_str(&format!("  {waiting} wait for it\n")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_destination_has_its_lines() {
        let tried = |name: &str, project: Option<&str>, taken, waiting| Tried {
            name: name.into(),
            project: project.map(Into::into),
            to: "webhook at https://hooks.example.com".into(),
            taken,
            message: "it said \u{1b}[31mso".into(),
            hint: (!taken).then(|| "mend it".into()),
            milliseconds: 12,
            waiting,
        };
        insta::assert_snapshot!(draw(&[
            tried("team", None, true, 0),
            tried("chat", Some("shop"), false, 3),
        ]));
    }
}
