//! TLS, from the operator's file to the visitor.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustix::process::geteuid;
use wharf_tests::{Said, World, kill, run};

use crate::app::deployed;

const HOST: &str = "domain = \"apps.test\"\n[router]\nlisten = \"127.0.0.1:0\"\n";
const NAMES: &[&str] = &["shop.apps.test", "*.shop.apps.test"];
const ANY: &str = "listen = \"127.0.0.1:0\"\n";
const DAYS: Duration = Duration::from_secs(24 * 60 * 60);

/// An authority that the test's visitor trusts.
fn authority(world: &World) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "an authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(world.path("authority.pem"), certificate.pem()).unwrap();
    Issuer::new(params, key)
}

/// Puts a certificate where the host's file says, with a key that its owner alone may read.
fn issue(world: &World, issuer: &Issuer<'_, KeyPair>, names: &[&str], days: u32) {
    let until = SystemTime::now() + DAYS * days + DAYS / 2;
    issue_until(world, issuer, names, until);
}

fn issue_until(world: &World, issuer: &Issuer<'_, KeyPair>, names: &[&str], until: SystemTime) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_after = until.into();
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let directory = world.home().join("config/tls");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("fullchain.pem"), certificate.pem()).unwrap();
    fs::write(directory.join("privkey.pem"), key.serialize_pem()).unwrap();
    mode(world, 0o600);
}

fn mode(world: &World, mode: u32) {
    let key = world.home().join("config/tls/privkey.pem");
    fs::set_permissions(key, fs::Permissions::from_mode(mode)).unwrap();
}

/// What the operator writes.
fn host_file(world: &World, more: &str) {
    let directory = world.home().join("config/tls");
    let text = format!(
        "{HOST}[router.tls]\ncertificates = [{:?}]\n{more}",
        directory.display().to_string()
    );
    fs::write(world.home().join("config/wharfd.toml"), text).unwrap();
}

/// The real curl, which looks at names and dates.
fn curl(world: &World, url: &str, more: &[&str]) -> Said {
    let (_, rest) = url.split_once("://").unwrap();
    let (at, _) = rest.split_once('/').unwrap();
    let (host, port) = at.split_once(':').unwrap();
    let mut command = Command::new("curl");
    command
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--noproxy",
            "*",
        ])
        .arg("--cacert")
        .arg(world.path("authority.pem"))
        .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
        .args(more)
        .arg(url);
    run(&mut command)
}

#[test]
fn from_the_operators_file_to_the_visitor() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let issuer = authority(&world);
    issue(&world, &issuer, NAMES, 90);
    // A port that comes back after a restart.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let more = format!("hsts = \"180d\"\nlisten = \"{free}\"\n");
    host_file(&world, &more);
    shop.wharf(&["reload"]).ok();
    let url = shop.wharf(&["url"]).ok().out.trim_end().to_owned();
    assert_eq!(url, format!("https://shop.apps.test:{}/", free.port()));
    curl(&world, &url, &[]).ok().has("one");
    curl(&world, &url, &["--include", "--http2"])
        .ok()
        .has("HTTP/2 200")
        .has("strict-transport-security: max-age=15552000");
    let plain = format!("http://shop.apps.test:{}/a?b=c", world.port());
    curl(&world, &plain, &["--head"])
        .ok()
        .has("308")
        .has(&format!("{url}a?b=c"))
        .lacks("strict-transport-security");
    let doctor = shop.wharf(&["doctor"]).ok();
    doctor.has("certificates: 1, the first of which ends on ");
    let check = || run(world.command("wharfd").arg("check"));
    check()
        .ok()
        .has("router.tls.hsts = \"180d\"")
        .has(&format!("certificates: TLS on {free}"));
    // What an application is told of itself.
    shop.write("version", "two\n");
    shop.commit("two");
    shop.push(&["main"]).ok().has(&url);
    curl(&world, &url, &[]).ok().has("two");

    // A router that is started again has it from its own file.
    world.kill_daemon();
    kill(world.router_pid().unwrap());
    world.start();
    curl(&world, &url, &[]).ok().has("two");
    shop.wharf(&["reload"]).ok().lacks("warning");

    // Off again.
    fs::write(world.home().join("config/wharfd.toml"), HOST).unwrap();
    shop.wharf(&["reload"]).ok();
    let url = shop.wharf(&["url"]).ok().out.trim_end().to_owned();
    assert!(url.starts_with("http://shop.apps.test:"), "{url}");
    curl(&world, &url, &[]).ok().has("two");
}

#[test]
fn what_is_wrong_is_said_and_what_was_good_stays() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let issuer = authority(&world);
    issue(&world, &issuer, NAMES, 90);
    host_file(&world, ANY);
    shop.wharf(&["reload"]).ok();
    let url = shop.wharf(&["url"]).ok().out.trim_end().to_owned();

    // The new certificate has come, and its key has not.
    let key = world.home().join("config/tls/privkey.pem");
    let old = fs::read(&key).unwrap();
    issue(&world, &issuer, NAMES, 90);
    fs::write(&key, old).unwrap();
    let words = "is not that of the first certificate in";
    shop.wharf(&["reload"])
        .exits(1)
        .has("warning: TLS: the key in ")
        .has(words)
        .has("the certificate read before stays in use");
    curl(&world, &url, &[]).ok().has("one");
    shop.wharf(&["doctor"]).exits(1).has(words);
    run(world.command("wharfd").arg("check"))
        .exits(78)
        .has(words);

    // Soon over, over, and for somebody else.
    issue(&world, &issuer, NAMES, 5);
    shop.wharf(&["reload"]).ok();
    shop.wharf(&["doctor"]).ok().has(", in 5 days");
    issue_until(&world, &issuer, NAMES, SystemTime::now() - DAYS);
    shop.wharf(&["reload"]).ok();
    shop.wharf(&["doctor"]).exits(1).has(": browsers refuse it");
    issue(&world, &issuer, &["elsewhere.test"], 90);
    shop.wharf(&["reload"]).ok();
    shop.wharf(&["doctor"]).ok().has(
        "no certificate is for *.shop.apps.test, shop.apps.test: browsers refuse what is there",
    );

    // Whoever reads the key is this host.
    issue(&world, &issuer, NAMES, 90);
    mode(&world, 0o644);
    shop.wharf(&["doctor"])
        .exits(1)
        .has("privkey.pem may be read by everybody: mode 0644")
        .has("chmod o-rwx");
    mode(&world, 0o600);
    shop.wharf(&["reload"]).ok();
    shop.wharf(&["doctor"]).ok();

    // Not two files, or none.
    let text = format!("{HOST}[router.tls]\nlisten = \"127.0.0.1:0\"\n");
    fs::write(world.home().join("config/wharfd.toml"), text).unwrap();
    shop.wharf(&["reload"])
        .exits(1)
        .has("router.tls.listen is set, and router.tls.certificates is not")
        .has("the old configuration stays.");
    curl(&world, &url, &[]).ok().has("one");
}

#[test]
fn a_key_that_the_router_may_not_read_is_named() {
    if !geteuid().is_root() {
        return; // Whoever makes the key here could read it.
    }
    let world = World::unprivileged(HOST);
    let issuer = authority(&world);
    issue(&world, &issuer, NAMES, 90);
    host_file(&world, ANY);
    let said = world.wharf(&["reload"]).exits(1);
    said.has("config/tls/privkey.pem cannot be read: Permission denied");
    let said = world.wharf(&["doctor"]).exits(1);
    said.has("a certificate is of no use")
        .has("privkey.pem cannot be read: Permission denied");
}
