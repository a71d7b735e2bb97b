//! The terminal that somebody sits at, raw while a command has it.

use std::{
    env, io,
    io::IsTerminal as _,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rustix::{
    io::retry_on_intr,
    stdio::{stdin, stdout},
    termios::{
        OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
    },
};
use signal_hook::{
    consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH},
    iterator::Signals,
};
use wharf_wire::ask::Terminal;

/// Whether somebody sits at a terminal, to type and to read.
pub fn is_at_a_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// The terminal that they sit at.
pub(super) fn here() -> Option<Terminal> {
    if !is_at_a_terminal() {
        return None;
    }
    let size = size();
    Some(Terminal {
        name: env::var("TERM").unwrap_or_default(),
        columns: size.ws_col,
        rows: size.ws_row,
    })
}

fn size() -> Winsize {
    tcgetwinsize(stdout()).unwrap_or(Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    })
}

/// A raw terminal: what is typed goes to the command as it is, Ctrl-C too. Given back when dropped,
/// and before a signal ends this process.
#[derive(Debug)]
pub(super) struct Raw(Restorer);

/// Gives a terminal back, from any thread.
#[derive(Debug, Clone)]
pub(super) struct Restorer(Arc<Mutex<Option<Termios>>>);

impl Raw {
    /// Makes it raw; `master` has the size of the window from here on.
    pub(super) fn begin(master: OwnedFd) -> io::Result<Raw> {
        let mut signals = Signals::new([SIGWINCH, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
        let before = tcgetattr(stdin())?;
        let raw = Raw(Restorer(Arc::new(Mutex::new(Some(before.clone())))));
        make_raw(&before)?;
        // It may have changed since it was told.
        resize(&master);
        let restorer = raw.restorer();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    match signal {
                        SIGWINCH => resize(&master),
                        // Whoever stopped this has used the terminal meanwhile.
                        SIGCONT => restorer.make_raw_again(),
                        signal => {
                            restorer.restore();
                            std::process::exit(128 + signal);
                        }
                    }
                }
            })?;
        Ok(raw)
    }

    pub(super) fn restorer(&self) -> Restorer {
        self.0.clone()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.0.restore();
    }
}

impl Restorer {
    /// Gives it back, once.
    pub(super) fn restore(&self) {
        let mut before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = before.take() {
            // A terminal that is gone needs no modes.
            retry_on_intr(|| tcsetattr(stdin(), OptionalActions::Now, &before)).ok();
        }
    }

    fn make_raw_again(&self) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = &*before {
            make_raw(before).ok();
        }
    }
}

fn make_raw(before: &Termios) -> io::Result<()> {
    let mut raw = before.clone();
    raw.make_raw();
    retry_on_intr(|| tcsetattr(stdin(), OptionalActions::Now, &raw))?;
    Ok(())
}

/// Tells the command's terminal how large the window is.
fn resize(master: &OwnedFd) {
    // A command that has ended needs to know no more.
    tcsetwinsize(master, size()).ok();
}
