//! `wharf-router`: the life of the process.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;
use wharf_router::{
    Passwords, Table,
    control::{Control, ControlError, Knowledge},
    flags::{Flags, LogForm},
    serve::{Shared, serve},
    tls::{Tls, look_after},
};

/// Where visitors are served unless somebody says otherwise.
const LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 7080);

fn main() -> ExitCode {
    let flags = Flags::parse();
    log(flags.log);
    raise_descriptors();
    match live(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let cause = std::error::Error::source(&problem).map(ToString::to_string);
            error!(cause, "{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Why the router cannot begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot read the routes in {0}")]
    Routes(String, #[source] io::Error),
    #[error("cannot serve on {0}; choose another address, or whatever has it must go")]
    Listen(std::net::SocketAddr, #[source] io::Error),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("cannot speak TLS")]
    Tls(#[from] tokio_rustls::rustls::Error),
    #[error("cannot start")]
    Runtime(#[from] io::Error),
}

#[tokio::main]
async fn live(flags: Flags) -> Result<(), StartError> {
    let stop = stop_on_signals()?;
    let tls = flags.settings.map(Tls::new).transpose()?.map(Arc::new);
    let listen = match (flags.listen, &tls) {
        (Some(listen), _) => listen,
        (None, Some(tls)) => tls.listen().await.unwrap_or(LISTEN.into()),
        (None, None) => LISTEN.into(),
    };
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| StartError::Listen(listen, source))?;
    let control = Control::open(&flags.control).await?;
    let listen = listener.local_addr()?;
    let table = Table::read(flags.routes.clone())
        .map_err(|source| StartError::Routes(flags.routes.display().to_string(), source))?;
    let table = Arc::new(table);
    if let Some(tls) = &tls {
        tls.renew().await;
    }
    info!(%listen, pid = std::process::id(), "serving");

    let shared = Shared {
        table: Arc::clone(&table),
        answer_within: flags.answer_within,
        wake_within: flags.wake_within,
        hold_most: flags.hold_most,
        passwords: Passwords::default(),
        counts: Arc::default(),
        tls: tls.clone(),
    };
    let knowledge = Knowledge {
        table,
        listen,
        counts: Arc::clone(&shared.counts),
        tls: tls.clone(),
    };
    let following = async {
        if let Some(tls) = &tls {
            look_after(tls, &stop).await;
        }
    };
    tokio::join!(
        serve(listener, Arc::new(shared), stop.clone()),
        control.serve(Arc::new(knowledge), stop.clone()),
        following,
    );
    info!("ended");
    Ok(())
}

/// A token that SIGTERM or SIGINT cancels.
fn stop_on_signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM"),
            _ = interrupt.recv() => info!("SIGINT"),
        }
        stopping.cancel();
    });
    Ok(stop)
}

fn log(form: Option<LogForm>) {
    let filter = EnvFilter::try_from_env("WHARF_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = io::stderr().is_terminal();
    let form = form.unwrap_or(if is_terminal {
        LogForm::Human
    } else {
        LogForm::Json
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match form {
        LogForm::Human => log.with_ansi(false).with_target(false).init(),
        LogForm::Json => log.json().flatten_event(true).init(),
    }
}

/// Each visitor may need two descriptors, more than the usual limit of 1,024 allows.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!(%error, "cannot raise the limit of open descriptors");
    }
}
