//! A slug that somebody brought, as its activity's log and who brought it read it.

use crate::report;
use crate::store::slug::SlugRecord;

/// What an import makes of it. `from` says where it was exported.
pub(super) fn notes(slug: &SlugRecord, from: &str) -> Vec<String> {
    let files = report::count(slug.files, "file");
    let bytes = report::size(slug.bytes);
    vec![
        format!("slug {}, {from}: {files}, {bytes}", slug.short()),
        format!(
            "{} branches that come to the same use it",
            slug.trust_domain
        ),
    ]
}
