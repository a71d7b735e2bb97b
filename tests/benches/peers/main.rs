//! Measures Wharf against its peers in the same run, and prints a table of ratios.
//!
//! `cargo bench -p wharf-tests -- checkout` measures one part; `make bench` all of them, and keeps the
//! tables in `docs/BENCHMARKS.md`. Peers take turns, so that a machine's mood hits all of them.
#![allow(
    clippy::unwrap_used,
    reason = "a measurement stops at the first surprise"
)]

mod checkout;
mod data;
mod hooks;
mod live;
mod rollback;
mod sandbox;
mod scale;
mod snapshots;
mod table;
mod world;

use std::fmt::Display;

use table::Table;
use world::World;

/// Makes one part's table.
type Measure = fn(&World) -> Box<dyn Display>;

fn main() {
    // `cargo test --benches` calls it too; nothing is measured in a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let world = World::new();
    println!("# Benchmarks\n");
    println!(
        "Made by `make bench`; do not edit. Medians, peers taken in turn; the ratio is to the"
    );
    println!("line that says 1.00. Absolute times are this machine's, ratios carry over.\n");
    println!("{}\n", world::machine());
    let parts: [(&str, Measure); 10] = [
        ("hooks", |world| Box::new(hooks::measure(world))),
        ("checkout", |world| Box::new(checkout::measure(world))),
        ("live", |world| Box::new(live::measure(world))),
        ("rollback", |world| Box::new(rollback::of_a_server(world))),
        ("rollback", |world| Box::new(rollback::of_a_site(world))),
        ("sandbox", |world| Box::new(sandbox::measure(world))),
        ("scale", |world| Box::new(scale::measure(world))),
        ("snapshots", |world| Box::new(snapshots::of_mariadb(world))),
        ("snapshots", |world| {
            Box::new(snapshots::of_postgresql(world))
        }),
        ("snapshots", |world| Box::new(snapshots::of_files(world))),
    ];
    for (name, measure) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            println!("{}", measure(&world));
        }
    }
}

/// Times each peer `rounds` times, in turn.
fn in_turn(rounds: usize, peers: &mut [table::Peer<'_>]) -> Table {
    let mut table = Table::default();
    for round in 0..rounds {
        for peer in peers.iter_mut() {
            let taken = (peer.run)(round);
            table.add(peer.name, taken);
        }
    }
    table
}
