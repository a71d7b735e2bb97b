//! A git host that is to know of the branches that Wharf moves itself.

/// The ways to a git host; git would know more, among them any command.
const SCHEMES: [&str; 4] = ["ssh://", "https://", "http://", "file:///"];

/// Where such moves are pushed to, as anybody pushes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The address of this project's repository.
    pub url: String,
    /// How ssh is run, as `GIT_SSH_COMMAND` says it; none: `ssh`, which asks nothing.
    pub ssh_command: Option<String>,
}

/// Reads its address.
///
/// # Errors
/// Why it is none.
pub(super) fn url(text: &str) -> Result<String, &'static str> {
    let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
    let Some(rest) = rest.filter(|rest| !rest.is_empty()) else {
        return Err("must begin with ssh://, https://, http:// or file:///");
    };
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("must have no spaces");
    }
    let host = rest.split('/').next().unwrap_or_default();
    let person = host.rsplit_once('@').map(|(person, _)| person);
    // Everybody may read a project's file.
    if person.is_some_and(|person| person.contains(':')) {
        return Err("must hold no password: ~/.netrc of the daemon's user may");
    }
    // ssh and the far side's git would take these for options.
    if rest.starts_with('-') || rest.contains("/-") {
        return Err("must have no name that begins with `-`");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_a_host_and_holds_no_secret() {
        for good in [
            "ssh://git@forge.example.com:2222/ada/shop.git",
            "https://wharf@forge.example.com/ada/shop.git",
            "file:///srv/git/shop.git",
        ] {
            assert_eq!(url(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "ssh://",
            "shop",
            "git@forge.example.com:shop.git",
            "ext::sh -c id",
            "ssh://-oProxyCommand=id/x",
            "ssh://host/-x",
            "https://wharf:secret@forge.example.com/shop.git",
            "https://forge.example.com/a b",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
