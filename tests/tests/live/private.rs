//! `network = "private"`: who has a network of its own is reached all the same, and reaches nobody.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
};

use wharf_tests::World;

use crate::app::{CONFIG, SERVER, deployed, host};
use crate::restarts::wait_for_log;

const PRIVATE: &str = "network = \"private\"\n";

/// Connects to a port, and says what came of it.
const ASKS: &str = r#"import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
    print("somebody answers")
except OSError as error:
    print("nobody answers:", error.strerror)
"#;

#[test]
fn a_server_that_only_knows_its_port_is_reached_through_its_socket() {
    let world = World::unprivileged("[router]\nlisten = \"127.0.0.1:0\"\n");
    let neighbour = deployed(&world, "neighbour");
    let server = SERVER.1.replace(
        "    def do_GET(self):\n",
        "    def do_GET(self):\n        if self.path == \"/die\": os._exit(9)\n",
    );
    let config = format!(
        "{PRIVATE}{}run = \"python3 asks.py $(cat port)\"\n[workers]\nidle = \"exec sleep 600\"\n\
         [checks]\nanswers = \"python3 check.py\"\n",
        CONFIG.1
    );
    let check = "import os, urllib.request\n\
        print('seen', urllib.request.urlopen(os.environ['WHARF_CHECK_URL']).read().decode())\n";
    let shop = world.site(
        "shop",
        &[
            ("wharf.toml", &config),
            ("app.py", &server),
            ("asks.py", ASKS),
            ("check.py", check),
            ("port", &world.port().to_string()),
            ("version", "one\n"),
        ],
    );
    shop.init();
    shop.push(&["main"])
        .ok()
        .has("| nobody answers: Connection refused")
        .has("health     GET / 200")
        .has("| seen one")
        .has("main now serves r1");
    assert_eq!(shop.get("/").ok(), "one\n");

    // Its port is no port of the host.
    let route = world.home().join("state/routes/shop.main.json");
    let route = fs::read_to_string(route).unwrap();
    assert!(route.contains("/port.sock"), "{route}");

    // Nor is the router of the host, or its own server, to be reached by hand.
    for port in [world.port(), 8080] {
        let port = port.to_string();
        shop.wharf(&["run", "--", "python3", "asks.py", &port])
            .ok()
            .has("nobody answers");
    }

    let dies = world.get(&host("shop"), "/die");
    assert_eq!(dies.status, 502, "{}", dies.body);
    wait_for_log(&world, "process web runs (started again 1 times)");
    shop.write("version", "two\n");
    shop.commit("Two");
    shop.push(&["main"]).ok().has("| seen two").has("(was r1).");
    assert_eq!(shop.get("/").ok(), "two\n");
    shop.wharf(&["rollback"]).ok();
    assert_eq!(shop.get("/").ok(), "one\n");

    // A new daemon finds it again, and its router the way.
    world.end_daemon();
    world.start();
    assert_eq!(shop.get("/").ok(), "one\n");

    // And back to the host's network.
    shop.write("wharf.toml", &config.replace(PRIVATE, ""));
    shop.commit("Shared");
    shop.push(&["main"])
        .ok()
        .has("| somebody answers")
        .has("main now serves r3");
    assert_eq!(shop.get("/").ok(), "two\n");
    assert_eq!(neighbour.get("/").ok(), "one\n");
}

/// Says what it gets on a connection that it takes over, and goodbye at the end.
const NODE: &str = r#"const server = require("node:http").createServer((request, response) => {
  let size = 0;
  request.on("data", (chunk) => (size += chunk.length));
  request.on("end", () => response.end(`${size} bytes\n`));
});
server.on("upgrade", (request, socket) => {
  socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
  socket.on("data", (chunk) => socket.write(chunk.toString().toUpperCase()));
  socket.on("end", () => socket.end("goodbye"));
});
server.listen(process.env.PORT);
"#;

#[test]
fn node_upgrades_connections_and_takes_large_bodies_through_it() {
    let world = World::new();
    let config = format!("{PRIVATE}web = \"exec node server.js\"\n");
    let shop = world.site("shop", &[("wharf.toml", &config), ("server.js", NODE)]);
    shop.init();
    shop.push(&["main"]).ok().has("main now serves r1");

    let connect = || TcpStream::connect(("127.0.0.1", world.port())).unwrap();
    let head = |method: &str, more: &str| {
        let host = host("shop");
        format!("{method} / HTTP/1.1\r\nhost: {host}\r\n{more}\r\n")
    };
    let mut visitor = connect();
    let size = 3_000_000;
    let text = head(
        "POST",
        &format!("connection: close\r\ncontent-length: {size}\r\n"),
    );
    visitor.write_all(text.as_bytes()).unwrap();
    visitor.write_all(&vec![b'x'; size]).unwrap();
    let mut answer = String::new();
    visitor.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("3000000 bytes"), "{answer}");

    let mut visitor = connect();
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    visitor.write_all(head("GET", upgrade).as_bytes()).unwrap();
    let read = |visitor: &mut TcpStream, until: &str| {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).ends_with(until) {
            let mut byte = [0];
            visitor.read_exact(&mut byte).unwrap();
            seen.extend(byte);
        }
        String::from_utf8(seen).unwrap()
    };
    let answer = read(&mut visitor, "\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    for word in ["one", "two"] {
        visitor.write_all(word.as_bytes()).unwrap();
        assert_eq!(
            read(&mut visitor, &word.to_uppercase()),
            word.to_uppercase()
        );
    }
    // The end of one way is not that of the other.
    visitor.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read(&mut visitor, "goodbye"), "goodbye");
}

#[test]
fn php_is_reached_by_its_port_or_its_socket() {
    let world = World::new();
    let fpm = |listen: &str| {
        format!(
            "[global]\nerror_log = /proc/self/fd/2\n\n[www]\nlisten = {listen}\npm = static\n\
             pm.max_children = 2\n"
        )
    };
    let config = format!(
        "{PRIVATE}public = \"pub\"\nfront = \"index.php\"\n\
         web = \"exec $(ls /usr/sbin/php-fpm* | head -n 1) -F -y fpm.conf\"\n\
         [deploy]\nhealth = {{ path = \"/\", within = \"30s\" }}\n"
    );
    let shop = world.site(
        "shop",
        &[
            ("wharf.toml", &config),
            ("pub/index.php", "<?php echo 'by fastcgi ', 6 * 7;"),
            ("fpm.conf", &fpm("127.0.0.1:${PORT}")),
        ],
    );
    shop.init();
    shop.push(&["main"])
        .ok()
        .has("health     GET / 200")
        .has("main now serves r1");
    assert_eq!(shop.get("/").ok(), "by fastcgi 42");
    shop.write("fpm.conf", &fpm("${SOCKET}"));
    shop.commit("By its socket");
    shop.push(&["main"]).ok().has("main now serves r2");
    assert_eq!(shop.get("/").ok(), "by fastcgi 42");
}
