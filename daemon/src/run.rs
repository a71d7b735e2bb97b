//! How code of a repository is started. Nothing else starts it.

mod descriptors;
pub mod host_root;
pub mod inside;
pub mod job;
pub mod keeper;
pub mod keepers;
pub mod output;
pub mod raw_log;
pub mod runner;
pub mod sandbox;
pub mod signals;
