//! What forbids user namespaces on this host, which bubblewrap is made of.

use std::fs;
use std::path::Path;

/// Settings of the kernel, below `/proc/sys`, with the value that forbids and the one that allows.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user/max_user_namespaces", "0", "31231"),
];
/// Where a setting is kept over a reboot.
const KEPT: &str = "/etc/sysctl.d/60-wharf.conf";

/// Commands that allow them, one for each setting that forbids them.
pub(super) fn fixes() -> Vec<String> {
    below(Path::new("/proc/sys"))
}

fn below(root: &Path) -> Vec<String> {
    let forbids = |name: &str, value: &str| {
        let now = fs::read_to_string(root.join(name));
        now.is_ok_and(|now| now.trim() == value)
    };
    let found = SETTINGS.iter().filter(|(name, no, _)| forbids(name, no));
    found
        .map(|(name, _, yes)| {
            let key = name.replace('/', ".");
            format!("echo '{key} = {yes}' >> {KEPT} && sysctl --load {KEPT}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_that_forbids_is_named() {
        let root = tempfile::tempdir().unwrap();
        for directory in ["kernel", "user"] {
            fs::create_dir(root.path().join(directory)).unwrap();
        }
        assert_eq!(below(root.path()), Vec::<String>::new());
        for (name, no, yes) in SETTINGS {
            let file = root.path().join(name);
            fs::write(&file, format!("{no}\n")).unwrap();
            let [fix] = &below(root.path())[..] else {
                panic!("{name} is named, and nothing else");
            };
            let key = name.replace('/', ".");
            assert!(
                fix.starts_with(&format!("echo '{key} = {yes}' >> ")),
                "{fix}"
            );
            fs::write(&file, yes).unwrap();
        }
    }
}
