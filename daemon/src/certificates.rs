//! Whether the certificates that the operator named are good, for how long, and for which hosts. For
//! `wharf doctor` and `wharfd check`.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use wharf_router::tls::Certificate;
use wharf_wire::secure::Pair;
use wharf_wire::view::{Finding, Severity};

use crate::execute::failure::chain;
use crate::settings::Settings;

/// Whoever renews by itself has done so by then: certbot begins 30 days before the end.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Names that are said at a time.
const NAMES: usize = 5;

/// Looks at every certificate. Blocks.
pub fn findings(settings: &Settings, now: SystemTime) -> Vec<Finding> {
    let tls = &settings.host.tls;
    let Some(listen) = tls.listen else {
        return Vec::new();
    };
    let (mut found, mut good) = (Vec::new(), Vec::new());
    for pair in &tls.certificates {
        let pair = Pair {
            chain: pair.chain.clone(),
            key: pair.key.clone(),
        };
        match Certificate::read(&pair) {
            Ok(certificate) => {
                found.extend(end(&certificate, now));
                good.push(certificate);
            }
            Err(error) => {
                let hint = "it must be a pair that the router's user may read: docs/tls.md";
                let text = format!("a certificate is of no use: {}", chain(&error));
                found.push(finding(Severity::Error, "certificate", text, hint));
            }
        }
    }
    found.extend(uncovered(settings, &good));
    if found.is_empty() {
        let first = good.iter().map(|one| one.until).min();
        found.push(Finding {
            severity: Severity::Good,
            code: "certificate".into(),
            message: format!(
                "TLS on {listen}, certificates: {}, the first of which ends on {}",
                good.len(),
                first.map_or_else(String::new, day)
            ),
            hint: None,
        });
    }
    found
}

/// What is said of a certificate that ends soon, or has.
fn end(certificate: &Certificate, now: SystemTime) -> Option<Finding> {
    let (file, day) = (certificate.from.chain.display(), day(certificate.until));
    let hint = "renew it; new files are taken up by themselves";
    let Ok(left) = certificate.until.duration_since(now) else {
        let text = format!("the certificate in {file} ended on {day}: browsers refuse it");
        return Some(finding(Severity::Error, "certificate", text, hint));
    };
    (left < SOON).then(|| {
        let days = left.as_secs() / (24 * 60 * 60);
        let text = format!("the certificate in {file} ends on {day}, in {days} days");
        finding(Severity::Warning, "certificate", text, hint)
    })
}

/// Hosts of the projects that no certificate names.
fn uncovered(settings: &Settings, good: &[Certificate]) -> Option<Finding> {
    let wanted = hosts(settings);
    let is_covered = |host: &&String| good.iter().any(|one| one.covers(host));
    let bare: Vec<&str> = wanted
        .iter()
        .filter(|host| !is_covered(host))
        .map(String::as_str)
        .collect();
    if bare.is_empty() {
        return None;
    }
    let mut names = bare[..bare.len().min(NAMES)].join(", ");
    if bare.len() > NAMES {
        names.push_str(&format!(" and {} more", bare.len() - NAMES));
    }
    let text = format!("no certificate is for {names}: browsers refuse what is there");
    let hint = "have one made for them, and name it in router.tls.certificates";
    Some(finding(Severity::Warning, "certificate-names", text, hint))
}

/// Every name that environments may have: those that the operator wrote, domains, and one label below
/// them. Names without a domain are this machine's own, which no certificate is for.
fn hosts(settings: &Settings) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    for (name, project) in &settings.projects {
        let domain = match (&project.domain, &settings.host.domain) {
            (Some(domain), _) => Some(domain.to_string()),
            (None, Some(domain)) => Some(format!("{name}.{domain}")),
            (None, None) => None,
        };
        if let Some(domain) = domain {
            hosts.insert(format!("*.{domain}"));
            hosts.insert(domain);
        }
        let named = project.environments.iter().flat_map(|rule| &rule.hosts);
        hosts.extend(named.map(ToString::to_string));
    }
    hosts.retain(|host| !crate::settings::is_own(host));
    hosts
}

fn day(at: SystemTime) -> String {
    Timestamp::try_from(at).map_or_else(
        |_| "a day beyond 9999".to_owned(),
        |at| at.strftime("%Y-%m-%d").to_string(),
    )
}

fn finding(severity: Severity, code: &str, message: String, hint: &str) -> Finding {
    Finding {
        severity,
        code: code.into(),
        message,
        hint: Some(hint.into()),
    }
}
