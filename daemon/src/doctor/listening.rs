//! Who listens on which port of this host, by the kernel's word.

use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// More of a table of the kernel's than is looked at.
const MOST: u64 = 8 << 20;
/// The state of a socket that listens.
const LISTENS: &str = "0A";

/// A socket that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Whose it is.
    pub uid: u32,
    inode: u64,
}

impl Listener {
    /// The program that has it, with its process id, as far as this user may know.
    #[must_use]
    pub(super) fn program(&self) -> Option<(String, u32)> {
        let wanted = format!("socket:[{}]", self.inode);
        let has = |pid: &u32| {
            let open = fs::read_dir(format!("/proc/{pid}/fd"))
                .into_iter()
                .flatten();
            let mut targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
            targets.any(|target| target.as_os_str() == wanted.as_str())
        };
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let pid = pids.find(has)?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some((name.trim().to_owned(), pid))
    }

    /// Whether nobody else can listen there while this does.
    fn takes(&self, wanted: SocketAddr) -> bool {
        let (one, other) = (self.address.ip(), wanted.ip());
        self.address.port() == wanted.port()
            && (one == other || one.is_unspecified() || other.is_unspecified())
    }
}

/// Who listens where somebody else would, then.
pub(super) fn listeners(wanted: SocketAddr) -> Vec<Listener> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let read = |path: &str| {
        let mut text = String::new();
        let file = fs::File::open(path).ok()?;
        file.take(MOST).read_to_string(&mut text).ok()?;
        Some(text)
    };
    let texts = tables.iter().filter_map(|path| read(path));
    let all: Vec<Listener> = texts.flat_map(|text| parse(&text)).collect();
    all.into_iter().filter(|one| one.takes(wanted)).collect()
}

/// The lines of a table, see proc_net_tcp.txt of the kernel.
fn parse(table: &str) -> Vec<Listener> {
    table.lines().skip(1).filter_map(line).collect()
}

fn line(text: &str) -> Option<Listener> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (address, state) = (words.get(1)?, words.get(3)?);
    if *state != LISTENS {
        return None;
    }
    let (ip, port) = address.split_once(':')?;
    Some(Listener {
        address: SocketAddr::new(address_of(ip)?, u16::from_str_radix(port, 16).ok()?),
        uid: words.get(7)?.parse().ok()?,
        inode: words.get(9)?.parse().ok()?,
    })
}

/// Words of four bytes, each in the order of this machine.
fn address_of(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = text.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for at in 0..4 {
                bytes[at * 4..at * 4 + 4].copy_from_slice(&word(at)?);
            }
            let address = Ipv6Addr::from(bytes);
            Some(address.to_ipv4_mapped().map_or(address.into(), IpAddr::V4))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn this_program_is_found_by_its_port() {
        for (address, asked) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("127.0.0.1:0", "0.0.0.0"),
            ("0.0.0.0:0", "127.0.0.1"),
        ] {
            let listener = TcpListener::bind(address).unwrap();
            let port = listener.local_addr().unwrap().port();
            let asked = SocketAddr::new(asked.parse().unwrap(), port);
            let found = listeners(asked);
            let [one] = found.as_slice() else {
                panic!("{found:?}");
            };
            let (_, pid) = one.program().unwrap();
            assert_eq!(pid, std::process::id());
            assert_eq!(one.uid, rustix::process::geteuid().as_raw());
            assert_eq!(
                listeners(SocketAddr::new([127, 0, 0, 9].into(), port)).len(),
                usize::from(address.starts_with('0'))
            );
        }
    }

    #[test]
    fn what_is_no_table_lists_nobody() {
        for text in [
            "",
            "head\n",
            "head\nx y z 0A",
            "head\n0: 0100007F:1BA8 0:0 0A 0 0 0 x 0 1",
            "head\n0: é0007F:1BA8 0:0 0A 0 0 0 1 0 1",
        ] {
            assert_eq!(parse(text), [], "{text}");
        }
    }
}
