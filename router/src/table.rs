//! The table: which environment answers for a host.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};
use tracing::{info, warn};
use wharf_wire::route::Upstream;

use crate::{
    last_use::Clock,
    name::{Name, NameError},
    path::Plain,
    places::Places,
    site::{Site, SiteError},
    upstream::{Flight, Process, Upstreams},
    waking::Waking,
    ways::Way,
};

/// Every route that serves.
#[derive(Debug)]
pub struct Table {
    routes: PathBuf,
    upstreams: Upstreams,
    pub(crate) clock: Clock,
    pub(crate) waking: Waking,
    /// Requests that wait for the end of a maintenance.
    pub(crate) held: Places,
    live: RwLock<Live>,
    /// Held while a file is read and put in its place, so that an older one never overtakes.
    loading: Mutex<()>,
}

/// Why an environment's route could not be loaded. The table is as it was.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The names are not names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The file is not usable.
    #[error(transparent)]
    Site(#[from] SiteError),
}

/// A host's environment, where the request goes there, and its flight if that is a process.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) site: Arc<Site>,
    pub(crate) way: Way,
    pub(crate) flight: Option<Flight>,
}

impl Found {
    /// The process that the request may go to.
    pub(crate) fn process(&self) -> Option<&Arc<Process>> {
        match &self.way {
            Way::Process(process) => Some(process),
            Way::Web => self.site.web.as_ref(),
            Way::Away(..) => None,
        }
    }
}

impl Table {
    /// Reads every route of a directory. What is not usable is said and left out: one bad file must
    /// not keep the others from being served. Blocks.
    ///
    /// # Errors
    /// When the directory itself cannot be read.
    pub fn read(routes: PathBuf) -> io::Result<Self> {
        let upstreams = Upstreams::default();
        let mut live = Live::default();
        for name in names(&routes)? {
            match Site::read(&routes, &name, &upstreams) {
                Ok(Some(site)) => drop(live.put(site)),
                Ok(None) => {}
                Err(error) => warn!(route = %name, error = chain(&error), "route left out"),
            }
        }
        info!(routes = live.sites.len(), "table read");
        Ok(Self {
            routes,
            upstreams,
            clock: Clock::start(),
            waking: Waking::default(),
            held: Places::default(),
            live: RwLock::new(live),
            loading: Mutex::new(()),
        })
    }

    /// Reads one environment's file again, or forgets its route when the file is gone; answers the
    /// generation that new requests follow. When this returns, no new request meets the old route.
    ///
    /// # Errors
    /// When the file is not usable: the old route goes on.
    pub async fn load(
        self: &Arc<Self>,
        project: &str,
        environment: &str,
    ) -> Result<Option<u64>, LoadError> {
        let name = Name::new(project, environment)?;
        let _one_at_a_time = self.loading.lock().await;
        let table = Arc::clone(self);
        let loaded = tokio::task::spawn_blocking(move || {
            let site = Site::read(&table.routes, &name, &table.upstreams)?;
            let generation = site.as_ref().map(|site| site.generation);
            let old = {
                let mut live = table.live.write().unwrap_or_else(PoisonError::into_inner);
                match site {
                    // A daemon that starts tells of every route.
                    Some(site) if live.has(&site) => return Ok(generation),
                    Some(site) => live.put(site),
                    None => live.remove(&name),
                }
            };
            if let Some(old) = &old {
                old.replaced.cancel();
            }
            table.waking.forget(&name);
            // Closes the idle connections to the old process, outside of the lock.
            drop(old);
            info!(route = %name, generation, "route loaded");
            Ok(generation)
        });
        loaded.await.expect("reading a route does not panic")
    }

    /// The environment that answers for a host. The request is counted under the same lock in which
    /// the route is read: a drain that begins after a switch misses none.
    pub(crate) fn find(&self, host: &str, path: Option<&Plain>) -> Option<Found> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let site = Arc::clone(live.hosts.get(host)?);
        let way = site.ways.find(host, path);
        let mut found = Found {
            site,
            way,
            flight: None,
        };
        found.flight = found.process().map(|process| Flight::begin(&process.pool));
        Some(found)
    }

    /// How long ago somebody was let in who asked for an environment, or since the router started;
    /// no time at all while somebody is answered. None without a route.
    pub(crate) fn unused(&self, project: &str, environment: &str) -> Option<Duration> {
        let name = Name::new(project, environment).ok()?;
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let site = live.sites.get(&name)?;
        match site.is_busy() {
            true => Some(Duration::ZERO),
            false => Some(site.last_use.ago(self.clock)),
        }
    }

    /// Waits until no request is in flight to a process, or the time; answers how many are left.
    pub async fn drained(&self, upstream: &Upstream, longest: Duration) -> u32 {
        self.upstreams
            .drained(upstream, Instant::now() + longest)
            .await
    }

    /// How many environments have a route.
    pub fn len(&self) -> usize {
        self.live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .sites
            .len()
    }

    /// Whether nothing is served.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The names of a directory's routes, in order.
