//! EFFECTS: checkout, build, slug, release, processes, route. Never touches the database: what is
//! to be remembered goes through the [`Recorder`](crate::store::Recorder).

pub mod activity;
pub mod bound;
pub mod build;
pub mod check;
pub mod checkout;
pub mod command;
pub mod conclude;
pub mod deploy;
pub mod distance;
pub mod durable;
pub mod end;
pub mod failure;
pub mod freeze;
mod front;
pub mod git;
pub mod grant;
pub mod health;
pub mod housekeeping;
pub mod launch;
pub mod maintenance;
pub mod merge;
pub mod mirror;
pub mod numbers;
pub mod owner;
mod parking;
mod port;
pub mod promote;
pub mod refs;
pub mod replaced;
pub mod repository;
pub mod resume;
pub mod retire;
pub mod route;
pub mod router;
pub mod runtime;
pub mod slug_key;
pub mod source;
pub mod standing;
pub mod swap;
pub mod tip;
pub mod variables;
pub mod world;

pub use activity::perform;
pub use failure::Failure;
pub use world::World;
