//! A push goes live, from a laptop: over a real sshd with a real key, through `wharf-shell`.
//!
//! Budget: 2 minutes on 2 cores.

mod laptop;

mod asking;
mod noise;
mod pushes;
mod refused;
mod terminal;
mod watching;
