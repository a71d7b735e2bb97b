//! A world of its own for each test: real git, real daemon, real router, real sshd.
//!
//! Nothing here knows what Wharf should say; the tests in `tests/` do. Every wait is for an event and
//! has a deadline; there are no sleeps and no retries.

mod apart;
mod client;
mod gitolite;
pub mod guide;
mod hostilities;
mod http;
mod image;
mod installed;
mod judge;
mod nginx;
mod points;
mod probes;
mod processes;
mod programs;
mod rules;
mod said;
mod sample;
mod screen;
mod shop;
mod sshd;
mod strace;
mod tree;
mod typist;
mod watched;
mod world;

pub use apart::apart;
pub use gitolite::Gitolite;
pub use hostilities::{Came, HOSTILITIES, Hostility};
pub use http::{Page, Visitor, fetch};
pub use image::{Image, Kind};
pub use installed::{is_within, users_of_environments};
pub use judge::{Verdict, pause};
pub use nginx::Nginx;
pub use probes::{Network, Outcome, PROBES, Probe, assert_open_alone, assert_open_as_listed};
pub use processes::{Process, ends, is_left, kill};
pub use programs::{bin, gits};
pub use rules::{lines_obey_the_rules, obeys_the_rules};
pub use said::{LIMIT, Said, run, run_for};
pub use sample::{REPEATABLE, Sample};
pub use screen::{Screen, on_terminal};
pub use shop::{PAGE, Shop};
pub use sshd::{Laptop, Sshd};
pub use strace::Strace;
pub use tree::Tree;
pub use typist::Typist;
pub use watched::Watched;
pub use world::World;
