//! Whose a port of the loopback interface is. All code shares the host's network, and whoever is quicker
//! may listen where another was told to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use wharf_sandbox::ask::USERS;

use super::job::JobId;

/// The kernel's word for a socket that listens.
const LISTENS: &str = "0A";
/// The address of IPv6 that takes those of IPv4 too, as the kernel writes it.
const EVERY: &str = "00000000000000000000000000000000";

/// Who listens on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The sandbox's own processes alone.
    Own,
    /// Somebody else, too.
    Anothers,
}

/// Finds out whether only processes of a sandbox listen on a port of the loopback interface, by
/// bubblewrap's process id. Blocks.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn whose(bubblewrap: u32, port: u16) -> io::Result<Whose> {
    let mut strange: BTreeSet<u64> = listening(port)?.into_keys().collect();
    let own = fs::read_link("/proc/self/ns/pid")?;
    let all = all()?;
    let first = all
        .iter()
        .find(|process| parent(process) == Some(bubblewrap));
    let space = first.and_then(|process| fs::read_link(process.join("ns/pid")).ok());
    let Some(space) = space.filter(|space| *space != own) else {
        return Ok(Whose::Anothers);
    };
    let is_inside = |process: &&PathBuf| {
        fs::read_link(process.join("ns/pid")).is_ok_and(|other| other == space)
    };
    for process in all.iter().filter(is_inside) {
        match sockets(process) {
            Ok(sockets) => strange.retain(|socket| !sockets.contains(socket)),
            // It keeps its descriptors from everybody, so nothing can be said against it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Whose::Own),
            // It has ended meanwhile.
            Err(_) => {}
        }
    }
    Ok(match strange.is_empty() {
        true => Whose::Own,
        false => Whose::Anothers,
    })
}

/// The same where a unit has the port, by the user that its environment has alone.
///
/// # Errors
/// When the helper's record or `/proc` cannot be read.
pub fn whose_of_unit(environment: &JobId, port: u16) -> io::Result<Whose> {
    let user = fs::read_to_string(Path::new(USERS).join(environment.as_str()))?;
    let own: u32 = user.trim().parse().map_err(io::Error::other)?;
    let users = listening(port)?;
    Ok(match users.values().all(|user| *user == own) {
        true => Whose::Own,
        false => Whose::Anothers,
    })
}

/// The sockets, by inode, that get what comes for a port of the loopback interface, and whose they are.
fn listening(port: u16) -> io::Result<BTreeMap<u64, u32>> {
    let loopback = address(Ipv4Addr::LOCALHOST);
    let any = address(Ipv4Addr::UNSPECIFIED);
    let found = of_table(Path::new("/proc/net/tcp"), port, |address| {
        address == loopback || address == any
    })?;
    if !found.is_empty() {
        return Ok(found);
    }
    let mapped = format!("0000000000000000FFFF0000{loopback}");
    match of_table(Path::new("/proc/net/tcp6"), port, |address| {
        address == EVERY || address == mapped
    }) {
        // A kernel without IPv6.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(found),
        found => found,
    }
}

/// An address as the kernel writes it: the digits of its bytes as one number of the machine's.
fn address(address: Ipv4Addr) -> String {
    format!("{:08X}", u32::from_ne_bytes(address.octets()))
}

fn of_table(
    table: &Path,
    port: u16,
    is_address: impl Fn(&str) -> bool,
) -> io::Result<BTreeMap<u64, u32>> {
    let text = fs::read_to_string(table)?;
    Ok(of_lines(&text, port, is_address))
}

fn of_lines(text: &str, port: u16, is_address: impl Fn(&str) -> bool) -> BTreeMap<u64, u32> {
    let listener = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (address, local) = fields.next()?.split_once(':')?;
        let state = fields.nth(1)?;
        let same = u16::from_str_radix(local, 16) == Ok(port) && is_address(address);
        (same && state == LISTENS).then_some(())?;
        let user = fields.nth(3)?.parse().ok()?;
        Some((fields.nth(1)?.parse().ok()?, user))
    };
    text.lines().filter_map(listener).collect()
}

/// The directories of all processes of the host.
fn all() -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let name = entry.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.parse::<u32>().is_ok())
        {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Who started a process; none once it is gone.
fn parent(process: &Path) -> Option<u32> {
    let stat = fs::read(process.join("stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The name before it may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// The sockets that a process has open.
fn sockets(process: &Path) -> io::Result<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(process.join("fd"))? {
        // One that was closed meanwhile is none.
        let Ok(target) = fs::read_link(entry?.path()) else {
            continue;
        };
        let target = target.to_string_lossy();
        let inode = target.strip_prefix("socket:[");
        found.extend(inode.and_then(|rest| rest.strip_suffix(']')?.parse::<u64>().ok()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_listens_is_found_in_the_kernels_table() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = listening(port).unwrap();
        assert_eq!(found.len(), 1);
        let own = sockets(Path::new("/proc/self")).unwrap();
        assert!(
            found.keys().all(|socket| own.contains(socket)),
            "{own:?} {found:?}"
        );
        let user = rustix::process::getuid().as_raw();
        assert!(found.values().all(|other| *other == user), "{found:?}");
        drop(listener);
        // A child that another test is starting has it until it runs its program.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while !listening(port).unwrap().is_empty() {
            assert!(std::time::Instant::now() < until, "it is closed");
            std::thread::yield_now();
        }
    }

    #[test]
    fn one_that_takes_both_kinds_of_addresses_counts() {
        let Ok(listener) = TcpListener::bind("[::]:0") else {
            println!("no IPv6 here: this is not looked at");
            return;
        };
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listening(port).unwrap().len(), 1);
    }

    #[test]
    fn connections_and_other_ports_are_no_listeners() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n\
            0: 0100007F:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 0 11 1\n\
            1: 0100007F:4E20 0100007F:9999 01 00000000:00000000 00:00000000 00000000 0 0 12 1\n\
            2: 0100007F:4E21 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 13 1\n\
            3: 0200007F:4E20 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 14 1\n\
            nonsense\n";
        let found = of_lines(table, 20_000, |address| address == "0100007F");
        assert_eq!(found, BTreeMap::from([(11, 1000)]));
    }

    #[test]
    fn what_no_sandbox_has_is_anothers() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let whose = whose(std::process::id(), port).unwrap();
        assert_eq!(whose, Whose::Anothers);
    }
}
