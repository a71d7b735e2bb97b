//! The daemon's unit without the helper: what it gives up must leave bubblewrap what it needs.

use crate::machine::Machine;

#[test]
fn bubblewrap_has_what_it_needs_in_the_daemons_unit() {
    let machine = Machine::boot();
    machine.runs(
        "set -e; systemctl stop wharfd.socket wharfd; systemctl stop wharf-helper.socket wharf-helper
         rm -rf /run/wharf-helper/socket /etc/systemd/system/wharf-helper.*
         install -D /wharf/systemd/bubblewrap.conf /etc/systemd/system/wharfd.service.d/bubblewrap.conf
         systemctl daemon-reload
         systemctl start wharfd",
    );
    let server = "import http.server, os\n\
        http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), \
        http.server.SimpleHTTPRequestHandler).serve_forever()\n";
    let config = "web = \"exec python3 app.py\"\n\
        [build]\nsteps = [\"nice -n 5 python3 -c 'print(6 * 7)' >made\"]\nnetwork = \"none\"\n";
    machine
        .pushes("shop", &[("wharf.toml", config), ("app.py", server)])
        .ok()
        .has("main now serves r1");
    assert_eq!(machine.gets("shop", "/made"), "42\n");
    assert_eq!(machine.jobs(), "", "nothing of it is a unit");
    // A command by hand, with a terminal of its own.
    let said =
        machine.runs("cd /root/shop; script -qec 'wharf run -- sh -c \"tty; id -u\"' /dev/null");
    // Where bubblewrap shows it.
    assert!(said.out.contains("/dev/console"), "{said}");
    machine.runs("systemctl restart wharfd");
    assert_eq!(machine.gets("shop", "/made"), "42\n");
    machine.tries("wharf doctor").has("owners and modes of ");
}
