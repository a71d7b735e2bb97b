//! Wharf's own word with an instance. It is said by the client program itself, outside of all sandboxes: what it
//! reads is ours alone, and no environment's code may see the password that it comes with.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wharf_config::host::Instance;

use crate::execute::failure::Failure;
use crate::execute::ready::last_lines;
use crate::execute::world::World;
use crate::plan::services::external as plan;

/// How long one word may take: a large database goes as slowly as its files do.
const LONGEST: Duration = Duration::from_secs(300);
/// Bytes of an answer that are read.
const MOST: u64 = 64 << 10;
/// Bytes that a file with a password may have.
const PASSWORD: u64 = 1024;

/// Has an instance do what these statements say; what it printed. `secret` is starred in what it complains of.
///
/// # Errors
/// That it does not answer, or refuses.
pub(super) async fn tell(
    world: &World,
    instance: &Instance,
    statements: String,
    secret: Option<&str>,
) -> Result<String, Failure> {
    let program = super::program_of(instance.kind)?.display().to_string();
    let file = &instance.password_file;
    let password = tokio::task::block_in_place(|| password(file))
        .map_err(|why| failed(instance, &format!("{}: {why}", file.display())))?;
    let client = plan::client(instance, program, password);
    let (program, words) = client
        .words
        .split_first()
        .expect("it begins with its program");
    let mut command = world.runner.host_program(Path::new(program));
    command
        .args(words)
        .envs(&client.variables)
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let cannot = |error| Failure::host("cannot ask an instance", &error);
    let mut child = world.runner.start_host(command).await.map_err(cannot)?;
    let input = child.stdin.take();
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let say = async move {
        if let Some(mut input) = input {
            // One that ended before it has read all says why.
            drop(input.write_all(statements.as_bytes()).await);
        }
    };
    let work = async {
        let ((), said, complaint) = tokio::join!(say, hear(output), hear(errors));
        (child.wait().await, said, complaint)
    };
    let Ok((ended, said, complaint)) = tokio::time::timeout(LONGEST, work).await else {
        let why = format!("it did not answer within {} s", LONGEST.as_secs());
        return Err(failed(instance, &why));
    };
    if ended.map_err(cannot)?.success() {
        return Ok(said);
    }
    let complaint = match secret {
        Some(secret) => complaint.replace(secret, "****"),
        None => complaint,
    };
    let why = format!("it does not do what Wharf needs, at {}", instance.reach);
    Err(failed(instance, &why).details(last_lines(complaint.as_bytes())))
}

fn failed(instance: &Instance, why: &str) -> Failure {
    let message = format!(
        "instance {} of {}: {why}",
        instance.name,
        instance.kind.as_str()
    );
    Failure::new("service-external", message)
        .hint("the host's operator looks at services in wharfd.toml, and at the instance")
}

async fn hear(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> String {
    let mut said = Vec::new();
    if let Some(mut stream) = stream {
        let mut first = (&mut stream).take(MOST);
        // What cannot be read was not said; the rest is read, and dropped.
        drop(first.read_to_end(&mut said).await);
        drop(tokio::io::copy(&mut stream, &mut tokio::io::sink()).await);
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// The first line of a file that is nobody else's to read.
fn password(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|open| {
        let mode = open.metadata()?.mode();
        open.take(PASSWORD).read_to_string(&mut text)?;
        Ok(mode)
    });
    let mode = read.map_err(|error| error.to_string())?;
    if mode & 0o007 != 0 {
        let path = file.display();
        return Err(format!("everybody may read it: chmod o-rwx {path}"));
    }
    match text.lines().next().map(str::trim) {
        Some(password) if !password.is_empty() && !password.contains('\0') => {
            Ok(password.to_owned())
        }
        _ => Err("there is no password in it".to_owned()),
    }
}
