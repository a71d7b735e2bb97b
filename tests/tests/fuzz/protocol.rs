//! What comes over sockets and pipes.

use wharf_cli::shell;
use wharf_hooks::{input, pkt_line};
use wharf_router::Table;
use wharf_wire::{
    FromDaemon, ToDaemon, frame,
    grant::Token,
    hook::{MAX_REF_NAME, RefUpdate},
    route::{FromRouter, Route, ToRouter},
};

use crate::fuzz;

#[test]
fn a_frame_for_the_daemon() {
    fuzz("frame", |bytes| {
        every::<ToDaemon>(bytes) | every::<FromDaemon>(bytes)
    });
}

#[test]
fn a_frame_for_the_router() {
    fuzz("router", |bytes| {
        every::<ToRouter>(bytes) | every::<FromRouter>(bytes)
    });
}

#[test]
fn what_git_says_to_a_hook() {
    fuzz("updates", |bytes| {
        let lines = bytes.split(|byte| *byte == b'\n');
        let updates: Vec<RefUpdate> = lines.flat_map(input::parse).collect();
        for update in &updates {
            assert!(update.name.len() <= 3 * MAX_REF_NAME && !update.name.is_empty());
            assert!([40, 64].contains(&update.old.len()), "{update:?}");
        }
        !updates.is_empty()
    });
}

#[test]
fn what_git_says_to_proc_receive() {
    fuzz("pkt-line", |bytes| {
        let Ok(lines) = pkt_line::read_section(&mut &bytes[..]) else {
            return false;
        };
        let read: usize = lines.iter().map(Vec::len).sum();
        assert!(read <= bytes.len());
        true
    });
}

#[test]
fn a_route() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("shop.main.json");
    fuzz("route", |bytes| {
        std::fs::write(&file, bytes).unwrap();
        let table = Table::read(directory.path().to_owned()).unwrap();
        let is_route = serde_json::from_slice::<Route>(bytes).is_ok();
        assert!(is_route || table.is_empty(), "what is no route serves");
        !table.is_empty()
    });
}

#[test]
fn what_somebody_with_a_key_asks_for() {
    fuzz("command", |bytes| {
        let read = shell::read(&String::from_utf8_lossy(bytes));
        if let Ok(shell::Request::Git { path, .. }) = &read {
            assert!(!path.starts_with('-') && !path.is_empty());
        }
        read.is_ok()
    });
}

#[test]
fn a_link_to_a_preview() {
    fuzz("link", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let token = Token::parse(&text);
        if let Some(token) = &token {
            assert_eq!(token.text(), text, "two texts are one link");
        }
        token.is_some()
    });
}

/// One frame after the other, as long as they are some; says whether all were.
fn every<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> bool {
    let mut stream = bytes;
    loop {
        match frame::read::<T>(&mut stream) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
