//! Where addresses of an environment lead, beside its files and its process.

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderValue, Request, StatusCode};
use regex::bytes::{Regex, RegexBuilder};
use wharf_wire::route::{Paths, Rule, To};

use crate::{headers, host, path::Plain, upstream::Process};

/// The most rules of an environment.
const MAX_RULES: usize = 200;
/// The longest regular expression, and the longest address, in bytes.
const MAX_TEXT: usize = 1_024;
/// What a compiled regular expression may take, in bytes.
const MAX_COMPILED: usize = 256 * 1024;
/// The longest address that an expression may make of a path.
const MAX_ADDRESS: usize = 8 * 1024;

/// The rules, in the order in which they are asked: those of one host, then those of all; regular
/// expressions as they were written, then paths, the longest first.
#[derive(Debug, Default)]
pub(crate) struct Ways(Vec<Step>);

#[derive(Debug)]
struct Step {
    /// None: every host.
    host: Option<String>,
    paths: Match,
    to: Lead,
}

#[derive(Debug)]
enum Match {
    Below(Plain),
    Like(Regex),
}

#[derive(Debug)]
enum Lead {
    Web,
    Process(Arc<Process>),
    Redirect(Target),
}

#[derive(Debug)]
struct Target {
    /// One of this environment's hosts; then `to` is a path.
    own: Option<String>,
    to: String,
    code: StatusCode,
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// To the files, then to the web process.
    Web,
    /// To this process.
    Process(Arc<Process>),
    /// Elsewhere, by itself.
    Away(StatusCode, Away),
}

/// Where a visitor is sent, but for what only the request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Away {
    /// An address as it stands.
    Whole(String),
    /// A host of this environment, which is reached as the request was, and a path.
    Own(String, String),
}

impl Ways {
    /// Makes the rules of an environment ready.
    ///
    /// # Errors
    /// What no route can say.
    pub(crate) fn new(
        rules: Vec<Rule>,
        hosts: &[String],
        processes: &BTreeMap<String, Arc<Process>>,
    ) -> Result<Self, &'static str> {
        if rules.len() > MAX_RULES {
            return Err("has more than 200 rules");
        }
        let step = |rule: Rule| Step::new(rule, hosts, processes);
        let mut steps = rules.into_iter().map(step).collect::<Result<Vec<_>, _>>()?;
        steps.sort_by_key(|step| {
            let length = match &step.paths {
                Match::Like(_) => usize::MAX,
                Match::Below(path) => path.encoded().len(),
            };
            (step.host.is_none(), std::cmp::Reverse(length))
        });
        Ok(Self(steps))
    }

    /// Hosts that only rules name.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|step| step.host.as_deref())
    }

    /// Where an address leads.
    pub(crate) fn find(&self, host: &str, path: Option<&Plain>) -> Way {
        let Some(path) = path else { return Way::Web };
        let mut steps = self.0.iter().filter(|step| match &step.host {
            Some(own) => own == host,
            None => true,
        });
        steps.find_map(|step| step.way(path)).unwrap_or(Way::Web)
    }
}

