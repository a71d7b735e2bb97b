//! Copies of environments' data: when the next one is due, which of them stay, and where the data of
//! one may go.

mod downward;
mod due;
mod retention;

pub use downward::{NotThere, Origin, may_restore};
pub use due::{Turn, earliest, next_due, offset};
pub use retention::{Taken, Why, gone};

/// When the newest good snapshot was last restored to see whether it can be, it is again after this.
pub const TESTED_EVERY: u64 = 7 * 24 * 60 * 60 * 1000;
