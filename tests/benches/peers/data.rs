//! Applications with much data, of several kinds: what is done to it, and what others do to the same.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use crate::{live::project, world::World};

/// Megabytes of data, unless `WHARF_BENCH_MB` names others.
const SIZES: [usize; 3] = [10, 100, 1_000];
/// A row of a table, and a line of a file: hexadecimal, so that it shrinks to a little more than half.
const ROW: usize = 1_024;
/// In a file.
const LINES: usize = 100;

/// Which sizes are measured.
pub(crate) fn sizes() -> Vec<usize> {
    match std::env::var("WHARF_BENCH_MB") {
        Ok(text) => text.split(',').map(|size| size.parse().unwrap()).collect(),
        Err(_) => SIZES.to_vec(),
    }
}

/// Of which kind the data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    MariaDb,
    PostgreSql,
    Files,
}

/// A project whose production has so much data.
pub(crate) struct Holder<'w> {
    pub(crate) world: &'w World,
    pub(crate) tree: PathBuf,
    /// Where its server's socket and its files are.
    pub(crate) sockets: PathBuf,
    pub(crate) data: PathBuf,
    /// The application's password of its database.
    pub(crate) password: String,
}

impl<'w> Holder<'w> {
    pub(crate) fn fill(world: &'w World, kind: Kind, megabytes: usize) -> Holder<'w> {
        let (short, more) = match kind {
            Kind::MariaDb => ("mariadb", "[services]\ndatabase = \"mariadb\"\n"),
            Kind::PostgreSql => ("postgresql", "[services]\ndatabase = \"postgresql\"\n"),
            Kind::Files => ("files", "[mounts]\nuploads = \"data\"\n"),
        };
        let name = format!("{short}-{megabytes}");
        let config = format!("public = \".\"\n{more}");
        let tree = project(world, &name, &[("wharf.toml", &config)]);
        // Nobody in the data has to be hidden from the environment that gets a copy of it.
        let file = world
            .directory("wharf/config/projects.d")
            .join(format!("{name}.toml"));
        let said = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{said}\n[data]\nsanitize = false\n")).unwrap();
        world.run(&tree, "wharf reload");
        world.run(&tree, "git push --quiet wharf main:copy");
        let mounts = world.directory(&format!("wharf/state/mounts/{name}/main"));
        let holder = Holder {
            world,
            sockets: world.directory(&format!("wharf/run/services/{name}.main/database")),
            data: match kind {
                Kind::Files => one_of(&mounts),
                Kind::MariaDb | Kind::PostgreSql => mounts.join("services/database"),
            },
            password: match kind {
                Kind::Files => String::new(),
                Kind::MariaDb | Kind::PostgreSql => {
                    let print = "wharf run -- printenv DATABASE_PASSWORD";
                    world.said_by(&tree, print).1.trim().to_owned()
                }
            },
            tree,
        };
        let rows = megabytes * 1_000_000 / ROW;
        match kind {
            Kind::MariaDb => holder.load(&format!(
                "CREATE TABLE item (id INT PRIMARY KEY, text VARCHAR({ROW}));
                 INSERT INTO item SELECT seq, CONCAT({}) FROM seq_1_to_{rows};",
                digests("SHA2(CONCAT(seq, '-', #), 512)")
            )),
            Kind::PostgreSql => holder.load(&format!(
                "CREATE TABLE item (id INT PRIMARY KEY, text VARCHAR({ROW}));
                 INSERT INTO item SELECT seq, CONCAT({}) FROM generate_series(1, {rows}) AS seq;",
                digests("encode(sha512((seq || '-#')::bytea), 'hex')")
            )),
            Kind::Files => write_files(&holder.data, rows),
        }
        holder
    }

    fn load(&self, sql: &str) {
        let file = self.world.directory("sql").join("fill.sql");
        fs::write(&file, sql).unwrap();
        let line = format!("wharf db shell database <{}", file.display());
        self.world.shell(&self.tree, &line);
    }
}

/// A row's text by digests that a server makes, each 128 characters long; `#` is another number in each.
fn digests(one: &str) -> String {
    let all = (0..ROW / 128).map(|number| one.replace('#', &number.to_string()));
    all.collect::<Vec<_>>().join(", ")
}

/// The only directory there.
fn one_of(mounts: &Path) -> PathBuf {
    let mut all = fs::read_dir(mounts).unwrap();
    all.next().unwrap().unwrap().path()
}

fn write_files(directory: &Path, lines: usize) {
    let mut random = fastrand::Rng::with_seed(lines as u64);
    let mut line = vec![b'\n'; ROW];
    for (number, begin) in (0..lines).step_by(LINES).enumerate() {
        let file = fs::File::create(directory.join(format!("{number}.txt"))).unwrap();
        let mut file = std::io::BufWriter::new(file);
        for _ in begin..lines.min(begin + LINES) {
            line[..ROW - 1].fill_with(|| random.choice(*b"0123456789abcdef").unwrap());
            file.write_all(&line).unwrap();
        }
        file.flush().unwrap();
    }
}
