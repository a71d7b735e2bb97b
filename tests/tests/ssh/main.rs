//! A push goes live, from a laptop: over a real sshd with a real key, through `wharf-shell`.
//!
//! Budget: 3 minutes on 2 cores.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod house;
mod laptop;

mod absent;
mod archives;
mod asking;
mod by_hand;
mod dry_run;
mod dumps;
mod leaver;
mod leaving;
mod mounts;
mod noise;
mod options;
mod people;
mod pushes;
mod reasons;
mod refused;
mod rejected;
mod shop;
mod story;
mod terminal;
mod waited;
mod waiting;
mod watching;
