//! A terminal, as somebody sees it.

use std::{
    io::Read,
    num::NonZero,
    os::fd::OwnedFd,
    process::{Command, Stdio},
    thread,
};

use rustix::{
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::said::{self, LIMIT};

/// Rows of the terminal: nothing scrolls out of sight.
const ROWS: u16 = 60;

/// What was on the terminal when the program ended.
#[derive(Debug, Clone)]
pub struct Screen {
    /// The exit status; -1 where a signal ended it.
    pub code: i32,
    /// The rows, without what is empty at their ends.
    pub text: String,
    /// Every byte that was written.
    pub bytes: Vec<u8>,
}

/// Runs a program on a terminal of so many columns, to its end.
#[track_caller]
pub fn on_terminal(command: &mut Command, columns: u16) -> Screen {
    let [main, peer] = terminal(ROWS, columns);
    let ends: [OwnedFd; 2] = [peer.try_clone(), peer.try_clone()].map(|end| end.expect("shared"));
    let [input, output] = ends;
    let mut child = command
        .stdin(Stdio::from(input))
        .stdout(Stdio::from(output))
        .stderr(Stdio::from(peer))
        .spawn()
        .expect("it can be run");
    // The command keeps its ends of the terminal open until they are replaced.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        // A terminal without another end gives an error, not an end.
        match std::fs::File::from(main).read_to_end(&mut bytes) {
            Ok(_) | Err(_) => bytes,
        }
    });
    let in_time = said::wait(&child, LIMIT);
    if !in_time {
        child.kill().expect("our own child can be killed");
    }
    let status = child.wait().expect("a child can be waited for");
    let bytes = reader.join().expect("a reader does not panic");
    let mut terminal = vt100::Parser::new(size(ROWS), size(columns), 0);
    terminal.process(&bytes);
    let rows = terminal.screen().rows(0, columns);
    let rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
    let text = rows.join("\n").trim_end().to_owned();
    assert!(in_time, "not done after {LIMIT:?}\n{text}");
    Screen {
        code: status.code().unwrap_or(-1),
        text,
        bytes,
    }
}

/// Both ends of a terminal of this size. A program that is started at the second has it as its own
/// where it begins a session.
pub(crate) fn terminal(rows: u16, columns: u16) -> [OwnedFd; 2] {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let main = openpt(flags).expect("a terminal");
    grantpt(&main).expect("a terminal can be granted");
    unlockpt(&main).expect("a terminal can be unlocked");
    let peer = ioctl_tiocgptpeer(&main, flags).expect("a terminal has another end");
    resize(&peer, rows, columns);
    [main, peer]
}

/// Gives a terminal another size, as a window does.
pub(crate) fn resize(end: &OwnedFd, rows: u16, columns: u16) {
    let window = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(end, window).expect("a terminal has a size");
}

fn size(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).expect("a terminal has cells")
}
