//! Where Wharf's files are on this machine.

use std::{ffi::OsString, path::PathBuf};

/// Whose Wharf it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// `WHARF_HOME`, else the user's own directories.
    Discover,
    /// `WHARF_HOME`, else the directories of the system's unit.
    System,
}

/// The four directories, all absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What people wrote.
    pub config: PathBuf,
    /// What Wharf remembers.
    pub state: PathBuf,
    /// Sockets; gone after a reboot.
    pub run: PathBuf,
    /// Bare repositories that Wharf made.
    pub git: PathBuf,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// `WHARF_HOME` is relative.
    #[error("WHARF_HOME is `{}`, but must be an absolute path", .0.display())]
    RelativeHome(PathBuf),
    /// Nothing says where the user's directories are.
    #[error("neither WHARF_HOME nor HOME is set to an absolute path; set WHARF_HOME=DIR")]
    NoHome,
    /// A socket's path does not fit the system's limit.
    #[error(
        "the socket path `{}` has {} bytes, the system allows {}; set WHARF_HOME to a shorter directory",
        .0.display(), .0.as_os_str().len(), MAX_SOCKET
    )]
    LongSocket(PathBuf),
}

/// What Wharf remembers where it is the system's.
pub const SYSTEM_STATE: &str = "/var/lib/wharf";

/// The longest path of a Unix socket: 108 bytes of `sun_path` with its NUL.
pub const MAX_SOCKET: usize = 107;
/// Bytes that the daemon may need below the run directory: `keepers/<instance>.sock`.
const LONGEST_SOCKET: &str = "keepers/0123456789abcdef.sock";

impl Place {
    /// Finds the place by this process's environment.
    pub fn from_env(kind: PlaceKind) -> Result<Self, PlaceError> {
        Self::from_vars(kind, |name| std::env::var_os(name))
    }

    /// Whether it is the system's own place, which belongs to the user `wharf`.
    pub fn is_system(&self) -> bool {
        self.state == std::path::Path::new(SYSTEM_STATE)
    }

    /// Finds the place by the given variables.
    pub fn from_vars(
        kind: PlaceKind,
        var: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, PlaceError> {
        let set = |name: &str| {
            var(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        // The XDG rules: a relative path is as good as none.
        let absolute = |name: &str| set(name).filter(|path| path.is_absolute());
        let place = match (set("WHARF_HOME"), kind) {
            (Some(home), _) if home.is_relative() => return Err(PlaceError::RelativeHome(home)),
            (Some(home), _) => Self::below(home),
            (None, PlaceKind::System) => Self {
                config: "/etc/wharf".into(),
                state: SYSTEM_STATE.into(),
                run: "/run/wharf".into(),
                git: "/srv/git".into(),
            },
            (None, PlaceKind::Discover) => {
                let xdg = |name: &str, below: &str| match absolute(name) {
                    Some(dir) => Ok(dir.join("wharf")),
                    None => absolute("HOME")
                        .map(|home| home.join(below).join("wharf"))
                        .ok_or(PlaceError::NoHome),
                };
                let state = xdg("XDG_STATE_HOME", ".local/state")?;
                let run = match absolute("XDG_RUNTIME_DIR") {
                    Some(dir) => dir.join("wharf"),
                    None => state.join("run"),
                };
                Self {
                    config: xdg("XDG_CONFIG_HOME", ".config")?,
                    git: xdg("XDG_DATA_HOME", ".local/share")?.join("git"),
                    state,
                    run,
                }
            }
        };
        let longest = place.run.join(LONGEST_SOCKET);
        if longest.as_os_str().len() > MAX_SOCKET {
            return Err(PlaceError::LongSocket(longest));
        }
        Ok(place)
    }

    /// The place that `WHARF_HOME` names, unchecked.
    pub fn below(home: impl Into<PathBuf>) -> Self {
        let home = home.into();
        Self {
            config: home.join("config"),
            state: home.join("state"),
            run: home.join("run"),
            git: home.join("git"),
        }
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        self.run.join("wharfd.sock")
    }

    /// The router's control socket.
    pub fn router_socket(&self) -> PathBuf {
        self.run.join("router.sock")
    }

    /// The host's configuration.
    pub fn host_file(&self) -> PathBuf {
        self.config.join("wharfd.toml")
    }

    /// Where additions to the host's configuration are.
    pub fn drop_ins_dir(&self) -> PathBuf {
        self.config.join("wharfd.d")
    }

    /// What the distribution's package says, below everything that the operator wrote.
    pub fn vendor_file(&self) -> Option<PathBuf> {
        (self.config == std::path::Path::new("/etc/wharf"))
            .then(|| PathBuf::from("/usr/lib/wharf/wharfd.toml"))
    }

    /// Where project files are, unless the host's configuration says otherwise.
    pub fn projects_dir(&self) -> PathBuf {
        self.config.join("projects.d")
    }

    /// The project files as they were when they were good the last time.
    pub fn kept_projects_dir(&self) -> PathBuf {
        self.state.join("projects")
    }

    /// Where routes are, one file an environment.
    pub fn routes_dir(&self) -> PathBuf {
        self.state.join("routes")
    }
}

#[cfg(test)]
mod tests;
