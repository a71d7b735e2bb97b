//! What may be removed: by count, size and age, the least recently used first. Never what serves,
//! never what a rollback was promised, never what an activity works with.

mod bounds;
mod crons;
mod releases;
mod stock;
mod warm;

pub use bounds::{Entry, Why, surplus};
pub use crons::{Run, runs_to_forget};
pub use releases::{Kept, releases_to_prune};
pub use stock::{Cache, Data, Log, Record, Release, Removal, Slug, Stock, Thing, decide, for_room};
pub use warm::releases_to_keep_warm;
