//! Static files of a site: tower-http's service over what [`guard`](crate::guard) lets out.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, ETAG, IF_MODIFIED_SINCE, IF_RANGE, IF_UNMODIFIED_SINCE,
        LAST_MODIFIED, RANGE,
    },
};
use http_body_util::Empty;
use hyper::body::Bytes;
use percent_encoding::percent_decode_str;
use tower_http::services::{
    ServeDir,
    fs::{DefaultServeDirFallback, ServeFileSystemResponseBody},
};

use crate::guard::{Root, blocking, is_public};

type Answer = Response<ServeFileSystemResponseBody>;

/// The static files of one release.
#[derive(Debug)]
pub(crate) struct Files {
    root: Root,
    service: ServeDir<DefaultServeDirFallback, Root>,
    /// When this release began to serve here, to the second. A visitor's older copy may come from
    /// another release, whatever the times of the files say.
    since: SystemTime,
}

impl Files {
    /// Serves a directory, since a time.
    pub(crate) fn new(root: Root, since: SystemTime) -> Self {
        let service = ServeDir::with_backend(root.path(), root.clone())
            .ignore_multi_range_requests(true)
            .precompressed_br()
            .precompressed_zstd()
            .precompressed_gzip();
        // HTTP's dates know no fractions.
        let since = httpdate::HttpDate::from(since).into();
        Self {
            root,
            service,
            since,
        }
    }

    /// The directory.
    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// The answer to a GET or HEAD, when there is something for it.
    pub(crate) async fn answer<B>(&self, request: &Request<B>) -> std::io::Result<Option<Answer>> {
        let Some(path) = self.path(request.uri()) else {
            return Ok(None);
        };
        let root = self.root.clone();
        if !blocking(move || Ok(root.has(&path))).await? {
            return Ok(None);
        }
        let mut headers = request.headers().clone();
        // A copy from before this release: neither unchanged, nor to be gone on with.
        if date(&headers, &IF_UNMODIFIED_SINCE).is_some_and(|date| date < self.since) {
            return Ok(Some(bare(StatusCode::PRECONDITION_FAILED)));
        }
        if date(&headers, &IF_MODIFIED_SINCE).is_some_and(|date| date < self.since) {
            headers.remove(IF_MODIFIED_SINCE);
        }
        let mut answer = self
            .serve(request.method(), request.uri(), headers.clone())
            .await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if answer.status() == StatusCode::PARTIAL_CONTENT
            && headers
                .get(IF_RANGE)
                .is_some_and(|wanted| answer.headers().get(ETAG) != Some(wanted))
        {
            // The visitor's part is of another file: all of this one.
            headers.remove(RANGE);
            answer = self.serve(request.method(), request.uri(), headers).await?;
        }
        if let Some(modified) = date(answer.headers(), &LAST_MODIFIED) {
            let latest = httpdate::fmt_http_date(modified.max(self.since));
            answer.headers_mut().insert(
                LAST_MODIFIED,
                HeaderValue::try_from(latest).expect("a date is a header's value"),
            );
        }
        // Kept, but asked for again each time: a switch must be seen at once.
        answer
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Ok(Some(answer))
    }

    /// The site's own page for what is not there.
    pub(crate) async fn not_found<B>(
        &self,
        request: &Request<B>,
    ) -> std::io::Result<Option<Answer>> {
        let mut headers = HeaderMap::new();
        if let Some(accepted) = request.headers().get(http::header::ACCEPT_ENCODING) {
            headers.insert(http::header::ACCEPT_ENCODING, accepted.clone());
        }
        let uri = Uri::from_static("/404.html");
        let mut answer = self.serve(request.method(), &uri, headers).await?;
        if answer.status() != StatusCode::OK {
            return Ok(None);
        }
        *answer.status_mut() = StatusCode::NOT_FOUND;
        for name in [ETAG, LAST_MODIFIED, ACCEPT_RANGES] {
            answer.headers_mut().remove(name);
        }
        Ok(Some(answer))
    }

    async fn serve(
        &self,
        method: &Method,
        uri: &Uri,
        headers: HeaderMap,
    ) -> std::io::Result<Answer> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        match self.service.clone().try_call(request).await {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(bare(StatusCode::NOT_FOUND))
            }
            answer => answer,
        }
    }

    /// Where a request's path leads, when visitors may go there.
    fn path(&self, uri: &Uri) -> Option<PathBuf> {
        let decoded = percent_decode_str(uri.path().strip_prefix('/')?)
            .decode_utf8()
            .ok()?;
        // A second slash at the start would make a redirect lead to another host.
        if decoded.starts_with('/') || decoded.contains(['\0', '\\']) {
            return None;
        }
        is_public(Path::new(&*decoded)).then(|| self.root.path().join(&*decoded))
    }
}

fn bare(status: StatusCode) -> Answer {
    let mut answer = Response::new(ServeFileSystemResponseBody::default());
    *answer.status_mut() = status;
    answer
}

fn date(headers: &HeaderMap, name: &http::HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}
