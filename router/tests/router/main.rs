//! The router as a process, with real sockets and real applications.

#![allow(clippy::unwrap_used)] // what fails here fails the test

mod support;

mod doors;
mod fastcgi;
mod maintenance;
mod routing;
mod rules;
mod secure;
mod static_files;
mod streaming;
mod switching;
mod waking;
mod websocket;
