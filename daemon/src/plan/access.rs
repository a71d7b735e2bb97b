//! Who may look at an environment's pages.

use wharf_config::project::{Access, Kind, Previews};
use wharf_wire::route::Who;

/// What an environment hands down to its children of what the operator said of it; none where they
/// look further up. That production is public says nothing of what is not production.
pub fn handed_down(kind: Kind, said: Option<&Access>) -> Option<Access> {
    match (kind, said) {
        (Kind::Production, Some(Access::Public)) | (_, None) => None,
        (_, Some(said)) => Some(said.clone()),
    }
}

/// Who may look without a link. `said` is the environment's own, or what was handed down to it.
pub fn who(kind: Kind, said: Option<Access>, hosts: &[String], names: Previews) -> Who {
    match said {
        Some(Access::Public) => Who::Everyone,
        Some(Access::Basic) => Who::Names(names),
        Some(Access::Allow(networks)) => Who::Networks(networks),
        None if kind == Kind::Production => Who::Everyone,
        // Nobody else finds the way to such a name.
        None if hosts.iter().all(|host| host.ends_with(".localhost")) => Who::Machine,
        None => Who::Names(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_spoke_of_is_public_in_production_only() {
        let names = Previews::from([("guest".to_owned(), "hash".to_owned())]);
        let who = |kind, said, host: &str| who(kind, said, &[host.to_owned()], names.clone());
        let (local, far) = ("x--shop.localhost", "x.shop.example.com");
        for kind in [Kind::Staging, Kind::Development] {
            assert_eq!(who(kind, None, local), Who::Machine);
            assert_eq!(who(kind, None, far), Who::Names(names.clone()));
            assert_eq!(who(kind, Some(Access::Public), far), Who::Everyone);
            assert_eq!(
                who(kind, Some(Access::Basic), local),
                Who::Names(names.clone())
            );
        }
        assert_eq!(who(Kind::Production, None, far), Who::Everyone);
        assert_eq!(
            who(Kind::Production, Some(Access::Basic), far),
            Who::Names(names.clone())
        );
    }

    #[test]
    fn a_public_production_opens_no_child() {
        let allow = Access::Allow(vec![]);
        assert_eq!(handed_down(Kind::Production, Some(&Access::Public)), None);
        assert_eq!(
            handed_down(Kind::Staging, Some(&Access::Public)),
            Some(Access::Public)
        );
        assert_eq!(
            handed_down(Kind::Production, Some(&allow)),
            Some(allow.clone())
        );
        assert_eq!(handed_down(Kind::Development, None), None);
    }
}
