//! What is told, as `docs/metrics.md` has it. A test asks a daemon and holds the two together.

/// Each metric with its labels and what it is.
#[rustfmt::skip]
pub const TOLD: &[(&str, &[&str], &str)] = &[
    ("wharf_info", &["version"], "1"),
    ("wharf_activities_total", &["kind", "result", "type"], "activities that ended"),
    ("wharf_activity_duration_seconds", &["kind"], "how long they took, from their beginning (a histogram)"),
    ("wharf_build_duration_seconds", &["result"], "builds that were really done (a histogram)"),
    ("wharf_slugs_total", &["origin"], "slugs that activities got: `built` or `reused`"),
    ("wharf_queue_length", &["state"], "activities that have not ended, `waiting` or `running`, also those that wait for an approval"),
    ("wharf_environments", &["status", "type"], "environments"),
    ("wharf_slugs_kept", &[], "slugs on the disk"),
    ("wharf_slug_bytes", &[], "what they hold"),
    ("wharf_database_bytes", &[], "the database's files"),
    ("wharf_disk_free_bytes", &[], "of the file system of the state directory"),
    ("wharf_disk_size_bytes", &[], "the same: its size"),
    ("wharf_disk_free_files", &[], "the same: files that can still be made"),
    ("wharf_router_up", &[], "whether the router answers"),
    ("wharf_router_requests_total", &["class", "type"], "requests that it has answered, `1xx` to `5xx`"),
];

/// The rows of the page's table.
pub fn page() -> String {
    let rows = TOLD.iter().map(|(name, labels, what)| {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{name}` | {} | {what} |\n", labels.join(", "))
    });
    rows.collect()
}
