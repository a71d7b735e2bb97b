//! The data plane: a request's host finds an environment, and its release answers.
//!
//! The router is a process of its own, so that a daemon that is upgraded, stopped or killed never
//! interrupts a visitor. It knows routes and nothing else: no git, no projects, no releases' insides.
//! The daemon writes one file an environment and says so on the control socket; see
//! [`wharf_wire::route`].
//!
//! The modules in the order in which a request meets them.

pub mod entrance;
pub mod flags;
pub mod kept;

mod converse;
mod line;
pub mod serve;
pub mod tls;

mod admit;
mod answer;
mod counts;
mod host;

mod name;
mod site;
mod table;

mod doors;
mod last_use;
mod maintenance;
mod places;
mod waking;

mod locations;
mod path;
mod ways;

mod files;
mod guard;

mod fastcgi;
mod forward;
mod headers;
mod request_body;
mod upgrade;

mod stream;
mod upstream;
mod waiting;

mod body;
mod page;

pub mod control;

/// Where visitors are served unless somebody says otherwise.
pub const LISTEN: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7080);

pub use counts::Counts;
pub use doors::Passwords;
pub use serve::preview;
pub use table::Table;
