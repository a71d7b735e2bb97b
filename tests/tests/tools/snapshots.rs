//! Snapshots in an S3-compatible store: a real server of its protocol, on this machine.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use wharf_tests::{Tree, World, run};

const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n";
const CONFIG: &str = "web = \"exec python3 -m http.server --directory uploads $PORT\"\n\n\
    [deploy]\nhealth = { path = \"/\", within = \"10s\" }\n\n[mounts]\nuploads = \"data\"\n";

/// A server with one bucket.
struct Store {
    child: Child,
    address: String,
}

impl Store {
    fn start(world: &World) -> Store {
        // It says where it listens.
        let mut child = Command::new("moto_server")
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("scripts/setup.sh tools installs moto_server");
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = lines.map_while(Result::ok);
        let mut addresses =
            said.filter_map(|line| Some(line.split_once("Running on ")?.1.to_owned()));
        let address = addresses.next().expect("it says where it listens");
        let put = ["-sf", "-X", "PUT", &format!("{address}/wharf")];
        run(world.command("curl").args(put)).ok();
        Store { child, address }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.child.kill().expect("our own child can be killed");
        self.child.wait().expect("a child can be waited for");
    }
}

fn put(shop: &Tree<'_>, word: &str) {
    let line = format!("echo {word} >uploads/text");
    shop.wharf(&["run", "--", "sh", "-c", &line]).ok();
}

#[test]
fn snapshots_are_kept_in_an_s3_compatible_store() {
    let world = World::with_host_file(HOST);
    let store = Store::start(&world);
    let credentials = world.path("credentials");
    let keys = "AWS_ACCESS_KEY_ID=wharf\nAWS_SECRET_ACCESS_KEY=s3cretly\n";
    fs::write(&credentials, keys).unwrap();
    let directory = world.home().join("config/wharfd.d");
    fs::create_dir_all(&directory).unwrap();
    let keys = format!(
        "[snapshots]\nstore = \"s3:{}/wharf\"\ncredentials_file = \"{}\"\n",
        store.address.trim_end_matches('/'),
        credentials.display()
    );
    fs::write(directory.join("snapshots.toml"), keys).unwrap();
    world.wharf(&["reload"]).ok();
    let shop = world.site("shop", &[("wharf.toml", CONFIG)]);
    shop.init().ok();
    shop.push(&["main"]).ok();
    put(&shop, "old");
    shop.wharf(&["snapshot", "create"]).ok();
    let listed = shop.wharf(&["snapshot", "list", "--json"]).ok().out;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let first = listed[0]["id"].as_str().unwrap();
    assert_eq!(listed[0]["state"], "good");
    put(&shop, "new");
    assert_eq!(shop.get("/text").ok(), "new\n");
    shop.wharf(&["snapshot", "restore", first]).ok();
    assert_eq!(shop.get("/text").ok(), "old\n");
    shop.wharf(&["snapshot", "delete", first]).ok();
    // Nothing of what opens it is told to anybody.
    assert!(!world.logs().contains("s3cretly"));
}
