//! TLS for a router of a test: certificates of an authority that only the test trusts, and visitors.

use std::{fs, net::SocketAddr, process::Output};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use wharf_wire::{
    VERSION,
    route::{FromRouter, ToRouter},
    secure::{Pair, Secured, Settings, Tls},
};

use super::{Router, World};

/// Who vouches for all certificates of a test.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl World {
    pub fn authority(&self) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        self.write("authority.pem", params.self_signed(&key).unwrap().pem());
        Authority {
            issuer: Issuer::new(params, key),
        }
    }

    /// Where a pair of that name is.
    pub fn pair(&self, name: &str) -> Pair {
        Pair {
            chain: self.path(&format!("tls/{name}/fullchain.pem")),
            key: self.path(&format!("tls/{name}/privkey.pem")),
        }
    }

    /// What the daemon says: these pairs, on any free port.
    pub fn settings(&self, pairs: &[&str]) -> Tls {
        Tls {
            listen: ([127, 0, 0, 1], 0).into(),
            certificates: pairs.iter().map(|name| self.pair(name)).collect(),
            redirect: false,
            hsts: None,
        }
    }

    pub fn secure(&self, tls: Option<Tls>) {
        let version = VERSION;
        let settings = serde_json::to_vec(&Settings {
            version,
            listen: None,
            tls,
        })
        .unwrap();
        self.write("router.json", settings);
    }

    pub fn start_secure(&self) -> Router {
        let settings = self.path("router.json");
        self.start_with(&["--settings", settings.to_str().unwrap()])
    }
}

impl Authority {
    /// A certificate and its key, in PEM; its serial number tells it from others.
    pub fn made(&self, names: &[&str], serial: u64) -> (String, String) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.serial_number = Some(serial.into());
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes one where certbot would.
    pub fn issue(&self, world: &World, pair: &str, names: &[&str], serial: u64) {
        let (chain, key) = self.made(names, serial);
        put(world, &format!("tls/{pair}/fullchain.pem"), &chain);
        put(world, &format!("tls/{pair}/privkey.pem"), &key);
    }
}

/// Writes a file by one rename.
pub fn put(world: &World, path: &str, text: &str) {
    world.write(&format!("{path}.new"), text);
    fs::rename(world.path(&format!("{path}.new")), world.path(path)).unwrap();
}

impl Router {
    pub fn secured(&self, again: bool) -> Secured {
        match self.tell(&ToRouter::Secure { again }) {
            FromRouter::Secured(secured) => secured,
            other => panic!("{other:?}"),
        }
    }

    /// Where it serves by TLS.
    pub fn secure_address(&self) -> SocketAddr {
        self.secured(false).listen.expect("it serves by TLS")
    }
}

/// A visitor who trusts the authority: the real curl, which looks at names and dates.
pub async fn curl(
    world: &World,
    arguments: &[&str],
    host: &str,
    at: SocketAddr,
    path: &str,
) -> Output {
    // A path is by TLS, but for one that says otherwise.
    let (scheme, path) = match path.strip_prefix("http:") {
        Some(path) => ("http", path),
        None => ("https", path),
    };
    let port = at.port();
    tokio::process::Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "30",
            "--noproxy",
            "*",
        ])
        .arg("--cacert")
        .arg(world.path("authority.pem"))
        .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
        .args(arguments)
        .arg(format!("{scheme}://{host}:{port}{path}"))
        .output()
        .await
        .unwrap()
}

/// What curl printed.
#[track_caller]
pub fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The serial number of the certificate that is shown to who asks for a name, or for none.
pub async fn serial(at: SocketAddr, name: Option<&str>) -> u64 {
    let shown = openssl(at, name, &[]).await;
    let begin = shown
        .find("-----BEGIN CERTIFICATE")
        .unwrap_or_else(|| panic!("{shown}"));
    let pem = &shown[begin..];
    let end = "-----END CERTIFICATE-----";
    let pem = &pem[..pem.find(end).unwrap() + end.len()];
    let mut child = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-serial"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), pem.as_bytes()).unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    u64::from_str_radix(said.trim().strip_prefix("serial=").unwrap(), 16).unwrap()
}

/// What `openssl s_client` says of a handshake.
pub async fn openssl(at: SocketAddr, name: Option<&str>, more: &[&str]) -> String {
    let mut command = tokio::process::Command::new("openssl");
    command
        .args(["s_client", "-connect", &at.to_string()])
        .args(more);
    match name {
        Some(name) => command.args(["-servername", name]),
        None => command.arg("-noservername"),
    };
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}
