//! Repositories of git hosts: real ones where a package has them (gitolite 3; nginx with `git
//! http-backend`), what others leave on the disk where not (Gitea and Forgejo, GitLab). Each test
//! pushes, and asks who pushed.
//!
//! Budget: 2 minutes on 2 cores.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod house;

mod all;
mod forge;
mod gitea;
mod gitlab;
mod gitolite;
mod smart_http;
