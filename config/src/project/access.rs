//! Who may look at an environment's pages.

use std::collections::BTreeMap;

use ipnet::IpNet;

/// Who may look. A granted link opens all but the last door: it is for one environment and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Who has a name and a password of `[previews]`.
    Basic,
    /// Who comes from one of these networks.
    Allow(Vec<IpNet>),
}

/// Names of those who may look, each with the bcrypt hash of a password, as `htpasswd -B` prints it.
pub type Previews = BTreeMap<String, String>;
