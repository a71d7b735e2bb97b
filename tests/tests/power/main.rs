//! Power cuts on real file systems, system calls that fail, disks that are full.
//! Budget: 12 minutes on two cores, as root.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod calls;
mod cuts;
mod host;
mod room;
