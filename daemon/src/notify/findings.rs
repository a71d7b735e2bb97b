//! What an operator should know of destinations: for `wharf doctor`.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use wharf_config::notify::{SecretFrom, To};
use wharf_wire::view::{Finding, Severity};

use super::{Listener, listeners, shown, webhook};
use crate::execute::World;
use crate::report;
use crate::store::notification::Standing;
use crate::store::now;

/// What was given up longer ago is not said any more.
const SAID: u64 = 7 * 24 * 3600 * 1000;
/// Set-user-id and set-group-id.
const SET_ID: u32 = 0o6000;

/// Destinations that fail, secrets that cannot be read or that everybody can, a sendmail that cannot work.
pub async fn findings(world: &World) -> Vec<Finding> {
    let settings = world.settings();
    let known: Vec<Listener> = listeners(&settings).collect();
    let mut found = Vec::new();
    for standing in world.recorder.destinations().await.unwrap_or_default() {
        let is_it =
            |known: &Listener| known.scope == standing.scope && known.notify.name == standing.name;
        if known.iter().any(is_it) {
            found.extend(failing(&standing));
            found.extend(lost(&standing));
        }
    }
    found.extend(known.iter().filter_map(secret));
    if known
        .iter()
        .any(|one| matches!(one.notify.to, To::Email(_)))
    {
        found.extend(sendmail(&settings.host.mail.sendmail));
    }
    if found.is_empty() && !known.is_empty() {
        let message = format!(
            "{} told of what happens; try with: wharf notify test",
            match known.len() {
                1 => "1 destination is".to_owned(),
                many => format!("{many} destinations are"),
            }
        );
        found.push(finding(Severity::Good, message, None));
    }
    found
}

fn failing(standing: &Standing) -> Option<Finding> {
    let since = standing.failing_since?;
    let message = format!(
        "{} takes nothing since {}, {} for it: {}",
        shown(&standing.scope, &standing.name),
        time(since),
        match standing.waiting {
            1 => "1 notification waits".to_owned(),
            many => format!("{} wait", report::count(many.into(), "notification")),
        },
        standing.error
    );
    let hint = format!("mend it, then: wharf notify test {}", standing.name);
    Some(finding(Severity::Warning, message, Some(hint)))
}

fn lost(standing: &Standing) -> Option<Finding> {
    let last = standing.given_up_last?;
    if now().saturating_sub(last) > SAID {
        return None;
    }
    let message = format!(
        "{} to {} given up, the last at {}: too old, or too many waited",
        report::count(standing.given_up.into(), "notification"),
        shown(&standing.scope, &standing.name),
        time(last)
    );
    let hint = "see what happened with: wharf activities".to_owned();
    Some(finding(Severity::Warning, message, Some(hint)))
}

fn secret(listener: &Listener) -> Option<Finding> {
    let To::Webhook {
        secret: Some(SecretFrom::File(file)),
        ..
    } = &listener.notify.to
    else {
        return None;
    };
    let shown = listener.shown();
    if let Err(untold) = webhook::read_secret(file) {
        let message = format!("{shown}: {}", untold.message);
        return Some(finding(Severity::Error, message, untold.hint));
    }
    let mode = file.metadata().ok()?.mode() & 0o7777;
    (mode & 0o007 != 0).then(|| {
        let message = format!(
            "{shown}: everybody on this host may use secret_file {} (mode {mode:04o})",
            file.display()
        );
        let hint = format!("chmod o= {}", file.display());
        finding(Severity::Warning, message, Some(hint))
    })
}

/// A sendmail that needs more rights than the daemon's unit lets any program have.
fn sendmail(program: &Path) -> Option<Finding> {
    let shown = program.display();
    let meta = match program.metadata() {
        Ok(meta) => meta,
        Err(error) => {
            let message = format!("no mail can be sent: {shown}: {error}");
            let hint = "install a sendmail, such as msmtp-mta, or set mail.sendmail".to_owned();
            return Some(finding(Severity::Error, message, Some(hint)));
        }
    };
    let kept_low = rustix::thread::no_new_privs().unwrap_or(false);
    // Postfix's own has none; what it hands the mail to does.
    let postdrop = Path::new("/usr/sbin/postdrop");
    let needs = |path: &Path| path.metadata().is_ok_and(|meta| meta.mode() & SET_ID != 0);
    let of_postfix = program
        .canonicalize()
        .is_ok_and(|path| path.starts_with("/usr/sbin") && postdrop.exists());
    if !kept_low || meta.mode() & SET_ID == 0 && !(of_postfix && needs(postdrop)) {
        return None;
    }
    let message = format!(
        "{shown} changes its user or group when it starts, and the daemon's unit \
         (NoNewPrivileges) lets no program do that: mail may not leave this host"
    );
    let hint = "use one that speaks to a server itself, such as msmtp; see the operator's page";
    Some(finding(Severity::Warning, message, Some(hint.to_owned())))
}

fn time(milliseconds: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(milliseconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

fn finding(severity: Severity, message: String, hint: Option<String>) -> Finding {
    Finding {
        severity,
        code: "notify".to_owned(),
        message,
        hint,
    }
}