fn names(routes: &PathBuf) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(routes)? {
        let file = entry?.file_name();
        let Some(stem) = file.to_str().and_then(|file| file.strip_suffix(".json")) else {
            continue;
        };
        match Name::of_stem(stem) {
            Ok(name) => names.push(name),
            Err(error) => warn!(file = %file.display(), %error, "route left out"),
        }
    }
    names.sort();
    Ok(names)
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// What [`Table`] guards.
#[derive(Debug, Default)]
struct Live {
    sites: BTreeMap<Name, Arc<Site>>,
    hosts: HashMap<String, Arc<Site>>,
}

impl Live {
    /// Puts a site in the place of its environment's former one, which is returned.
    fn put(&mut self, mut site: Site) -> Option<Arc<Site>> {
        if let Some(old) = self.sites.get(&site.name) {
            site.last_use = old.last_use.clone();
        }
        let site = Arc::new(site);
        let old = self.sites.insert(site.name.clone(), Arc::clone(&site));
        for host in &site.hosts {
            match self.hosts.get(host) {
                Some(holder) if holder.name != site.name => {
                    warn!(%host, holder = %holder.name, claims = %site.name, "host is taken");
                }
                _ => drop(self.hosts.insert(host.clone(), Arc::clone(&site))),
            }
        }
        if let Some(old) = &old {
            self.release(old);
        }
        old
    }

    /// Whether an environment's site was made of the same file.
    fn has(&self, site: &Site) -> bool {
        let there = self.sites.get(&site.name);
        there.is_some_and(|there| there.stamp == site.stamp)
    }

    /// Forgets an environment.
    fn remove(&mut self, name: &Name) -> Option<Arc<Site>> {
        let old = self.sites.remove(name)?;
        self.release(&old);
        Some(old)
    }

    /// Frees the hosts that are still an old site's; whoever else claims one gets it.
    fn release(&mut self, old: &Arc<Site>) {
        for host in &old.hosts {
            if self
                .hosts
                .get(host)
                .is_some_and(|holder| Arc::ptr_eq(holder, old))
            {
                match self.sites.values().find(|site| site.hosts.contains(host)) {
                    Some(site) => drop(self.hosts.insert(host.clone(), Arc::clone(site))),
                    None => drop(self.hosts.remove(host)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{doors::Doors, last_use::LastUse, locations::Locations, ways::Ways};
    use tokio_util::sync::CancellationToken;

    fn site(environment: &str, generation: u64, hosts: &[&str]) -> Site {
        Site {
            name: Name::new("shop", environment).unwrap(),
            stamp: (std::time::UNIX_EPOCH, generation),
            generation,
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            doors: Doors::default(),
            last_use: LastUse::default(),
            replaced: CancellationToken::new(),
            kind: wharf_wire::route::Kind::default(),
            robots: None,
            files: None,
            web: None,
            processes: BTreeMap::new(),
            ways: Ways::default(),
            locations: Locations::default(),
            unavailable: None,
            maintenance: None,
        }
    }

    fn holder(live: &Live, host: &str) -> Option<(String, u64)> {
        live.hosts
            .get(host)
            .map(|site| (site.name.to_string(), site.generation))
    }

    #[test]
    fn whoever_serves_a_host_keeps_it_and_the_next_one_inherits() {
        let mut live = Live::default();
        live.put(site("b", 1, &["x", "y"]));
        live.put(site("a", 1, &["x"]));
        assert_eq!(holder(&live, "x"), Some(("shop.b".to_owned(), 1)));
        live.put(site("b", 2, &["x"]));
        assert_eq!(holder(&live, "x"), Some(("shop.b".to_owned(), 2)));
        assert_eq!(holder(&live, "y"), None);
        live.remove(&Name::new("shop", "b").unwrap());
        assert_eq!(holder(&live, "x"), Some(("shop.a".to_owned(), 1)));
        live.remove(&Name::new("shop", "a").unwrap());
        assert!(live.hosts.is_empty() && live.sites.is_empty());
    }

    #[tokio::test]
    async fn a_bad_file_leaves_the_table_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("shop.main.json");
        let good = r#"{"version":1,"project":"shop","environment":"main","release":1,"generation":7,
            "hosts":["shop.test"],"url":"http://shop.test/","noindex":false,"public":null,
            "upstream":{"tcp":"127.0.0.1:9"}}"#;
        std::fs::write(&file, good).unwrap();
        let table = Arc::new(Table::read(directory.path().to_owned()).unwrap());
        let site = || table.find("shop.test", None).unwrap().site;
        let before = site();
        table.load("shop", "main").await.unwrap();
        assert!(Arc::ptr_eq(&before, &site()), "the file is the same");
        for bad in [
            "{",
            &good.replace("\"main\"", "\"other\""),
            &good.replace("shop.test", "Shop.test"),
            &good.replace("127.0.0.1", "192.0.2.1"),
            &good.replace("\"version\":1", "\"version\":9"),
            &good.replace("\"public\":null", "\"public\":\"/nowhere/at/all\""),
            &format!("{good}{}", " ".repeat(70_000)),
        ] {
            std::fs::write(&file, bad).unwrap();
            table.load("shop", "main").await.unwrap_err();
            assert!(table.find("shop.test", None).is_some(), "{bad}");
        }
        table.load("../shop", "main").await.unwrap_err();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(table.load("shop", "main").await.unwrap(), None);
        assert!(table.find("shop.test", None).is_none() && table.is_empty());
    }
}
