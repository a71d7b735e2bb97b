//! Visitors who keep coming while something happens to the router, and what they met.

use std::{collections::BTreeMap, process::Child};

use crate::machine::Machine;

/// Visitors, until a file says that it is enough: some with a connection for each request, some who keep theirs, and
/// who begin anew where they are told that a connection ends. What
/// happened to them stands in a file.
const VISITORS: &str = r#"
import collections, os, socket, ssl, sys, threading
port, seen, lock = int(sys.argv[1]), collections.Counter(), threading.Lock()
host = 'page.apps.test' if port == 443 else 'main--page.localhost'
trusted = ssl.create_default_context(cafile='/tmp/authority.pem') if port == 443 else None
def connect():
    line = socket.create_connection(('127.0.0.1', port), timeout=30)
    return trusted.wrap_socket(line, server_hostname=host) if trusted else line
served = os.open('/tmp/served', os.O_CREAT | os.O_WRONLY | os.O_APPEND)
def note(what):
    with lock:
        seen[what] += 1
        if what == 'good':
            os.write(served, b'.')
def ask(line, stays):
    end = '' if stays else 'Connection: close\r\n'
    line.sendall(f'GET / HTTP/1.1\r\nHost: {host}\r\n{end}\r\n'.encode())
    data = b''
    while b'\r\n\r\n' not in data:
        more = line.recv(65536)
        if not more:
            raise EOFError('before the head' if not data else 'in the head')
        data += more
    head, body = data.split(b'\r\n\r\n', 1)
    head = head.lower()
    length = next(int(l[15:]) for l in head.split(b'\r\n') if l.startswith(b'content-length:'))
    while len(body) < length:
        more = line.recv(65536)
        if not more:
            raise EOFError('in the body')
        body += more
    note('good' if b' 200 ' in head and body == b'here\n' else f'bad: {head} {body}')
    return b'connection: close' not in head
def visit(stays):
    line = None
    while not os.path.exists('/tmp/enough'):
        try:
            if line is None:
                line = connect()
            if not ask(line, stays):
                if stays:
                    note('told to close')
                line = line.close()
        except Exception as error:
            note(f'{type(error).__name__}: {error}')
            line = None
threads = [threading.Thread(target=visit, args=(stays,)) for stays in [False] * 3 + [True] * 3]
for thread in threads: thread.start()
for thread in threads: thread.join()
open('/tmp/seen.new', 'w').write(''.join(f'{count} {what}\n' for what, count in seen.items()))
os.rename('/tmp/seen.new', '/tmp/seen')
"#;

/// Visitors who keep coming.
pub(crate) struct Visitors<'m> {
    machine: &'m Machine,
    come: Child,
}

impl Visitors<'_> {
    /// They come to a port from now on; to 443 by TLS, where they trust one authority.
    pub(crate) fn of(machine: &Machine, port: u16) -> Visitors<'_> {
        machine.runs("rm -f /tmp/enough /tmp/seen /tmp/served");
        let script = VISITORS.replace('\'', "\"");
        let come = machine.begins(&format!("exec python3 -c '{script}' {port}"));
        let visitors = Visitors { machine, come };
        visitors.are_served();
        visitors
    }

    /// Waits until each of them may have been served some more times.
    pub(crate) fn are_served(&self) {
        let served = self.machine.tries("stat -c %s /tmp/served").out;
        let more = served.trim().parse().unwrap_or(0) + 60;
        self.machine
            .waits_for(&format!("test $(stat -c %s /tmp/served) -gt {more}"));
    }

    /// What happened to them in all.
    pub(crate) fn end(mut self) -> Seen {
        self.machine.runs("touch /tmp/enough");
        assert!(self.come.wait().unwrap().success());
        let seen = self.machine.runs("cat /tmp/seen").out;
        let seen = seen.lines().map(|line| {
            let (count, what) = line.split_once(' ').unwrap();
            (what.to_owned(), count.parse().unwrap())
        });
        Seen(seen.collect())
    }
}

/// What happened, and how often.
#[derive(Debug)]
pub(crate) struct Seen(pub(crate) BTreeMap<String, usize>);

impl Seen {
    pub(crate) fn count(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// Nothing else happened than answers, some of which ended a connection.
    #[track_caller]
    pub(crate) fn is_good(&self) {
        assert!(self.count("good") >= 120, "{self:?}");
        let other = |what: &&String| !["good", "told to close"].contains(&what.as_str());
        assert_eq!(self.0.keys().find(other), None, "{self:?}");
    }
}

/// What happens to visitors of a port while a script runs.
pub(crate) fn meanwhile(machine: &Machine, port: u16, script: &str) -> Seen {
    let visitors = Visitors::of(machine, port);
    machine.runs(script);
    visitors.are_served();
    visitors.end()
}
