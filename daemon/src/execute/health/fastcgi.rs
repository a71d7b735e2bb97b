//! The same question in FastCGI.

use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wharf_fastcgi::{Head, Malformed, Params, Part, Reader, begin, stdin};
use wharf_wire::route::FastCgi;

use super::Broke;

/// How much is read at once.
const PIECE: usize = 16 * 1024;

/// Asks for a path, and reads the whole answer.
pub(super) async fn get<S>(
    mut stream: S,
    path: &str,
    scripts: &FastCgi,
) -> Result<StatusCode, Broke>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = Vec::new();
    begin(&mut request);
    params(path, scripts)?.write(&mut request);
    stdin(&mut request, &[]);
    stream.write_all(&request).await?;
    let (mut reader, mut so_far, mut status) = (Reader::default(), Vec::new(), None);
    loop {
        while let Some(part) = reader.part()? {
            match part {
                Part::Stdout(bytes) if status.is_none() => {
                    so_far.extend_from_slice(&bytes);
                    status = Head::read(&so_far)?.map(|(head, _)| head.status);
                }
                Part::Stdout(_) | Part::Stderr(_) => {}
                Part::End => return Ok(status.ok_or(Malformed::Head)?),
            }
        }
        reader.buffer().reserve(PIECE);
        if stream.read_buf(reader.buffer()).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    }
}

/// What the router would say of such a request: a path that is no script's is the front's.
fn params(path: &str, scripts: &FastCgi) -> Result<Params, Broke> {
    let (bare, query) = path.split_once('?').unwrap_or((path, ""));
    let front = scripts.front.as_deref().and_then(|front| front.to_str());
    let script = match (bare.ends_with(".php"), front) {
        (false, Some(front)) => format!("/{front}"),
        (true, _) => bare.to_owned(),
        (false, None) => return Err("it is no script, and there is no front".into()),
    };
    let root = scripts.root.to_string_lossy();
    let mut params = Params::default();
    for (name, value) in [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_SOFTWARE", "wharf"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", "localhost"),
        ("SERVER_PORT", "80"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", path),
        ("QUERY_STRING", query),
        ("DOCUMENT_ROOT", &root),
        ("SCRIPT_NAME", &script),
        ("SCRIPT_FILENAME", &format!("{root}{script}")),
        ("CONTENT_LENGTH", ""),
        ("REDIRECT_STATUS", "200"),
        ("HTTP_HOST", "localhost"),
        ("HTTP_USER_AGENT", "wharf-health"),
    ] {
        params.push(name, value);
    }
    Ok(params)
}
