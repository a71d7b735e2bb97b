//! `wharf-router`: the life of the process.

mod log;

use std::{io, process::ExitCode, sync::Arc};

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use wharf_router::{
    LISTEN, Passwords, Table,
    control::{Control, ControlError, Knowledge},
    entrance::Entrance,
    flags::Flags,
    kept::{For, Kept},
    serve::{Ending, Shared, serve},
    tls::{Tls, look_after},
};

fn main() -> ExitCode {
    let flags = Flags::parse();
    log::start(flags.log);
    raise_descriptors();
    let lived = Kept::from_env()
        .map_err(StartError::Handed)
        .and_then(|kept| live(flags, Arc::new(kept)));
    match lived {
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
    #[error("what systemd hands over is no listening socket of TCP: change wharf-router.socket")]
    Handed(#[source] io::Error),
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
async fn live(flags: Flags, kept: Arc<Kept>) -> Result<(), StartError> {
    let stop = stop_on_signals()?;
    let plain = Arc::new(Entrance::new(For::Plain, Arc::clone(&kept)));
    let told = match &flags.settings {
        // What the settings say may change, and another program may have it for a while.
        Some(_) => flags.listen,
        None => Some(flags.listen.unwrap_or(LISTEN)),
    };
    if let Some(listen) = told {
        let opened = plain.open(listen).await;
        opened.map_err(|source| StartError::Listen(listen, source))?;
    }
    let followed = told.is_none().then(|| Arc::clone(&plain));
    let secure = |file| {
        Tls::new(
            file,
            Entrance::new(For::Secure, Arc::clone(&kept)),
            followed,
        )
    };
    let tls = flags.settings.map(secure).transpose()?.map(Arc::new);
    let control = Control::open(&flags.control).await?;
    let table = Table::read(flags.routes.clone())
        .map_err(|source| StartError::Routes(flags.routes.display().to_string(), source))?;
    let table = Arc::new(table);
    if let Some(tls) = &tls {
        tls.renew().await;
    }
    let listen = plain.address().map(tracing::field::display);
    info!(listen, pid = std::process::id(), "serving");

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
        kept: Arc::clone(&kept),
        plain: Arc::clone(&plain),
        counts: Arc::clone(&shared.counts),
        tls: tls.clone(),
    };
    for problem in knowledge.problems().await {
        warn!(problem, "visitors may not come in as they should");
    }
    let following = async {
        if let Some(tls) = &tls {
            look_after(tls, &stop).await;
        }
    };
    let ending = match kept.is_by_systemd() {
        true => Ending::Handover,
        false => Ending::MakeRoom,
    };
    kept.ready(&standing(&plain, tls.as_deref()).await);
    let stopping = async {
        stop.cancelled().await;
        kept.stopping();
    };
    tokio::join!(
        serve(&plain, Arc::new(shared), ending, stop.clone()),
        control.serve(Arc::new(knowledge), stop.clone()),
        following,
        stopping,
    );
    info!("ended");
    Ok(())
}

/// What systemd shows.
async fn standing(plain: &Entrance, tls: Option<&Tls>) -> String {
    let secure = match tls {
        Some(tls) => tls.status().await.listen,
        None => None,
    };
    let plain = plain.address().map(|at| at.to_string());
    let secure = secure.map(|at| format!("{at} (TLS)"));
    let all: Vec<String> = plain.into_iter().chain(secure).collect();
    match all.as_slice() {
        [] => "serves nowhere: see its log".to_owned(),
        all => format!("serves on {}", all.join(" and ")),
    }
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
