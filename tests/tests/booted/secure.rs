//! TLS on its own port, as the unprivileged router's unit serves it: by what docs/tls.md says.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::machine::Machine;
use crate::visitors::Visitors;

const PAGE: &str = include_str!("../../../docs/tls.md");
const HOST: &str = r#"domain = "apps.test"
[router]
listen = "0.0.0.0:80"
[router.tls]
listen = "0.0.0.0:443"
certificates = ["/etc/wharf/tls/apps.test"]
"#;
const CURL: &str = "curl -sS --max-time 20 --cacert /tmp/authority.pem --resolve page.apps.test:443:127.0.0.1 \
    --resolve page.apps.test:80:127.0.0.1 --resolve other.test:443:127.0.0.1";

/// Who vouches for certificates in a machine.
fn authority(machine: &Machine) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "an authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    machine.runs(&format!(
        "cat >/tmp/authority.pem <<'END'\n{certificate}END"
    ));
    Issuer::new(params, key)
}

/// What certbot does: the pair is root's alone, and its hook is run.
fn renew(machine: &Machine, authority: &Issuer<'static, KeyPair>, serial: u64) {
    let names = ["page.apps.test", "*.page.apps.test"].map(str::to_owned);
    let mut params = CertificateParams::new(names).unwrap();
    params.serial_number = Some(serial.into());
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap().pem();
    let key = key.serialize_pem();
    machine.runs(&format!(
        "set -e; umask 077; lineage=/etc/letsencrypt/live/apps.test; mkdir -p $lineage
         cat >$lineage/fullchain.pem <<'END'\n{certificate}END\ncat >$lineage/privkey.pem <<'END'\n{key}END
         umask 022; RENEWED_LINEAGE=$lineage /etc/letsencrypt/renewal-hooks/deploy/wharf"
    ));
}

/// The serial number of the certificate that is shown.
fn serial(number: u64) -> String {
    format!(
        "openssl s_client -connect 127.0.0.1:443 -servername page.apps.test </dev/null 2>/dev/null \
         | openssl x509 -noout -serial | grep -x serial={number:02X}"
    )
}

#[test]
fn certificates_of_root_serve_by_tls_and_are_renewed_while_visitors_come() {
    let machine = Machine::boot();
    let issuer = authority(&machine);
    let (_, hook) = PAGE.split_once("```sh\n#!/bin/sh\n").unwrap();
    let (hook, _) = hook.split_once("```").unwrap();
    machine.runs(&format!(
        "hook=/etc/letsencrypt/renewal-hooks/deploy/wharf; mkdir -p ${{hook%/*}}
         cat >$hook <<'END'\n#!/bin/sh\n{hook}END\nchmod +x $hook; chmod 700 /etc/letsencrypt
         cat >/etc/wharf/wharfd.toml <<'END'\n{HOST}END"
    ));
    renew(&machine, &issuer, 17);
    machine.runs("wharf reload");
    machine
        .pushes("page", &[("index.html", "here")])
        .ok()
        .has("https://page.apps.test/");
    // Nobody else reads the key, and the router is nobody special.
    machine
        .runs("stat --format '%a %U %G' /etc/wharf/tls/apps.test/privkey.pem; ps -o user= -C wharf-router")
        .has("400 wharf root\nwharf\n");
    machine.runs("wharf doctor | grep 'TLS on 0.0.0.0:443, certificates: 1'");
    machine.runs(&serial(17));
    let get = |more: &str, url: &str| machine.tries(&format!("{CURL} {more} {url}"));
    assert_eq!(get("", "https://page.apps.test/").ok().out, "here\n");
    get("--include --http2", "https://page.apps.test/")
        .ok()
        .has("HTTP/2 200");
    // No certificate is for another name, and curl says so.
    get("", "https://other.test/").exits(60);
    get("--head", "'http://page.apps.test/a?b=c'")
        .ok()
        .has("308")
        .has("location: https://page.apps.test/a?b=c\r\n");
    assert_eq!(
        get("--location", "http://page.apps.test/").ok().out,
        "here\n"
    );

    // A renewal closes no connection, and loses nobody; no more does a restart.
    let visitors = Visitors::of(&machine, 443);
    renew(&machine, &issuer, 18);
    machine.waits_for(&serial(18));
    visitors.are_served();
    let seen = visitors.end();
    seen.is_good();
    assert_eq!(seen.count("told to close"), 0, "{seen:?}");
    let visitors = Visitors::of(&machine, 443);
    machine.runs("systemctl restart wharf-router");
    visitors.are_served();
    visitors.end().is_good();
    machine.runs(&serial(18));

    // A key that the router may not read: the pair that it has goes on, and the daemon says whose fault it is.
    machine.runs("chown root /etc/wharf/tls/apps.test/privkey.pem");
    machine
        .tries("wharf reload")
        .exits(1)
        .has("the certificate read before stays in use");
    machine.runs(&serial(18));
    assert_eq!(get("", "https://page.apps.test/").ok().out, "here\n");
    machine.tries("wharf doctor").exits(1).has("privkey.pem");
}
