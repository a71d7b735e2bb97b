//! Services that know no sockets: each is reached by a port, which leads into its own network.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use wharf_tests::{Tree, World};

use crate::mending::reboot;
use crate::restarts::wait_for_log;
use crate::web::WEB;

const QUEUE: &str = r#"
web = "exec python3 server.py"
[services]
queue = { type = "rabbitmq:3", memory = "300M" }
[deploy]
run = "python3 send.py release $WHARF_RELEASE"
"#;
/// What an application does: by its address alone.
const SEND: &str = r#"import os, pika, sys
channel = pika.BlockingConnection(pika.URLParameters(os.environ["QUEUE_URL"])).channel()
channel.queue_declare("work", durable=True)
channel.confirm_delivery()
channel.basic_publish("", "work", " ".join(sys.argv[1:]).encode(), pika.BasicProperties(delivery_mode=2))
"#;
const SERVER: &str = r#"import os, pika, web

def answer(path):
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["QUEUE_URL"]))
    method, _, body = connection.channel().basic_get("work", auto_ack=True)
    connection.close()
    return (body or b"nothing").decode()

web.serve(answer)
"#;

fn shop<'w>(world: &'w World, config: &str) -> Tree<'w> {
    let files = [
        ("wharf.toml", config),
        ("send.py", SEND),
        ("server.py", SERVER),
        WEB,
    ];
    let shop = world.site("shop", &files);
    shop.init();
    shop
}

/// What a variable of an environment says.
fn variable(shop: &Tree<'_>, environment: &str, name: &str) -> String {
    let words = ["run", "-e", environment, "--", "printenv", name];
    shop.wharf(&words).ok().out.trim().to_owned()
}

fn port(shop: &Tree<'_>, environment: &str) -> u16 {
    variable(shop, environment, "QUEUE_PORT").parse().unwrap()
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[test]
fn a_queue_keeps_what_waits_in_it_and_lets_nobody_else_in() {
    let world = World::new();
    let shop = shop(&world, QUEUE);
    shop.push(&["main"])
        .ok()
        .has("queue: rabbitmq 3")
        .has("main now serves r1");
    // It goes on under the next release, at the same port.
    let first = port(&shop, "main");
    shop.commit("Two");
    shop.push(&["main"]).ok().lacks("queue: rabbitmq");
    assert_eq!(port(&shop, "main"), first);

    // The host loses its power: the queue comes back with what waits.
    reboot(&world);
    wait_for_log(&world, "serves again after a restart");
    assert_eq!(port(&shop, "main"), first);
    for waits in ["release 1", "release 2", "nothing"] {
        assert_eq!(shop.get("/").ok(), waits);
    }

    // Another environment has its own, empty; main's port asks it for a password that it has not.
    shop.wharf(&["branch", "feature", "main"]).ok();
    assert_ne!(port(&shop, "feature"), first);
    let url = variable(&shop, "feature", "QUEUE_URL");
    let to_main = url.replace(&port(&shop, "feature").to_string(), &first.to_string());
    let words = ["run", "-e", "feature", "--", "env"];
    let send = |url: &str| {
        let url = format!("QUEUE_URL={url}");
        shop.wharf(&[&words[..], &[&url, "python3", "send.py", "hello"]].concat())
    };
    send(&url).ok();
    send(&to_main).exits(1).has("ProbableAuthenticationError");

    // Nothing listens for an environment that rests; who takes its port meanwhile gets it.
    let before = port(&shop, "feature");
    shop.wharf(&["pause", "-e", "feature"]).ok();
    assert!(!listens(before));
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, before)).unwrap();
    shop.wharf(&["resume", "-e", "feature"]).ok();
    assert_ne!(port(&shop, "feature"), before);
    shop.wharf(&["run", "-e", "feature", "--", "python3", "send.py", "again"])
        .ok();

    // What waits is work: nobody takes it out, or does it twice.
    shop.wharf(&["db", "dump", "queue", "-e", "main"])
        .exits(5)
        .has("holds nothing that could be written out");
}

#[test]
fn who_has_a_network_of_its_own_has_the_port_to_itself() {
    let world = World::new();
    let shop = shop(&world, &format!("network = \"private\"{QUEUE}"));
    shop.push(&["main"]).ok().has("main now serves r1");
    assert_eq!(shop.get("/").ok(), "release 1");
    assert!(!listens(port(&shop, "main")));
    // And the host's, from when it has none any more.
    shop.write("wharf.toml", QUEUE);
    shop.commit("Shared");
    shop.push(&["main"]).ok().has("queue: rabbitmq 3");
    assert!(listens(port(&shop, "main")));
    assert_eq!(shop.get("/").ok(), "release 2");
}

const OWN: &str = r#"
public = "."
[services.search]
type = "custom"
port = 9200
start = "cd $DATA && exec nats-server --addr 127.0.0.1 --port $PORT --user app --pass $PASSWORD"
[deploy]
run = "bash ask.sh"
"#;
const ASK: &str = r#"echo "socket: ${SEARCH_SOCKET-none}"
exec 3<>"/dev/tcp/$SEARCH_HOST/$SEARCH_PORT"
read -r hello <&3
printf 'CONNECT {"verbose":true,"user":"app","pass":"%s"}\r\n' "$SEARCH_PASSWORD" >&3
read -r answer <&3
echo "says: ${hello%% *} ${answer%?}"
"#;

#[test]
fn a_service_of_the_developer_s_own_may_listen_on_a_port() {
    let world = World::new();
    let shop = world.site("shop", &[("wharf.toml", OWN), ("ask.sh", ASK)]);
    shop.init();
    shop.push(&["main"])
        .ok()
        .has("search: custom answers")
        .has("| socket: none")
        .has("| says: INFO +OK");
    // A port that nobody but root may have.
    shop.write("wharf.toml", &OWN.replace("9200", "80"));
    shop.commit("Low");
    shop.push(&["main"])
        .exits(1)
        .has("wharf.toml:5:8")
        .has("1024");
}
