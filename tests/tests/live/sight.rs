//! What an application sees: its tree as git meant it, its own variables, and nothing of the host.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use wharf_tests::{Tree, World};

/// A server that answers with what `look.sh` prints.
const LOOKER: (&str, &str) = (
    "app.py",
    r#"import http.server, os, subprocess

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = subprocess.run(["sh", "look.sh"], capture_output=True).stdout
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#,
);
const CONFIG: (&str, &str) = ("wharf.toml", "web = \"exec python3 app.py\"\n");

/// The page of an application whose `look.sh` is this.
fn look(world: &World, script: &str, more: impl FnOnce(&Tree<'_>)) -> String {
    let site = world.site("site", &[CONFIG, LOOKER, ("look.sh", script)]);
    more(&site);
    site.commit("All of it");
    site.init();
    site.push(&["main"]).ok().has("main now serves r1.");
    site.get("/").ok()
}

#[test]
fn the_tree_is_as_git_means_it() {
    let script = "pwd\nbin/tool\ntest -x plain.txt || echo plain is not executable\n\
        readlink link dangling bin/up; cat link\n\
        od -An -c run.bat | tr -d ' \\n'; echo\nod -An -c unix.sh | tr -d ' \\n'; echo\n\
        od -An -c data.bin | tr -d ' \\n'; echo\n\
        ls notes secret.txt 2>&1 | wc -l; test -e notes -o -e secret.txt || echo left out\n\
        cat 'with space/\u{fc}n\u{ef}.txt'; test -e empty -a ! -s empty && echo empty\n\
        test -e .git || echo no repository\n";
    let world = World::new();
    let page = look(&world, script, |site| {
        site.write("bin/tool", "#!/bin/sh\necho a tool runs\n");
        let tool = site.path().join("bin/tool");
        fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();
        site.write("plain.txt", "plain\n");
        for (target, link) in [
            ("plain.txt", "link"),
            ("nowhere/at/all", "dangling"),
            ("../plain.txt", "bin/up"),
        ] {
            symlink(target, site.path().join(link)).unwrap();
        }
        site.write(
            ".gitattributes",
            "*.bat text eol=crlf\n*.sh text eol=lf\n*.bin -text\nnotes export-ignore\nsecret.txt export-ignore\n",
        );
        site.write("run.bat", "one\ntwo\n");
        site.write("unix.sh", "one\r\ntwo\r\n");
        site.write("data.bin", "a\r\nb");
        site.write("notes/a", "not for the application\n");
        site.write("secret.txt", "neither\n");
        site.write("with space/\u{fc}n\u{ef}.txt", "a name of its own\n");
        site.write("empty", "");
    });
    assert_eq!(
        page,
        "/app\na tool runs\nplain is not executable\nplain.txt\nnowhere/at/all\n../plain.txt\nplain\n\
         one\\r\\ntwo\\r\\n\none\\ntwo\\n\na\\r\\nb\n2\nleft out\na name of its own\nempty\nno repository\n"
    );
}

#[test]
fn the_host_is_not_there() {
    let script = "touch /app/x 2>/dev/null || echo code is read-only\n\
        touch /tmp/x \"$HOME/x\" && echo rest is writable\n\
        for path in \"$(cat elsewhere)\" /root/.ssh /etc/shadow /var/run/docker.sock; do\n\
        cat \"$path\" >/dev/null 2>&1 && echo sees $path; ls \"$path\"/* >/dev/null 2>&1 && echo lists $path; done\n\
        tr '\\0' '\\n' </proc/1/environ | grep -c GIT_\n\
        for process in /proc/[0-9]*; do tr '\\0' ' ' <$process/cmdline; done | grep -c '[w]harfd'\n\
        env | cut -d= -f1 | grep -E '^(WHARF_HOME|WHARF_BIN|GIT|LC|TZ)' | sort\n\
        echo $HOST $PORT $SOCKET | tr -d 0-9; echo \"$PATH\"\n\
        echo $WHARF_PROJECT $WHARF_ENVIRONMENT $WHARF_ENVIRONMENT_TYPE $WHARF_BRANCH r$WHARF_RELEASE\n";
    let world = World::new();
    let page = look(&world, script, |site| {
        site.write("elsewhere", world.path("").to_str().unwrap());
    });
    let end = "0\n0\n...  /run/app/web.sock\n\
        /app/.venv/bin:/app/node_modules/.bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n\
        site main production main r1\n";
    assert_eq!(page, format!("code is read-only\nrest is writable\n{end}"));
}

#[test]
fn a_server_on_its_unix_socket() {
    let server = LOOKER.1.replace(
        "http.server.HTTPServer((\"127.0.0.1\", int(os.environ[\"PORT\"])), Handler)",
        "S(os.environ[\"SOCKET\"], Handler)",
    );
    let server = server.replace(
        "class Handler",
        "import socketserver\nclass S(socketserver.UnixStreamServer):\n    \
         def get_request(self):\n        return self.socket.accept()[0], (\"local\", 0)\n\nclass Handler",
    );
    let world = World::new();
    let page = look(&world, "echo over a socket", |site| {
        site.write("app.py", &server);
    });
    assert_eq!(page, "over a socket\n");
    let route = world.home().join("state/routes/site.main.json");
    let route = fs::read_to_string(route).unwrap();
    assert!(route.contains("\"unix\""), "{route}");
}
