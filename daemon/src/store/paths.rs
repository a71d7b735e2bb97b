//! Every path below the state and run directories. No other module joins them.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use wharf_config::name::{EnvironmentId, ProjectName, RelPath};
use wharf_config::place::{Place, SYSTEM_STATE};

mod services;
mod snapshots;

/// How the name of a directory begins that is being removed.
const GOING: &str = ".gone-";

/// The mode of the spool where Wharf has a user of its own, whose group hooks' users are in: each may
/// make files, which are of that group and stay their makers', and look for none.
const SPOOL: u32 = 0o3730;

/// Makes paths. Names come in as parsed types, so that no path leaves the directory.
#[derive(Debug, Clone)]
pub struct Paths {
    state: PathBuf,
    run: PathBuf,
    /// The project files as they were when they were good.
    projects: PathBuf,
}

impl Paths {
    /// The paths of a place.
    pub fn new(place: &Place) -> Paths {
        Paths {
            state: place.state.clone(),
            run: place.run.clone(),
            projects: place.kept_projects_dir(),
        }
    }

    /// Makes the directories that everything else counts on; private to the daemon's user.
    ///
    /// # Errors
    /// The first directory that cannot be made, by name.
    pub fn make(&self) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let is_new = !self.spool().exists();
        let own = [self.state.clone(), self.run.clone()];
        let sockets = [self.keepers(), self.sockets(), self.all_service_sockets()];
        for directory in own.iter().chain(&self.private()).chain(&sockets) {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(|error| {
                    io::Error::new(error.kind(), format!("{}: {error}", directory.display()))
                })?;
        }
        if self.is_system() {
            self.open_spool()?;
        }
        if is_new {
            crate::disk::sync_filesystem(&self.state).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Hooks run as others: they may leave files here, and see none. Systemd's unit does not let the daemon give
    /// what it makes to a group; tmpfiles.d(5) has made it then.
    fn open_spool(&self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let spool = self.spool();
        let named = |error: io::Error| {
            let spool = spool.display();
            let text = format!("{spool}: {error}; make it with: systemd-tmpfiles --create");
            io::Error::new(error.kind(), text)
        };
        let mode = std::fs::metadata(&spool)
            .map_err(named)?
            .permissions()
            .mode();
        if mode & 0o7777 == SPOOL {
            return Ok(());
        }
        std::fs::set_permissions(&spool, PermissionsExt::from_mode(SPOOL)).map_err(named)
    }

    /// The directories of the state that are made first.
    pub fn private(&self) -> [PathBuf; 14] {
        [
            self.routes(),
            self.slugs(),
            self.builds(),
            self.jobs(),
            self.logs(),
            self.outputs(),
            self.spool(),
            self.backups(),
            self.caches(),
            self.all_releases(),
            self.all_mounts(),
            self.all_kept(),
            self.keys(),
            self.projects.clone(),
        ]
    }

    /// The state directory itself.
    pub fn state(&self) -> PathBuf {
        self.state.clone()
    }

    /// Room that is given up when the disk is full.
    pub fn ballast(&self) -> PathBuf {
        self.state.join("ballast")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.state.join("wharf.db")
    }

    /// Copies of the database.
    pub fn backups(&self) -> PathBuf {
        self.state.join("backups")
    }

    /// A database that is to take the database's place.
    pub fn next_database(&self) -> PathBuf {
        self.state.join("wharf.db.new")
    }

    /// A database that came in a backup of all, before it takes its place.
    pub fn arriving_database(&self) -> PathBuf {
        self.state.join("wharf.db.arriving")
    }

    /// The directories of a backup of all, in the order in which they are written.
    pub fn backed_up(&self) -> [PathBuf; 8] {
        [
            self.projects.clone(),
            self.routes(),
            self.keys(),
            self.all_releases(),
            self.all_mounts(),
            self.all_kept(),
            self.logs(),
            self.slugs(),
        ]
    }

    /// Whether a slug is there.
    pub fn has_slug(&self, key: &str) -> bool {
        let is_name = !key.is_empty() && !key.contains('/') && !key.starts_with('.');
        is_name && self.slugs().join(key).is_dir()
    }

    /// The files that SQLite keeps beside the database.
    pub fn beside_database(&self) -> [PathBuf; 2] {
        ["wharf.db-wal", "wharf.db-shm"].map(|name| self.state.join(name))
    }

    /// A database that was replaced, with the files that belong to it.
    pub fn replaced(&self, stamp: &str) -> PathBuf {
        self.state.join("replaced").join(stamp)
    }

    /// Directories of what only the database knows: with something in one of them, a new database
    /// would forget it.
    pub fn recorded(&self) -> [PathBuf; 4] {
        [
            self.routes(),
            self.slugs(),
            self.all_releases(),
            self.all_mounts(),
        ]
    }

    /// Whether it is the system's own place, which belongs to the user `wharf`.
    pub fn is_system(&self) -> bool {
        self.state == std::path::Path::new(SYSTEM_STATE)
    }

    /// Held with `flock` for the daemon's life; names the holder's pid.
    pub fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// One file an environment, read by the router.
    pub fn routes(&self) -> PathBuf {
        self.state.join("routes")
    }

    /// What the router does beside its routes.
    pub fn router_settings(&self) -> PathBuf {
        self.state.join("router.json")
    }

    /// The route of one environment.
    pub fn route(&self, project: &ProjectName, environment: &EnvironmentId) -> PathBuf {
        self.routes().join(format!("{project}.{environment}.json"))
    }

    /// Frozen build results, one directory a key.
    pub fn slugs(&self) -> PathBuf {
        self.state.join("slugs")
    }

    /// Where builds happen, one directory an activity.
    pub fn builds(&self) -> PathBuf {
        self.state.join("builds")
    }

    /// The work directory of one build.
    pub fn build(&self, activity: &str) -> PathBuf {
        self.builds().join(activity)
    }

    /// A fresh place for a slug that comes in an archive; what a death leaves goes as a build's does.
    pub fn arriving(&self) -> PathBuf {
        let random: u64 = rand::random();
        self.builds().join(format!("arriving-{random:016x}"))
    }

    /// The patches of one build; below the same directory, so that what a death leaves goes with it.
    pub fn patches(&self, activity: &str) -> PathBuf {
        self.builds().join(format!("{activity}.patches"))
    }

    /// What goes on between builds, one directory a project.
    pub fn caches(&self) -> PathBuf {
        self.state.join("caches")
    }

    /// What goes on between builds of a project, by trust domain.
    pub fn cache(&self, project: &ProjectName, trust_domain: &str) -> PathBuf {
        self.caches().join(project.as_str()).join(trust_domain)
    }

    /// What build steps made, one directory each. No build can write there.
    pub fn layers(&self, project: &ProjectName, trust_domain: &str) -> PathBuf {
        self.cache(project, trust_domain).join("layers")
    }

    /// What one build step made, by its key: hexadecimal digits.
    pub fn layer(&self, project: &ProjectName, trust_domain: &str, key: &str) -> PathBuf {
        self.layers(project, trust_domain).join(key)
    }

    /// A directory below `HOME` that is kept from build to build. Its name holds no part that a
    /// build could have made a link before: builds write what is below it.
    pub fn home_cache(&self, project: &ProjectName, trust_domain: &str, path: &RelPath) -> PathBuf {
        self.cache(project, trust_domain)
            .join("home")
            .join(segment(path))
    }

    /// What environments keep over their releases, one directory a project.
    pub fn all_mounts(&self) -> PathBuf {
        self.state.join("mounts")
    }

    /// What an environment keeps over its releases.
    pub fn mounts(&self, project: &ProjectName, environment: &EnvironmentId) -> PathBuf {
        self.all_mounts()
            .join(project.as_str())
            .join(environment.as_str())
    }

    /// One mount.
    pub fn mount(
        &self,
        project: &ProjectName,
        environment: &EnvironmentId,
        path: &RelPath,
    ) -> PathBuf {
        self.mounts(project, environment).join(segment(path))
    }

    /// What is left of deleted environments, one directory an activity.
    pub fn all_kept(&self) -> PathBuf {
        self.state.join("kept")
    }

    /// What is left of one deleted environment.
    pub fn kept(&self, activity: &str) -> PathBuf {
        self.all_kept().join(activity)
    }

    /// Whether something on the disk bears an activity's id.
    pub fn bears(&self, activity: &str) -> bool {
        let named = [
            self.events(activity),
            self.raw(activity),
            self.kept(activity),
        ];
        named.iter().any(|path| path.exists())
    }

    /// Where a directory goes by one rename before all in it is removed: beside where it was, which
    /// is on the same file system. Nothing else there begins with a dot.
    pub fn going(&self, directory: &Path) -> PathBuf {
        let random: u64 = rand::random();
        directory.with_file_name(format!("{GOING}{random:016x}"))
    }

    /// Whether a directory's name says that it is going.
    pub fn is_going(name: &OsStr) -> bool {
        name.as_encoded_bytes().starts_with(GOING.as_bytes())
    }

    /// Changed whenever housekeeping is done.
    pub fn housekeeping(&self) -> PathBuf {
        self.state.join("housekeeping")
    }

    /// The releases of every environment, one directory a project.
    pub fn all_releases(&self) -> PathBuf {
        self.state.join("releases")
    }

    /// The releases of an environment.
    pub fn releases(&self, project: &ProjectName, environment: &EnvironmentId) -> PathBuf {
        self.all_releases()
            .join(project.as_str())
            .join(environment.as_str())
    }

    /// The directory of one release.
    pub fn release(
        &self,
        project: &ProjectName,
        environment: &EnvironmentId,
        number: u32,
    ) -> PathBuf {
        self.releases(project, environment)
            .join(format!("r{number}"))
    }

    /// A directory that a release's deploy made itself, by where it covers the code.
    pub fn asset(
        &self,
        project: &ProjectName,
        environment: &EnvironmentId,
        number: u32,
        path: &RelPath,
    ) -> PathBuf {
        self.release(project, environment, number)
            .join("assets")
            .join(segment(path))
    }

    /// The route by which only its checks find a release.
    pub fn preview(
        &self,
        project: &ProjectName,
        environment: &EnvironmentId,
        number: u32,
    ) -> PathBuf {
        self.release(project, environment, number)
            .join("preview")
            .join(format!("{project}.{environment}.json"))
    }

    /// Job files, by id.
    pub fn jobs(&self) -> PathBuf {
        self.state.join("jobs")
    }

    /// Logs of activities.
    pub fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// An activity's events, one JSON object a line.
    pub fn events(&self, activity: &str) -> PathBuf {
        self.logs().join(format!("{activity}.jsonl"))
    }

    /// Every byte that an activity's commands printed, up to the cap.
    pub fn raw(&self, activity: &str) -> PathBuf {
        self.logs().join(format!("{activity}.out"))
    }

    /// Output of application processes.
    pub fn outputs(&self) -> PathBuf {
        self.state.join("outputs")
    }

    /// The output of one process.
    pub fn output(&self, instance: &str) -> PathBuf {
        self.outputs().join(format!("{instance}.log"))
    }

    /// Bells that hooks left while the daemon was away.
    pub fn spool(&self) -> PathBuf {
        self.state.join("spool")
    }

    /// One file of it.
    pub fn spool_file(&self, name: &str) -> PathBuf {
        self.spool().join(name)
    }

    /// The router's own output.
    pub fn router_log(&self) -> PathBuf {
        self.state.join("router.log")
    }

    /// Control sockets of keepers.
    pub fn keepers(&self) -> PathBuf {
        self.run.join("keepers")
    }

    /// Directories for the Unix sockets of applications. The system's own are in the state: not every
    /// kernel shows what is in memory as another user's, which units need.
    pub fn sockets(&self) -> PathBuf {
        match self.is_system() {
            true => self.state.join("apps"),
            false => self.run.join("apps"),
        }
    }

    /// The directory that holds the socket of one process; bound into its sandbox.
    pub fn socket_directory(&self, instance: &str) -> PathBuf {
        self.sockets().join(instance)
    }

    /// The Unix socket that one process may listen on.
    pub fn socket(&self, instance: &str) -> PathBuf {
        self.socket_directory(instance).join("web.sock")
    }

    /// The Unix socket that leads to one process's port, where its network is its own.
    pub fn door(&self, instance: &str) -> PathBuf {
        self.socket_directory(instance).join("port.sock")
    }
}

/// A path as one segment: a readable part and a hash, so that `a/b` and `a-b` differ.
fn segment(path: &RelPath) -> String {
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(path.as_str())[..3]);
    let readable: String = path
        .as_str()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    format!("{readable}-{hash}")
}
