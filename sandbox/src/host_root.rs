//! What of the host every sandbox sees: an allow-list, looked up once.

use std::path::{Path, PathBuf};

/// Programs and libraries. A link stays a link, a directory is bound, what is not there is left out.
const PROGRAMS: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// What programs read below `/etc`. `/etc/ssl/private` is not among it: in a daemon that runs as
/// root the sandbox's user could read it.
const ETC: [&str; 31] = [
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/chromium",
    "/etc/chromium.d",
    "/etc/crypto-policies",
    "/etc/debian_version",
    "/etc/fonts",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/npmrc",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/php",
    "/etc/pip.conf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
];

/// What of the host every sandbox sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoot {
    /// Directories with programs, bound read-only at their own path.
    pub directories: Vec<PathBuf>,
    /// Links and where they lead, such as `/bin` to `usr/bin`.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Files and directories below `/etc`, bound read-only; a link is followed, as `resolv.conf` often is.
    pub etc: Vec<PathBuf>,
}

impl HostRoot {
    /// Looks at the host.
    #[must_use]
    pub fn probe() -> Self {
        let mut root = Self {
            directories: vec!["/usr".into()],
            links: vec![],
            etc: vec![],
        };
        for path in PROGRAMS.map(Path::new) {
            if let Ok(target) = path.read_link() {
                root.links.push((path.into(), target));
            } else if path.is_dir() {
                root.directories.push(path.into());
            }
        }
        for path in ETC.map(Path::new) {
            match path.read_link() {
                // Programs read the time zone's name from the link itself.
                Ok(target) if target.starts_with("/usr") => root.links.push((path.into(), target)),
                _ if path.exists() => root.etc.push(path.into()),
                _ => {}
            }
        }
        root
    }
}

/// `/etc/passwd` of every sandbox.
pub const PASSWD: &str = "app:x:1000:1000:app:/home/app:/bin/sh\n\
    nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";

/// `/etc/group` of every sandbox.
pub const GROUP: &str = "app:x:1000:\nnogroup:x:65534:\n";
