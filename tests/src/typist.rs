//! Somebody who sits at a terminal, types and reads.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    pause,
    said::{self, LIMIT},
    screen::{resize, terminal},
};

/// A program at a terminal of its own.
#[derive(Debug)]
pub struct Typist {
    program: Child,
    keys: File,
    shown: Receiver<Vec<u8>>,
    /// What was shown since the last wait.
    text: String,
    /// All that was shown.
    all: String,
}

impl Typist {
    /// Begins a program at a terminal of this size, which is its controlling one: Ctrl-C reaches it.
    #[track_caller]
    pub fn begin(command: &Command, rows: u16, columns: u16) -> Typist {
        let [main, peer] = terminal(rows, columns);
        let ends: [OwnedFd; 2] =
            [peer.try_clone(), peer.try_clone()].map(|end| end.expect("shared"));
        let [input, output] = ends;
        let mut session = Command::new("setsid");
        session
            .args(["--ctty", "--"])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(peer));
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                session.env(name, value);
            }
        }
        if let Some(directory) = command.get_current_dir() {
            session.current_dir(directory);
        }
        let program = session.spawn().expect("it can be run");
        // The command keeps its ends of the terminal open.
        drop(session);
        let keys = File::from(main);
        let mut screen = keys.try_clone().expect("shared");
        let (show, shown) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // A terminal without another end gives an error, not an end.
            while let Ok(count) = screen.read(&mut bytes) {
                if count == 0 || show.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Typist {
            program,
            keys,
            shown,
            text: String::new(),
            all: String::new(),
        }
    }

    /// Types: `\r` is the return key, `\x03` Ctrl-C.
    pub fn types(&mut self, keys: &str) {
        self.text.clear();
        let typed = self.keys.write_all(keys.as_bytes());
        typed.expect("a terminal takes keys");
    }

    /// Waits until this is shown, since something was last typed.
    #[track_caller]
    pub fn reads(&mut self, text: &str) {
        let until = Instant::now() + LIMIT;
        while !self.text.contains(text) {
            let left = until.saturating_duration_since(Instant::now());
            let shown = self.shown.recv_timeout(left);
            let Ok(shown) = shown else {
                panic!("never shows {text:?}\n{:?}", self.all);
            };
            let shown = String::from_utf8_lossy(&shown).into_owned();
            self.all.push_str(&shown);
            self.text.push_str(&shown);
        }
    }

    /// Waits until `sleep MARK` runs, and is what the keys go to: before, they are a shell's, which may
    /// have no use for them.
    #[track_caller]
    pub fn waits_for_sleep(&self, mark: &str) {
        let until = Instant::now() + LIMIT;
        while !is_in_front(mark) {
            assert!(Instant::now() < until, "no sleep {mark}\n{:?}", self.all);
            pause();
        }
    }

    /// Makes the window larger or smaller.
    pub fn resizes(&self, rows: u16, columns: u16) {
        let end = self.keys.try_clone().expect("shared");
        resize(&end.into(), rows, columns);
    }

    /// Sends the program a signal.
    pub fn signals(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.program), signal).expect("our own child can be told");
    }

    /// Waits until it has ended; its exit status, -1 where a signal ended it.
    #[track_caller]
    pub fn ends(mut self) -> i32 {
        let ended = said::wait(&self.program, LIMIT);
        if !ended {
            self.program.kill().expect("our own child can be killed");
        }
        let status = self.program.wait().expect("a child can be waited for");
        while let Ok(shown) = self.shown.recv() {
            self.all.push_str(&String::from_utf8_lossy(&shown));
        }
        assert!(ended, "not done after {LIMIT:?}\n{:?}", self.all);
        status.code().unwrap_or(-1)
    }
}

fn is_in_front(mark: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("there is a /proc");
    processes.flatten().any(|process| {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        // See proc(5): state, parent, group, session, terminal, the terminal's foreground group.
        let (_, facts) = stat.rsplit_once(") ").unwrap_or_default();
        let facts: Vec<&str> = facts.split(' ').take(6).collect();
        line == format!("sleep\0{mark}\0").as_bytes()
            && matches!(facts.as_slice(), ["S", _, group, _, _, front] if group == front)
    })
}
