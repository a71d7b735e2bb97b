//! A push goes live, from a laptop: over a real sshd with a real key through `wharf-shell`.
//!
//! Budget: 2 minutes on 2 cores.

mod pushes;
