//! Where an environment's requests go: what a release makes of its route.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wharf_config::application::{Application, Paths, Protocol, To};
use wharf_wire::route::{self, FastCgi, Location, Route, Rule, Upstream};

use super::activity::Act;
use super::assets;
use super::failure::Failure;
use super::launch::Launched;
use super::release;
use crate::run::sandbox::APP;
use crate::store::release::ReleaseRecord;

/// What an environment's requests are to follow; see [`Route`] for each.
#[derive(Debug)]
pub struct Target {
    /// The release that serves.
    pub release: u32,
    /// Static files that are tried first.
    pub public: Option<PathBuf>,
    /// What lies over them.
    pub over: BTreeMap<PathBuf, PathBuf>,
    /// The process that answers what is not a file.
    pub upstream: Option<Upstream>,
    /// What it speaks.
    pub protocol: route::Protocol,
    /// Other processes, by name.
    pub processes: BTreeMap<String, route::Process>,
    /// What else addresses lead to.
    pub rules: Vec<Rule>,
    /// What holds below paths.
    pub locations: Vec<Location>,
}

/// Where requests go once this release serves, but for its processes.
///
/// # Errors
/// That what is to be served is not there, or leads out of the slug.
pub fn of(act: &Act, release: &ReleaseRecord) -> Result<Target, Failure> {
    let application = &release.application;
    let speaks = application.web.as_ref().map(|web| web.protocol);
    Ok(Target {
        release: release.number,
        public: match assets::public(act, release)? {
            Some(public) => Some(public),
            None => files(act, application, &release.slug)?,
        },
        over: over(act, release),
        upstream: None,
        protocol: speaks.map_or(route::Protocol::Http, |speaks| {
            protocol(application, speaks)
        }),
        processes: BTreeMap::new(),
        rules: rules(application),
        locations: locations(application),
    })
}

/// The directory of static files, where there is one.
///
/// # Errors
/// That it, or the script that answers what is no file, is not there or leads out of the slug.
pub fn files(act: &Act, application: &Application, slug: &str) -> Result<Option<PathBuf>, Failure> {
    let public = release::public(act, application, slug)?;
    let front = application.front.as_ref();
    // What the deploy makes is not there yet.
    let Some(front) = front.filter(|_| !assets::holds_public(application)) else {
        return Ok(public);
    };
    let tree = act.world.paths.slugs().join(slug);
    let top = public.as_deref().unwrap_or(&tree);
    let found = tokio::task::block_in_place(|| {
        let (tree, found) = (
            tree.canonicalize()?,
            top.join(front.as_path()).canonicalize()?,
        );
        Ok::<_, std::io::Error>(found.starts_with(tree) && found.is_file())
    });
    match found {
        Ok(true) => Ok(public),
        Ok(false) | Err(_) => Err(Failure::new(
            "front-missing",
            format!("front = \"{front}\" is no file of the build's result"),
        )
        .hint("it is looked for below `public`; links must not lead out of the tree")),
    }
}

impl Target {
    /// Takes the processes that were started; one that was not goes on where it did.
    pub fn serves(
        &mut self,
        launched: &Launched,
        application: &Application,
        before: Option<Route>,
    ) {
        let before = before.filter(|route| route.release == self.release);
        let (web, others) =
            before.map_or_else(Default::default, |route| (route.upstream, route.processes));
        self.upstream = launched.upstream.clone().or(web);
        self.processes = others;
        for (name, upstream) in &launched.others {
            let said = application.processes.iter();
            let mut said = said.filter(|(said, _)| said.as_str() == name);
            let speaks = said.next().map_or(Protocol::Http, |(_, one)| one.protocol);
            let process = route::Process {
                upstream: upstream.clone(),
                protocol: protocol(application, speaks),
            };
            self.processes.insert(name.clone(), process);
        }
    }
}

/// Which scripts a process runs: those of the static files, as it sees them.
pub fn scripts(application: &Application) -> FastCgi {
    let top = application
        .public
        .as_ref()
        .filter(|public| !public.is_top());
    FastCgi {
        root: top.map_or(APP.into(), |public| Path::new(APP).join(public.as_path())),
        front: application
            .front
            .as_ref()
            .map(|front| front.as_path().to_owned()),
    }
}

fn protocol(application: &Application, speaks: Protocol) -> route::Protocol {
    match speaks {
        Protocol::Http => route::Protocol::Http,
        Protocol::Fastcgi => route::Protocol::FastCgi(scripts(application)),
    }
}

/// The mounts below the directory of static files, and what the release made there itself. Where that is the whole tree there are none: a
/// tree's data is not for visitors because its code is.
fn over(act: &Act, release: &ReleaseRecord) -> BTreeMap<PathBuf, PathBuf> {
    let application = &release.application;
    let mut over = assets::overlays(act, release);
    let Some(public) = application
        .public
        .as_ref()
        .filter(|public| !public.is_top())
    else {
        return over;
    };
    let (project, id) = (&act.project.name, &act.key().id);
    let mounts = application.mounts.keys();
    let below = mounts.filter_map(|path| {
        let below = path.as_path().strip_prefix(public.as_path()).ok()?;
        let is_below = below.components().next().is_some();
        is_below.then(|| (below.to_owned(), act.world.paths.mount(project, id, path)))
    });
    over.extend(below);
    over
}

fn rules(application: &Application) -> Vec<Rule> {
    let rule = |said: &wharf_config::application::Route| Rule {
        label: said.label.clone(),
        path: match &said.path {
            Paths::Below(path) => route::Paths::Below(path.clone()),
            Paths::Like(text) => route::Paths::Like(text.clone()),
        },
        to: match &said.to {
            To::Web => route::To::Web,
            To::Process(name) => route::To::Process(name.to_string()),
            To::Redirect { to, code } => route::To::Redirect {
                to: to.clone(),
                code: *code,
            },
        },
    };
    application.routes.iter().map(rule).collect()
}

fn locations(application: &Application) -> Vec<Location> {
    let location = |(path, said): (&String, &wharf_config::application::Location)| Location {
        path: path.clone(),
        expires: said.expires.map(|long| long.as_secs()),
        front: said.front,
        allow: said.allow,
    };
    application.locations.iter().map(location).collect()
}
