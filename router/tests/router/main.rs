//! The router as a process, with real sockets and real applications.

mod support;

mod routing;
mod static_files;
mod streaming;
mod switching;
mod websocket;
