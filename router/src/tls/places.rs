//! Where files may change without their names being touched: links lead to them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// The most links that are followed, as the kernel does.
const LINKS: u32 = 40;

/// Every directory in which something must change before a path means another file: its own, and
/// those of the links on the way. certbot's `live/` holds links to `archive/`.
pub(super) fn directories(path: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut left = LINKS;
    collect(path, &mut found, &mut left);
    found
}

fn collect(path: &Path, found: &mut BTreeSet<PathBuf>, left: &mut u32) {
    let mut there = path.ancestors().skip(1);
    found.extend(there.find(|at| at.is_dir()).map(Path::to_owned));
    for at in path.ancestors() {
        let (Ok(target), Some(parent)) = (at.read_link(), at.parent()) else {
            continue;
        };
        if *left == 0 {
            return;
        }
        *left -= 1;
        found.insert(parent.to_owned());
        let rest = path.strip_prefix(at).expect("it begins with its ancestor");
        let target = parent.join(target);
        // An empty rest would end the path with a slash.
        let whole = match rest.as_os_str().is_empty() {
            true => target,
            false => target.join(rest),
        };
        collect(&whole, found, left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_certbot_and_volumes_do_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().canonicalize().unwrap().join(path);
        for path in ["live/shop", "archive/shop", "volume/.1"] {
            std::fs::create_dir_all(at(path)).unwrap();
        }
        std::fs::write(at("archive/shop/key2.pem"), "").unwrap();
        std::fs::write(at("volume/.1/key.pem"), "").unwrap();
        symlink("../../archive/shop/key2.pem", at("live/shop/key.pem")).unwrap();
        symlink(".1", at("volume/now")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let found = |path: &str| directories(&at(path));
        assert!(found("live/shop/key.pem").contains(&at("live/shop")));
        let real = |path: &PathBuf| path.canonicalize().unwrap();
        let reals: BTreeSet<PathBuf> = found("live/shop/key.pem").iter().map(real).collect();
        assert!(reals.contains(&at("archive/shop")), "{reals:?}");
        assert!(found("volume/now/key.pem").contains(&at("volume")));
        let reals: BTreeSet<PathBuf> = found("volume/now/key.pem").iter().map(real).collect();
        assert!(reals.contains(&at("volume/.1")), "{reals:?}");
        assert!(found("not/there/key.pem").contains(&at("")));
        assert!(found("loop").contains(&at("")));
    }
}
