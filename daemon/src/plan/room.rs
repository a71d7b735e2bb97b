//! Whether there is room for another deployment.

use wharf_config::host::MinFree;

use crate::report;

/// A file system that deployments write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Where it is mounted.
    pub mount: String,
    /// What it holds, for people.
    pub holds: &'static str,
    /// Bytes that may still be written.
    pub bytes: u64,
    /// Files that may still be made; none where there is no such limit.
    pub files: Option<u64>,
}

/// What to do about it.
pub const HINT: &str = "ask the host's operator to make room, or to lower keep.min_free";

/// What each file system lacks, a phrase each: what is free, and what must stay free.
pub fn lacks(systems: &[FileSystem], wanted: &MinFree) -> Vec<String> {
    let mut lacks = Vec::new();
    for system in systems {
        let place = format!("{} ({})", system.mount, system.holds);
        if system.bytes < wanted.size {
            lacks.push(format!(
                "only {} are free on {place}, {} must stay free",
                report::size(system.bytes),
                report::size(wanted.size)
            ));
        }
        if let Some(files) = system.files.filter(|files| *files < wanted.files) {
            lacks.push(format!(
                "only {files} more files (inodes) can be made on {place}, it must be {}",
                wanted.files
            ));
        }
    }
    lacks
}

/// What is worth a warning before it is refused.
#[must_use]
pub fn twice(wanted: &MinFree) -> MinFree {
    MinFree {
        size: wanted.size.saturating_mul(2),
        files: wanted.files.saturating_mul(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_files_of_every_file_system_count() {
        let system = |mount: &str, bytes, files| FileSystem {
            mount: mount.into(),
            holds: "Wharf's state",
            bytes,
            files,
        };
        let wanted = MinFree {
            size: 2_000_000_000,
            files: 10,
        };
        let good = [
            system("/", 2_000_000_000, Some(10)),
            system("/x", 1 << 40, None),
        ];
        assert_eq!(lacks(&good, &wanted), Vec::<String>::new());
        let bad = [system("/", 1_999, None), system("/x", 1 << 40, Some(9))];
        assert_eq!(
            lacks(&bad, &wanted),
            [
                "only 2.0 kB are free on / (Wharf's state), 2.0 GB must stay free",
                "only 9 more files (inodes) can be made on /x (Wharf's state), it must be 10",
            ]
        );
        assert_eq!(lacks(&good, &twice(&wanted)).len(), 2);
    }
}
