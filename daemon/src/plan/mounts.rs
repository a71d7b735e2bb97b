//! Mounts by the paths that people name, the links that may be in them, and whether there is room.

use std::collections::BTreeMap;
use std::path::Path;

use wharf_config::application::{Application, Mount};
use wharf_config::name::RelPath;
pub use wharf_wire::mount::stays;

use crate::report;

/// A mount, or what is below it at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The mount.
    pub mount: RelPath,
    /// What it holds.
    pub kind: Mount,
    /// The bytes that it may hold.
    pub quota: Option<u64>,
    /// The path below it; the top is the mount itself.
    pub below: RelPath,
}

/// Why a path names nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMount {
    /// It is no path.
    #[error(transparent)]
    Path(#[from] wharf_config::name::NameError),
    /// It is in none of the mounts.
    #[error("{0} is in no mount")]
    None(String),
}

/// The mount that a path names or lies in.
///
/// # Errors
/// That there is none.
pub fn named(application: &Application, path: &str) -> Result<Named, NoMount> {
    let path = RelPath::parse(path)?;
    let mut mounts = application.mounts.iter();
    let found = mounts.find(|(mount, _)| mount.holds(&path));
    let (mount, kind) = found.ok_or_else(|| NoMount::None(path.to_string()))?;
    let below = path.as_path().strip_prefix(mount.as_path());
    let below = below.ok().and_then(Path::to_str).unwrap_or_default();
    Ok(Named {
        below: match below {
            "" => RelPath::top(),
            below => RelPath::parse(below)?,
        },
        ..of(application, mount, *kind)
    })
}

/// All of an application.
pub fn all(application: &Application) -> Vec<Named> {
    let mounts: &BTreeMap<RelPath, Mount> = &application.mounts;
    let named = mounts
        .iter()
        .map(|(path, kind)| of(application, path, *kind));
    named.collect()
}

fn of(application: &Application, mount: &RelPath, kind: Mount) -> Named {
    Named {
        mount: mount.clone(),
        kind,
        quota: application.quotas.get(mount).copied(),
        below: RelPath::top(),
    }
}

impl Named {
    /// As people write it.
    #[must_use]
    pub fn path(&self) -> String {
        match self.below.is_top() {
            true => self.mount.to_string(),
            false => format!("{}/{}", self.mount, self.below),
        }
    }
}

impl Named {
    /// That the mount holds more than its quota; none where it does not.
    #[must_use]
    pub fn over(&self, used: u64) -> Option<String> {
        let quota = self.quota.filter(|quota| used > *quota)?;
        let (used, quota) = (report::size(used), report::size(quota));
        Some(format!(
            "{} holds {used}, and its quota is {quota}",
            self.mount
        ))
    }
}

/// What a mount and all of its environment would hold, and may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Bytes in the mount, once all is there.
    pub mount: u64,
    /// Its quota.
    pub quota: Option<u64>,
    /// Bytes in all mounts of the environment, once all is there.
    pub all: u64,
    /// What the operator lets them hold: `processes.limits.disk`.
    pub limit: Option<u64>,
}

impl Load {
    /// What is too much, in words; none where all of it fits.
    #[must_use]
    pub fn excess(&self, path: &str) -> Option<String> {
        let over = |bytes: u64, most: Option<u64>| most.filter(|most| bytes > *most);
        if let Some(quota) = over(self.mount, self.quota) {
            return Some(format!(
                "{path} would hold {}, and its quota is {}",
                report::size(self.mount),
                report::size(quota)
            ));
        }
        let limit = over(self.all, self.limit)?;
        Some(format!(
            "the mounts would hold {} together, and processes.limits.disk is {}",
            report::size(self.all),
            report::size(limit)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application() -> Application {
        let path = |text| RelPath::parse(text).unwrap();
        Application {
            mounts: [
                (path("pub/media"), Mount::Data),
                (path("var"), Mount::Private),
            ]
            .into(),
            quotas: [(path("var"), 7)].into(),
            ..Application::default()
        }
    }

    #[test]
    fn a_path_names_a_mount_or_what_is_below_one() {
        let named = |path| {
            named(&application(), path).map(|found| {
                let below = found.below.to_string();
                (found.path(), found.mount.to_string(), below, found.quota)
            })
        };
        let text = str::to_owned;
        assert_eq!(
            named("var"),
            Ok((text("var"), text("var"), text("."), Some(7)))
        );
        assert_eq!(
            named("pub/media/a/b/"),
            Ok((text("pub/media/a/b"), text("pub/media"), text("a/b"), None))
        );
        for bad in ["pub", "variable", ".", "var/../x", "/var", ""] {
            assert!(named(bad).is_err(), "{bad}");
        }
        assert_eq!(all(&application()).len(), 2);
    }

    #[test]
    fn a_link_stays_where_it_goes_up_before_it_goes_down() {
        let stays = |link: &str, target: &str| stays(Path::new(link), Path::new(target));
        for (link, target) in [
            ("a", "b"),
            ("a/b", "../c/d"),
            ("a/b/c", "../../x"),
            ("a", "./b"),
        ] {
            assert!(stays(link, target), "{link} -> {target}");
        }
        for (link, target) in [
            ("a", "/etc"),
            ("a", "../b"),
            ("a/b", "../../c"),
            // `x` may be a link to the top.
            ("a/b", "x/../.."),
            ("a/b", "../x/../y"),
            ("a", ""),
        ] {
            assert!(!stays(link, target), "{link} -> {target}");
        }
    }

    #[test]
    fn what_is_too_much_is_said() {
        let load = Load {
            mount: 2_100_000_000,
            quota: Some(2_000_000_000),
            all: 3_000_000_000,
            limit: Some(4_000_000_000),
        };
        let said = load.excess("var").unwrap();
        assert_eq!(said, "var would hold 2.1 GB, and its quota is 2.0 GB");
        let fits = Load {
            quota: None,
            ..load
        };
        assert_eq!(fits.excess("var"), None);
        let small = Load {
            limit: Some(1_000_000_000),
            ..fits
        };
        assert!(
            small
                .excess("var")
                .unwrap()
                .contains("processes.limits.disk is 1.0 GB")
        );
    }
}
