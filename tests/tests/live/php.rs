//! PHP for real: php-fpm from Debian as the web process.

use wharf_tests::{Tree, Visitor, World};

use crate::app::host;
use crate::load;

/// Debian names php-fpm after its version.
const CONFIG: (&str, &str) = (
    "wharf.toml",
    r#"public = "pub"
front = "index.php"
web = "exec $(ls /usr/sbin/php-fpm* | head -n 1) -F -y etc/fpm.conf"

[deploy]
health = { path = "/health?deep=1", within = "30s" }

[mounts]
"pub/media" = "data"

[locations."/static/"]
expires = "1h"
front = false
"#,
);

const FPM: (&str, &str) = (
    "etc/fpm.conf",
    "[global]\nerror_log = /proc/self/fd/2\n\n[www]\nlisten = ${SOCKET}\npm = static\n\
     pm.max_children = 4\nclear_env = no\nphp_admin_value[post_max_size] = 32M\n\
     php_admin_flag[display_errors] = off\nphp_admin_flag[log_errors] = on\n",
);

const FRONT: (&str, &str) = (
    "pub/index.php",
    r#"<?php
switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/':
        readfile('/app/version');
        break;
    case '/health':
        http_response_code($_GET['deep'] === '1' ? 204 : 500);
        break;
    case '/upload':
        $bytes = file_get_contents('php://input');
        echo strlen($bytes), ' ', md5($bytes);
        break;
    case '/moved':
        header('Location: /', true, 301);
        break;
    case '/fatal':
        no_such_function();
    case '/keep':
        file_put_contents('/app/pub/media/kept.txt', 'kept');
        file_put_contents('/app/pub/media/evil.php', '<?php echo "evil";');
        break;
    case '/told':
        foreach (['SCRIPT_FILENAME', 'REMOTE_ADDR', 'SERVER_NAME', 'HTTP_X_FORWARDED_HOST'] as $name) {
            echo "$name=$_SERVER[$name]\n";
        }
        break;
    default:
        http_response_code(404);
        echo 'no such page';
}
"#,
);

fn shop(world: &World) -> Tree<'_> {
    let tool = (
        "pub/tool.php",
        "<?php echo 'tool ', $_SERVER['PATH_INFO'] ?? '-';",
    );
    let style = ("pub/static/style.css", "css");
    let tree = world.site(
        "shop",
        &[CONFIG, FPM, FRONT, tool, style, ("version", "1\n")],
    );
    tree.init();
    let said = tree.push(&["main"]).ok().has("main now serves r1.");
    said.has("GET /health?deep=1 204");
    tree
}

#[test]
fn pages_uploads_redirects_and_failures() {
    let world = World::new();
    let shop = shop(&world);
    assert_eq!(shop.get("/").ok(), "1\n");
    assert_eq!(shop.get("/tool.php").ok(), "tool -");
    assert_eq!(shop.get("/tool.php/a/b").ok(), "tool /a/b");
    let style = shop.get("/static/style.css");
    assert_eq!(style.header("cache-control"), "max-age=3600");
    assert_eq!(style.ok(), "css");
    assert_ne!(shop.get("/static/none").body, "no such page");

    let visitor = Visitor::new(world.port());
    let upload = vec![b'x'; 6_000_000];
    let said = visitor.post(&host("shop"), "/upload", &upload).unwrap();
    assert_eq!(said.ok(), "6000000 1e17750192abb61e57b2adb7062045ce");
    let moved = shop.get("/moved");
    assert_eq!((moved.status, moved.header("location")), (301, "/"));
    let none = shop.get("/none");
    assert_eq!((none.status, &*none.body), (404, "no such page"));
    assert_eq!(shop.get("/fatal").status, 500);
    // Its only environment is production; a child of it is none.
    assert_eq!(shop.get("/").header("x-robots-tag"), "");
    shop.push(&["main:next"]).ok();
    let child = world.get("next--shop.localhost", "/");
    assert_eq!(child.header("x-robots-tag"), "noindex");
    let told = shop.get("/told").ok();
    for said in [
        "SCRIPT_FILENAME=/app/pub/index.php\n",
        "REMOTE_ADDR=127.0.0.1\n",
        "SERVER_NAME=main--shop.localhost\n",
        "HTTP_X_FORWARDED_HOST=main--shop.localhost",
    ] {
        assert!(told.contains(said), "{told}");
    }

    // What it writes into a mount below its files is served, and never run.
    shop.get("/keep").ok();
    assert_eq!(shop.get("/media/kept.txt").ok(), "kept");
    let evil = shop.get("/media/evil.php");
    assert_eq!((evil.status, &*evil.body), (404, "no such page"));
}

#[test]
fn a_front_that_is_not_there_and_one_that_fails_change_nothing() {
    let world = World::new();
    let shop = shop(&world);
    shop.write("wharf.toml", &CONFIG.1.replace("index.php", "main.php"));
    shop.commit("No front");
    shop.push(&["main"])
        .has("front = \"main.php\" is no file of the build's result")
        .has("main still serves r1");
    shop.write(
        "wharf.toml",
        &CONFIG.1.replace("deep=1", "deep=0").replace("30s", "2s"),
    );
    shop.commit("Never healthy");
    shop.push(&["main"])
        .has("GET /health?deep=0 answered 500")
        .has("main still serves r1");
    assert_eq!(shop.get("/").ok(), "1\n");
}

#[test]
fn no_request_fails_through_five_deployments() {
    let world = World::new();
    let shop = shop(&world);
    let asked = load::visited(world.port(), &host("shop"), || load::push_until(&shop, 6));
    load::none_failed(&asked, 6);
}
