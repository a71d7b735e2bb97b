//! The same as mail.

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MessageBuilder};
use wharf_config::notify::Mail;
use wharf_wire::notification::Notification;

use super::{Letter, Untold, line, sendmail};
use crate::execute::failure::chain;

/// A longer subject helps nobody.
const SUBJECT: usize = 150;
/// What strangers wrote is cut after so many characters.
const FIELD: usize = 300;

/// Hands a message to the host's sendmail.
///
/// # Errors
/// Why it was not taken.
pub(super) async fn send(
    mail: &Mail,
    people: &[String],
    letter: &Letter<'_>,
) -> Result<String, Untold> {
    let text = compose(mail, people, letter)?;
    sendmail::send(&mail.sendmail, text).await
}

/// The mail, with line ends as programs of this host expect them.
fn compose(mail: &Mail, people: &[String], letter: &Letter<'_>) -> Result<Vec<u8>, Untold> {
    let unfit = |error: &(dyn std::error::Error + 'static)| {
        Untold::destination(format!("the mail cannot be written: {}", chain(error)))
            .hint("look at mail.from and at the addresses")
    };
    let told: Notification = serde_json::from_str(letter.body).map_err(|error| unfit(&error))?;
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy().into_owned();
    let from = mail.from.clone().unwrap_or_else(|| format!("wharf@{host}"));
    let mailbox = |text: &str| {
        let address = text
            .parse()
            .map_err(|error: lettre::address::AddressError| unfit(&error))?;
        Ok::<_, Untold>(Mailbox::new(None, address))
    };
    let mut builder: MessageBuilder = Message::builder().from(mailbox(&from)?).date_now();
    for person in people {
        builder = builder.to(mailbox(person)?);
    }
    let domain = from.rsplit('@').next().unwrap_or("localhost");
    let auto = HeaderName::new_from_ascii_str("Auto-Submitted");
    let message = builder
        .subject(format!("[wharf] {}", line(&told.text, SUBJECT)))
        // The same in each attempt: readers show it once.
        .message_id(Some(format!("<{}@{domain}>", letter.id)))
        .raw_header(HeaderValue::new(auto, "auto-generated".to_owned()))
        .body(body(&told))
        .map_err(|error| unfit(&error))?;
    let mut text = message.formatted();
    text.retain(|byte| *byte != b'\r');
    Ok(text)
}

fn body(told: &Notification) -> String {
    let mut lines = vec![line(&told.text, 2 * FIELD), String::new()];
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            lines.push(format!("{name:12} {}", line(value, FIELD)));
        }
    };
    if let Some(happened) = &told.data {
        let activity = &happened.activity;
        field("project", &activity.project);
        field("environment", &activity.environment);
        field(
            "type",
            happened.environment_type.as_deref().unwrap_or_default(),
        );
        field("branch", &activity.branch);
        field("commit", activity.commit.new.as_deref().unwrap_or_default());
        field("subject", &activity.commit.subject);
        field("by", &activity.actor.name);
        if let Some(reason) = &activity.reason {
            field("reason", &reason.message);
            field("hint", reason.hint.as_deref().unwrap_or_default());
        }
        field("address", happened.url.as_deref().unwrap_or_default());
        field("log", &format!("wharf log {}", activity.id));
    }
    field("at", &told.timestamp);
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever people call their branches and commits, each header is ours and stands once.
    #[test]
    fn no_header_comes_from_what_strangers_wrote() {
        let hostile = "main\r\nBcc: victim@example.com\r\n\r\n.\r\nSubject: x \u{202e}";
        let body = serde_json::json!({
            "type": "failed", "timestamp": "2026-11-21T07:11:40Z", "text": hostile,
            "data": { "activity": { "id": "4f2a", "project": "shop", "environment": "main",
                "branch": hostile, "kind": "push", "state": "failed",
                "actor": { "name": hostile, "source": "uid" },
                "commit": { "old": null, "new": "cc", "subject": hostile, "forced": false },
                "source": null, "slug": null, "slug_reused": false, "release": null,
                "previous": null, "live_after": null, "due": null, "approved_by": null, "steps": [],
                "reason": { "code": "x", "message": hostile, "hint": hostile },
                "created": 1, "started": null, "ended": null },
                "environment_type": "production", "serves": hostile, "url": null },
        });
        let (body, mail) = (body.to_string(), Mail::default());
        let letter = Letter {
            id: "msg_1",
            body: &body,
        };
        let text = compose(&mail, &["team@example.com".to_owned()], &letter).unwrap();
        let text = String::from_utf8(text).unwrap();
        let (head, rest) = text.split_once("\n\n").unwrap();
        let names: Vec<&str> = head
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split(':').next())
            .collect();
        let ours = [
            "From",
            "Date",
            "To",
            "Subject",
            "Message-ID",
            "Auto-Submitted",
            "Content-Transfer-Encoding",
        ];
        assert_eq!(names, ours, "{text}");
        assert!(!rest.lines().any(|line| line == "."), "{text}");
        assert!(!rest.lines().any(|line| line.starts_with("Bcc:")), "{text}");
        assert!(head.contains("Subject: [wharf] main"), "{text}");
    }
}
