//! File systems on which what Wharf does cannot be done, or does not last.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags as Flags, statfs, statvfs};
use wharf_wire::view::Finding;

use crate::disk;
use crate::report;
use crate::settings::Settings;
use crate::store::paths::Paths;

/// Numbers of the kernel's `magic.h`: in memory.
const IN_MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58f6];
/// On other machines: NFS, the three of SMB, 9P, Ceph, AFS.
const ELSEWHERE: [u32; 7] = [
    0x6969,
    0x517B,
    0xFF53_4D42,
    0xFE53_4D42,
    0x0102_1997,
    0x00C3_6400,
    0x5346_414F,
];

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mounted {
    at: PathBuf,
    flags: Flags,
    kind: u32,
}

impl Mounted {
    fn of(path: &Path) -> Option<Mounted> {
        let (_, at) = disk::file_system(path).ok()?;
        Some(Mounted {
            at,
            flags: statvfs(path).ok()?.f_flag,
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number of 32 bits"
            )]
            kind: statfs(path).ok()?.f_type as u32,
        })
    }

    fn remount(&self, option: &str, unwanted: &str) -> String {
        let at = self.at.to_string_lossy();
        format!(
            "mount -o remount,{option} {}\nand take {unwanted} out of its line in /etc/fstab",
            shell_words::quote(&at)
        )
    }
}

/// Looks at those of the state and of each repository. Blocks.
pub(super) fn findings(paths: &Paths, settings: &Settings) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(state) = Mounted::of(&paths.state()) {
        found.extend(of_state(&state));
    }
    found.extend(of_programs(paths));
    let mut repositories: BTreeMap<u64, (Mounted, Vec<&str>)> = BTreeMap::new();
    for project in settings.projects.values() {
        let Some(metadata) = project.repository.metadata().ok() else {
            // That it is not there is a finding of its own.
            continue;
        };
        if let Some((_, names)) = repositories.get_mut(&metadata.dev()) {
            names.push(project.name.as_str());
        } else if let Some(mounted) = Mounted::of(&project.repository) {
            repositories.insert(metadata.dev(), (mounted, vec![project.name.as_str()]));
        }
    }
    for (mounted, names) in repositories.values() {
        found.extend(of_repositories(mounted, names));
    }
    found
}

fn of_state(mounted: &Mounted) -> Option<Finding> {
    let at = mounted.at.display();
    let state = "Wharf's state";
    if mounted.flags.contains(Flags::RDONLY) {
        let text = format!("{at} ({state}) is mounted read-only: nothing can be recorded");
        return Some(Finding::error(
            "file-system",
            text,
            mounted.remount("rw", "ro"),
        ));
    }
    if IN_MEMORY.contains(&mounted.kind) {
        let text = format!("{at} ({state}) is in memory: all of it is gone after a reboot");
        let hint = "wharfd stop, move it onto a disk, and start again";
        return Some(Finding::warning("file-system", text, hint));
    }
    ELSEWHERE.contains(&mounted.kind).then(|| {
        let text = format!(
            "{at} ({state}) is another machine's: its locks and shared memory may not hold what the database needs"
        );
        let hint = "wharfd stop, move it onto a disk of this machine, and start again";
        Finding::warning("file-system", text, hint)
    })
}

/// Where builds, their results, and what they cache is, each of which may be mounted by itself.
fn of_programs(paths: &Paths) -> Vec<Finding> {
    let all = [
        paths.builds(),
        paths.slugs(),
        paths.all_releases(),
        paths.caches(),
    ];
    let mut closed: Vec<Mounted> = Vec::new();
    for mounted in all.iter().filter_map(|path| Mounted::of(path)) {
        if mounted.flags.contains(Flags::NOEXEC) && !closed.contains(&mounted) {
            closed.push(mounted);
        }
    }
    let finding = |mounted: &Mounted| {
        let text = format!(
            "{} is mounted noexec: nothing that is built there can run",
            mounted.at.display()
        );
        Finding::error("file-system", text, mounted.remount("exec", "noexec"))
    };
    closed.iter().map(finding).collect()
}

fn of_repositories(mounted: &Mounted, names: &[&str]) -> Vec<Finding> {
    let at = mounted.at.display();
    let more = names.len().saturating_sub(1);
    let first = names.first().copied().unwrap_or_default();
    let whose = match more {
        0 => first.to_owned(),
        _ => format!("{first} and {}", report::count(more as u64, "other")),
    };
    let mut found = Vec::new();
    let mut say =
        |text: String, hint: String| found.push(Finding::error("file-system", text, hint));
    if mounted.flags.contains(Flags::NOEXEC) {
        say(
            format!("{at} is mounted noexec: git passes the hooks of {whose} by"),
            mounted.remount("exec", "noexec"),
        );
    }
    if mounted.flags.contains(Flags::RDONLY) {
        say(
            format!("{at} is mounted read-only: nobody can push to {whose}"),
            mounted.remount("rw", "ro"),
        );
    }
    if ELSEWHERE.contains(&mounted.kind) {
        found.push(Finding::warning(
            "file-system",
            format!("{at} is another machine's: what is moved there in {whose} without a hook is not seen"),
            "push through this host; else: wharf redeploy",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_wire::view::Severity;

    fn mounted(flags: Flags, kind: u32) -> Mounted {
        Mounted {
            at: "/srv".into(),
            flags,
            kind,
        }
    }

    #[test]
    fn what_does_not_last_or_is_elsewhere_is_a_warning() {
        assert_eq!(of_state(&mounted(Flags::empty(), 0xEF53)), None);
        for kind in IN_MEMORY.into_iter().chain(ELSEWHERE) {
            let found = of_state(&mounted(Flags::empty(), kind)).unwrap();
            assert_eq!(found.severity, Severity::Warning, "{kind:x}");
        }
        let found = of_repositories(&mounted(Flags::empty(), 0x6969), &["shop", "blog", "wiki"]);
        let [one] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert!(one.message.contains("in shop and 2 others"), "{one:?}");
        assert_eq!(
            of_repositories(&mounted(Flags::empty(), IN_MEMORY[0]), &["shop"]),
            []
        );
    }
}
