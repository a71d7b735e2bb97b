//! Snapshots and what brings their data back, beside what databases' own tools do with the same data, and how both grow
//! with it.

use std::time::Duration;

use crate::{
    data::{Holder, Kind, sizes},
    in_turn,
    table::{Growth, Peer},
    world::World,
};

/// The first snapshot of data that no repository has yet.
const NEW: &str = "wharf snapshot create, all of it new";
const UNCHANGED: &str = "wharf snapshot create, nothing changed";
const COPY: &str = "cp -a of its directory";

pub(crate) fn of_mariadb(world: &World) -> Growth {
    const DUMP: &str = "mariadb-dump \\| gzip";
    let write: Text = |holder| {
        let dump = mariadb("mariadb-dump", holder);
        format!("{dump} --single-transaction --quick main | gzip >out && sync out")
    };
    let read: Text = |holder| {
        let client = mariadb("mariadb", holder);
        format!("(echo 'DROP TABLE item;'; gunzip <out) | {client} main")
    };
    let peers = [
        (DUMP, write),
        ("gunzip \\| mariadb, into an empty database", read),
    ];
    let note = "Rows of hexadecimal text, of which each is another; all that is written is on the disk at the end. What is Wharf's is the \
                whole command: a snapshot is encrypted, and read again before it is good; a restore reads it in beside what \
                serves, stops that, and starts it again; so does what comes from the parent.";
    growth(world, Kind::MariaDb, ("MariaDB", note), peers)
}

fn mariadb(program: &str, holder: &Holder<'_>) -> String {
    let socket = holder.sockets.join("mariadb.sock");
    format!(
        "{program} --no-defaults --socket={} --user=app",
        socket.display()
    )
}

pub(crate) fn of_postgresql(world: &World) -> Growth {
    let write: Text = |holder| {
        let host = holder.sockets.display();
        format!("pg_dump -Fc --file=out --host={host} --username=app main && sync out")
    };
    let read: Text = |holder| {
        let host = holder.sockets.display();
        format!("pg_restore --clean --no-owner --host={host} --username=app --dbname=main out")
    };
    let peers = [
        ("pg_dump -Fc", write),
        ("pg_restore, into an empty database", read),
    ];
    growth(
        world,
        Kind::PostgreSql,
        ("PostgreSQL", "The same rows."),
        peers,
    )
}

pub(crate) fn of_files(world: &World) -> Growth {
    let write: Text = |holder| {
        let data = holder.data.display();
        format!("tar -C {data} -c . | gzip >out && sync out")
    };
    let read: Text =
        |_| "rm -rf back && mkdir back && gunzip <out | tar -C back -x && sync -f back".to_owned();
    let peers = [
        ("tar \\| gzip", write),
        ("gunzip \\| tar, into an empty directory", read),
    ];
    let note = "The same text in a `data` mount, in files of 100 lines.";
    growth(world, Kind::Files, ("files", note), peers)
}

/// What a shell is told, for somebody else's tool.
type Text = fn(&Holder<'_>) -> String;

fn growth(
    world: &World,
    kind: Kind,
    (of, note): (&str, &str),
    [write, read]: [(&'static str, Text); 2],
) -> Growth {
    let base = write.0;
    let measured = sizes().into_iter().map(|megabytes| {
        let holder = &Holder::fill(world, kind, megabytes);
        let others = world.directory(&format!("others-{of}-{megabytes}"));
        let shell = |text: String| {
            let text = format!(
                "export MYSQL_PWD={0} PGPASSWORD={0}; {text}",
                holder.password
            );
            world.shell(&others, &text)
        };
        let (shell, copy) = (&shell, holder.data.display());
        let mut peers = [
            peer(write.0, move |_| shell(write.1(holder))),
            peer(COPY, move |_| {
                shell("rm -rf copy".into());
                shell(format!("cp -a {copy} copy && sync -f copy"))
            }),
            peer(NEW, move |_| create(holder)),
            peer(UNCHANGED, move |_| create(holder)),
            peer(read.0, move |_| shell(read.1(holder))),
            peer("wharf sync data, into another environment", move |_| {
                world.run(&holder.tree, "wharf sync data -e copy")
            }),
            peer("wharf snapshot restore", move |_| {
                let ids = snapshots(holder);
                let taken = world.run(&holder.tree, &format!("wharf snapshot restore {}", ids[0]));
                // So that the next round's data is new, too; and the host keeps what was replaced.
                for id in ids {
                    world.run(&holder.tree, &format!("wharf snapshot delete {id}"));
                }
                shell(format!("rm -rf {}/wharf/state/kept/*", home(world)));
                taken
            }),
        ];
        let rounds = match megabytes {
            0..100 => 5,
            100..1_000 => 3,
            // An hour otherwise.
            _ => 1,
        };
        let table = in_turn(rounds, &mut peers);
        drop(peers);
        (format!("{megabytes} MB"), table)
    });
    Growth {
        sizes: measured.collect(),
        title: format!("Snapshots of {of}"),
        note: format!(
            "{note} The ratio is to `{}` at the same size.",
            base.replace('\\', "")
        ),
        base,
    }
}

fn peer<'a>(name: &'static str, run: impl FnMut(usize) -> Duration + 'a) -> Peer<'a> {
    Peer {
        name,
        run: Box::new(run),
    }
}

fn create(holder: &Holder<'_>) -> Duration {
    holder.world.run(&holder.tree, "wharf snapshot create")
}

/// Their ids, the newest first.
fn snapshots(holder: &Holder<'_>) -> Vec<String> {
    let line = "wharf snapshot list --json | jq -r .[].id";
    let (_, ids) = holder.world.said_by(&holder.tree, line);
    ids.lines().map(str::to_owned).collect()
}

fn home(world: &World) -> String {
    world.directory(".").display().to_string()
}
