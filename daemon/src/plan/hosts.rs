//! Which hosts a developer's routes may name: those that the operator gave the environment, and what
//! stands before its own, where nobody else's could ever stand.

use std::collections::BTreeMap;

use wharf_config::application::{Application, At};

use super::policy::Reason;

/// Characters of a host's name, at most.
const LONGEST: usize = 253;

/// Hosts that are spoken for, and by whom, as a phrase.
pub type Taken = BTreeMap<String, Owner>;

/// Who has a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Environments are named below it: whatever stands before it is another one's, now or later.
    Domain,
    /// It was given to this environment.
    Environment(String),
}

/// Why an application's routes may not name what they name, for an environment with these hosts.
pub fn refused(application: &Application, own: &[String], taken: &Taken) -> Vec<Reason> {
    let Some(first) = own.first() else {
        return Vec::new();
    };
    // Each once, where it is written first.
    let mut labels: BTreeMap<&str, &At> = BTreeMap::new();
    for route in &application.routes {
        if let Some(label) = &route.label {
            labels.entry(label).or_insert(&route.at);
        }
    }
    let reason = |(label, at): (&str, &At)| {
        let host = format!("{label}.{first}");
        if own.contains(&host) {
            return None;
        }
        let at = at.word().map(|at| format!("{at}: ")).unwrap_or_default();
        if host.len() > LONGEST {
            return Some(Reason {
                code: "host-not-allowed",
                message: format!("{at}a route names {host}, which is too long for a host's name"),
                hint: Some("choose a shorter label, or a shorter branch name".to_owned()),
            });
        }
        let whose = match (taken.get(&host), taken.get(first)) {
            (Some(Owner::Environment(name)), _) => format!("it is {name}'s"),
            (Some(Owner::Domain), _) => "environments are named below it".to_owned(),
            (None, Some(Owner::Domain)) => format!("environments are named below {first}"),
            (None, Some(Owner::Environment(_)) | None) => return None,
        };
        Some(Reason {
            code: "host-not-allowed",
            message: format!("{at}a route names {host}, but {whose}"),
            hint: Some("the host's operator can add it to the environment's hosts".to_owned()),
        })
    };
    labels.into_iter().filter_map(reason).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_config::application::{Paths, Route, To};

    #[test]
    fn what_stands_before_a_domain_is_the_operators() {
        let route = |label: &str| Route {
            label: Some(label.to_owned()),
            path: Paths::Below("/".to_owned()),
            to: To::Web,
            at: At::File("wharf.toml".to_owned()),
        };
        let application = Application {
            routes: vec![route("www"), route("api"), route("www")],
            ..Application::default()
        };
        let taken = Taken::from([
            ("shop.test".to_owned(), Owner::Domain),
            (
                "api.b.shop.test".to_owned(),
                Owner::Environment("shop/c".to_owned()),
            ),
        ]);
        let said = |own: &[&str]| -> Vec<String> {
            let own: Vec<String> = own.iter().map(|&host| host.to_owned()).collect();
            let reasons = refused(&application, &own, &taken);
            reasons.into_iter().map(|reason| reason.message).collect()
        };
        assert_eq!(
            said(&["shop.test", "www.shop.test"]),
            ["wharf.toml: a route names api.shop.test, but environments are named below shop.test"]
        );
        assert_eq!(
            said(&["b.shop.test"]),
            ["wharf.toml: a route names api.b.shop.test, but it is shop/c's"]
        );
        let long = format!("{}.test", ["a"; 124].join("."));
        assert!(said(&[&long])[0].ends_with("which is too long for a host's name"));
        assert!(said(&["c.shop.test"]).is_empty());
        assert!(said(&["main--shop.localhost"]).is_empty());
    }
}
