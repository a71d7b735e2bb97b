//! What the router is started with.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

/// Serves every environment of this host: requests find releases.
///
/// Ends on SIGTERM or SIGINT: requests in flight get ten seconds. WHARF_LOG=debug says more.
#[derive(Debug, Clone, Parser)]
#[command(name = "wharf-router", version)]
pub struct Flags {
    /// Where visitors are served, port 0 takes any free one; without it where the settings say, else
    /// 127.0.0.1:7080
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,

    /// The directory of the routes, one file an environment
    #[arg(long, value_name = "DIRECTORY")]
    pub routes: PathBuf,

    /// The socket on which the daemon says what has changed
    #[arg(long, value_name = "PATH")]
    pub control: PathBuf,

    /// The file in which the daemon says how visitors come by TLS; SIGHUP reads it and certificates again
    #[arg(long, value_name = "PATH")]
    pub settings: Option<PathBuf>,

    /// The longest wait for an application's answer to begin
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    pub answer_within: Duration,

    /// The longest wait of a request that wakes a paused environment
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub wake_within: Duration,

    /// The most requests that wait for the end of one environment's maintenance
    #[arg(long, value_name = "COUNT", default_value = "2000")]
    pub hold_most: usize,

    /// How the log is written; without it, human on a terminal, journal as a unit, and else json
    #[arg(long, value_name = "FORM")]
    pub log: Option<LogForm>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// For a person at a terminal.
    Human,
    /// Lines with their priority, for journald.
    Journal,
    /// One object a line.
    Json,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("a whole number from 1 to 86400 is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        super::Flags::command().debug_assert();
    }
}