impl Step {
    fn new(
        rule: Rule,
        hosts: &[String],
        processes: &BTreeMap<String, Arc<Process>>,
    ) -> Result<Self, &'static str> {
        let first = hosts.first().ok_or("has rules, and no host")?;
        let host = rule.label.map(|label| format!("{label}.{first}"));
        let is_good = |name: &String| host::parse(name).is_ok_and(|host| host == name.as_str());
        if !host.as_ref().is_none_or(is_good) {
            return Err("a rule's host is not a lower-case name");
        }
        let paths = match rule.path {
            Paths::Below(path) => match Plain::read(&path) {
                Some(plain) if plain.encoded().ends_with('/') => Match::Below(plain),
                _ => return Err("a rule's path does not begin and end with a slash"),
            },
            Paths::Like(text) => Match::Like(compile(&text)?),
        };
        let to = match rule.to {
            To::Web => Lead::Web,
            To::Process(name) => {
                let process = processes.get(&name).ok_or("a rule names no process")?;
                Lead::Process(Arc::clone(process))
            }
            To::Redirect { to, code } => Lead::Redirect(Target::new(to, code, first)?),
        };
        Ok(Self { host, paths, to })
    }

    fn way(&self, path: &Plain) -> Option<Way> {
        match (&self.paths, &self.to) {
            (Match::Below(top), Lead::Redirect(target)) => {
                let mut to = target.to.clone();
                let rest = path.below(top)?;
                if to.ends_with('/') {
                    to.push_str(rest);
                }
                Some(target.way(to))
            }
            (Match::Like(like), Lead::Redirect(target)) => {
                let groups = like.captures(path.encoded().as_bytes())?;
                let mut to = Vec::new();
                groups.expand(target.to.as_bytes(), &mut to);
                // Both halves are ASCII, or nobody could send it.
                String::from_utf8(to).ok().map(|to| target.way(to))
            }
            (Match::Below(top), _) => path.below(top).map(|_| self.to.here()),
            (Match::Like(like), _) => like
                .is_match(path.encoded().as_bytes())
                .then(|| self.to.here()),
        }
    }
}

impl Lead {
    fn here(&self) -> Way {
        match self {
            Self::Process(process) => Way::Process(Arc::clone(process)),
            Self::Web | Self::Redirect(_) => Way::Web,
        }
    }
}

impl Target {
    fn new(to: String, code: u16, first: &str) -> Result<Self, &'static str> {
        let code = match code {
            301 | 302 | 307 | 308 => StatusCode::from_u16(code),
            _ => return Err("a redirect's code is none of 301, 302, 307, 308"),
        };
        let code = code.expect("one of four");
        let rest = to.strip_prefix("https://").unwrap_or_default();
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let target = match host.strip_suffix("{default}") {
            Some(label) if !path.is_empty() && (label.is_empty() || label.ends_with('.')) => Self {
                own: Some(format!("{label}{first}")),
                to: path.to_owned(),
                code,
            },
            _ => Self {
                own: None,
                to,
                code,
            },
        };
        let is_good = ["/", "https://", "http://"]
            .iter()
            .any(|start| target.to.starts_with(start));
        match target.to.len() <= MAX_TEXT && is_good && !target.to.contains('{') {
            true => Ok(target),
            false => Err("a redirect's address is none, or too long"),
        }
    }

    /// Our own hosts are written with `https://`, and reached as the visitor has come.
    fn way(&self, to: String) -> Way {
        let to: String = to.chars().take(MAX_ADDRESS).collect();
        // A group that begins with a slash would make another host of a path.
        let to = match to.starts_with("//") {
            true => format!("/{}", to.trim_start_matches('/')),
            false => to,
        };
        Way::Away(
            self.code,
            match &self.own {
                Some(host) => Away::Own(host.clone(), to),
                None => Away::Whole(to),
            },
        )
    }
}

impl Away {
    /// The address for who has sent this request, with what it asks.
    pub(crate) fn address<B>(&self, request: &Request<B>) -> Option<HeaderValue> {
        let mut address = match self {
            Self::Whole(address) => address.clone(),
            Self::Own(host, path) => {
                let scheme = if headers::is_https(request.headers()) {
                    "https"
                } else {
                    "http"
                };
                let port =
                    host::port(request.uri(), request.headers()).map(|port| format!(":{port}"));
                format!("{scheme}://{host}{}{path}", port.unwrap_or_default())
            }
        };
        if let Some(query) = request.uri().query()
            && !address.contains('?')
        {
            address.push('?');
            address.push_str(query);
        }
        HeaderValue::try_from(address).ok()
    }
}

/// Compiles a regular expression: linear in time, bounded in size, over the encoded path.
fn compile(text: &str) -> Result<Regex, &'static str> {
    if text.len() > MAX_TEXT {
        return Err("a rule's regular expression is too long");
    }
    RegexBuilder::new(&format!("^(?:{text})$"))
        .unicode(false)
        .size_limit(MAX_COMPILED)
        .dfa_size_limit(MAX_COMPILED)
        .build()
        .map_err(|_| "a rule's regular expression is none, or too large")
}

#[cfg(test)]
mod tests;
