//! Sockets: kinds that open the kernel, and neighbours that listen.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixStream},
    },
};

use crate::{Verdict, facts::Facts, none, raw::call, refused};

fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<i64> {
    call(
        libc::SYS_socket,
        [family as usize, kind as usize, protocol as usize],
    )
}

pub(crate) fn netlink() -> Verdict {
    let kinds = [
        ("audit", libc::NETLINK_AUDIT),
        ("events", libc::NETLINK_KOBJECT_UEVENT),
        ("packet filters", libc::NETLINK_NETFILTER),
        ("encryption", libc::NETLINK_XFRM),
        ("generic", libc::NETLINK_GENERIC),
    ];
    none(kinds.map(|(name, protocol)| {
        (
            name,
            refused(socket(libc::AF_NETLINK, libc::SOCK_RAW, protocol)),
        )
    }))
}

pub(crate) fn packets() -> Verdict {
    none([
        (
            "packets",
            refused(socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
        ),
        (
            "IPv4",
            refused(socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)),
        ),
        (
            "IPv6",
            refused(socket(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6)),
        ),
    ])
}

pub(crate) fn others() -> Verdict {
    let families = [
        ("AF_ALG", libc::AF_ALG, libc::SOCK_SEQPACKET),
        ("AF_VSOCK", libc::AF_VSOCK, libc::SOCK_STREAM),
        ("AF_BLUETOOTH", libc::AF_BLUETOOTH, libc::SOCK_RAW),
        ("AF_CAN", libc::AF_CAN, libc::SOCK_RAW),
        ("AF_TIPC", libc::AF_TIPC, libc::SOCK_STREAM),
        ("AF_RDS", libc::AF_RDS, libc::SOCK_SEQPACKET),
        ("AF_KEY", libc::AF_KEY, libc::SOCK_RAW),
        ("AF_XDP", libc::AF_XDP, libc::SOCK_RAW),
    ];
    none(families.map(|(name, family, kind)| {
        // Where nothing refuses it, the kernel may have no such module: that is luck, so it must be
        // refused in the filter's own words.
        let verdict = match socket(family, kind, 0) {
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                Verdict::Held(error.to_string())
            }
            result => Verdict::Open(format!("{result:?}")),
        };
        (name, verdict)
    }))
}

pub(crate) fn low_port() -> Verdict {
    refused(TcpListener::bind((Ipv4Addr::LOCALHOST, 79)))
}

pub(crate) fn nameless(facts: &Facts) -> Verdict {
    let address = SocketAddr::from_abstract_name(facts.text("abstract")).expect("a short name");
    refused(UnixStream::connect_addr(&address))
}

pub(crate) fn localhost(facts: &Facts) -> Verdict {
    let port = facts.text("port").parse::<u16>().expect("a port");
    refused(TcpStream::connect((Ipv4Addr::LOCALHOST, port)))
}
