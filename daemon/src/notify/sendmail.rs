//! The host's sendmail: a program that takes a mail on its input, started without a shell.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::{Untold, line};

/// How long it may take.
pub(super) const WHOLE: Duration = Duration::from_secs(30);
/// How long what it printed may take to arrive once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// So much of what it prints is read, and no more.
const PRINTED: u64 = 4 * 1024;
/// So many characters of that are shown.
const SHOWN: usize = 200;

/// Hands it a mail; its receivers stand in the mail itself.
///
/// # Errors
/// That it cannot be started, fails, or takes too long.
pub(super) async fn send(program: &Path, mail: Vec<u8>) -> Result<String, Untold> {
    let shown = program.display();
    let mut child = Command::new(program)
        .args(["-t", "-i"])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            Untold::destination(format!("{shown} cannot be run: {error}"))
                .hint("install a sendmail, such as msmtp-mta, or set mail.sendmail")
        })?;
    let group = child.id();
    let told = tokio::time::timeout(WHOLE, converse(&mut child, &mail)).await;
    let Ok(told) = told else {
        end(group);
        let message = format!("{shown} did not end within {} s", WHOLE.as_secs());
        return Err(Untold::destination(message).hint("the mail system's own log says more"));
    };
    let (status, said) = told.map_err(|error| Untold::destination(format!("{shown}: {error}")))?;
    if status.success() {
        return Ok(format!("{shown} took it"));
    }
    let said = line(&said, SHOWN);
    let said = if said.is_empty() {
        said
    } else {
        format!(": {said}")
    };
    let hint = "the mail system's own log says more; wharf doctor names what is known";
    Err(Untold::destination(format!("{shown}: {status}{said}")).hint(hint))
}

/// Writes, reads and waits at the same time. Whoever does not read its input says so by its status;
/// what it left behind, and holds its errors open, is not waited for.
async fn converse(
    child: &mut Child,
    mail: &[u8],
) -> std::io::Result<(std::process::ExitStatus, String)> {
    let (input, errors) = (child.stdin.take(), child.stderr.take());
    let mut reading = tokio::spawn(read(errors));
    let write = async {
        if let Some(mut input) = input
            && let Err(error) = input.write_all(mail).await
        {
            tracing::debug!(%error, "sendmail does not read");
        }
    };
    let ((), status) = tokio::join!(write, child.wait());
    let said = match tokio::time::timeout(LAST_WORDS, &mut reading).await {
        Ok(said) => said.unwrap_or_default(),
        Err(_) => {
            reading.abort();
            String::new()
        }
    };
    Ok((status?, said))
}

async fn read(errors: Option<impl AsyncRead + Unpin>) -> String {
    let Some(errors) = errors else {
        return String::new();
    };
    let mut said = Vec::new();
    let mut first = errors.take(PRINTED);
    if let Err(error) = first.read_to_end(&mut said).await {
        tracing::debug!(%error, "sendmail's errors");
    }
    // The rest is taken, so that it does not wait for us.
    let mut rest = first.into_inner();
    if let Err(error) = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await {
        tracing::debug!(%error, "sendmail's errors");
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Ends it and all that it started.
fn end(group: Option<u32>) {
    let group = group.and_then(|id| i32::try_from(id).ok());
    let Some(group) = group.and_then(rustix::process::Pid::from_raw) else {
        return;
    };
    if let Err(error) = rustix::process::kill_process_group(group, rustix::process::Signal::KILL) {
        tracing::debug!(%error, "sendmail has ended");
    }
}
