//! The sysadmin's guide from nothing, as root types it; a developer who then pushes by theirs; what an operator reads
//! in the journal. What else stands in the guides any user can run: `tests/tests/guides`.

use wharf_tests::{
    Said,
    guide::{Typed, Where, place, typed},
};

use crate::machine::Machine;

/// A host that has git and sshd, and one who is going to push.
const SET_UP: &str = r#"
set -e
git config --global --unset-all safe.directory
cat >/usr/bin/sudo <<'END'
#!/bin/sh
[ "$1" = -u ] || exec "$@"
user=$2; shift 2
exec env HOME="$(getent passwd "$user" | cut -d: -f6)" runuser -u "$user" -- "$@"
END
chmod +x /usr/bin/sudo
echo '127.0.0.1 host' >>/etc/hosts
ssh-keygen -A >/dev/null
mkdir -p /run/sshd
systemctl start ssh
useradd --create-home --shell /bin/sh alice
chmod 0755 /home/alice
install -d -o alice -m 0700 /home/alice/.ssh
printf 'StrictHostKeyChecking accept-new\nLogLevel ERROR\n' >/home/alice/.ssh/config
runuser -u alice -- ssh-keygen -q -t ed25519 -N '' -f /home/alice/.ssh/id_ed25519
cp /home/alice/.ssh/id_ed25519.pub /home/alice/alice.pub
printf '[user]\nname = Alice\nemail = alice@example.com\n' >/home/alice/.gitconfig
echo /home/alice >/home/alice/at
chown alice: /home/alice/at
"#;

/// An application of which a process runs.
const APP: &[(&str, &str)] = &[(
    "wharf.toml",
    "web = \"exec python3 -m http.server --bind $HOST $PORT\"\n",
)];

/// What stands in the guides for an activity's id.
const ID: &str = "4f2a";

/// What somebody types, in the directory in which they are.
#[track_caller]
fn types(machine: &Machine, user: &str, command: &Typed) -> Said {
    let mut text = command.text.clone();
    if text.contains(ID) {
        let newest = "wharf -p shop activities --json | python3 -c 'import json, sys
print(json.load(sys.stdin)[0][\"id\"])'";
        text = text.replace(ID, machine.runs(newest).out.trim());
    }
    let (begin, at) = match user {
        "root" => ("bash", "/home/alice"),
        _ => (
            "env HOME=/home/alice runuser -u alice -- bash",
            "$(cat /home/alice/at)",
        ),
    };
    let script = format!(
        "{begin} <<'END OF WHAT IS TYPED' 2>&1\ncd {at}\n{text}\nstatus=$?\n\
         [ $(id -un) = root ] || pwd >/home/alice/at\nexit $status\nEND OF WHAT IS TYPED"
    );
    command.came_to(machine.tries(&script))
}

fn commands(guide: &'static str) -> impl Iterator<Item = Typed> {
    let all = typed(guide).into_iter();
    all.filter(|command| place(command) == Where::Machine)
}

#[test]
fn the_guides_lead_from_nothing_to_a_page_and_back() {
    let machine = Machine::boot();
    machine.runs(SET_UP);
    let mut pushed = 0;
    for command in commands("sysadmin.md") {
        if command.text.starts_with("sudo wharf hook uninstall") {
            machine.runs("git config --global safe.directory /srv/git/app.git");
            machine.pushes("app", APP).ok().has("main now serves r1");
            assert_ne!(machine.jobs(), "", "something runs that is to end");
        }
        let said = types(&machine, "root", &command);
        let begins = |text: &str| command.text.starts_with(text);
        if begins("sudo -u git wharf key add") {
            let first = typed("developer.md").into_iter();
            for command in first.filter(|command| command.section == "Push") {
                types(&machine, "alice", &command);
                pushed += 1;
            }
        }
        if begins("curl ") {
            said.has("<h1>The shop</h1>");
        } else if begins("journalctl ") {
            said.has("main now serves r1");
        }
        if begins("systemctl status") {
            operates(&machine);
        }
    }
    assert!(pushed > 4, "alice pushed in between");
    // All of it is gone but what is the sysadmin's.
    assert_eq!(machine.jobs(), "");
    machine.runs("test -z \"$(ls /srv/git/shop.git/hooks | grep -v sample)\"");
    machine.tries("wharf status").exits(4);
    machine
        .tries("curl --fail --max-time 5 http://127.0.0.1/")
        .exits(7);
    machine.runs("test -d /var/lib/wharf/releases && test -f /etc/wharf/projects.d/shop.toml");
}

/// What of the operator's guide needs systemd.
fn operates(machine: &Machine) {
    let mut queries = 0;
    for command in commands("operator.md") {
        let said = types(machine, "root", &command);
        if command.text.starts_with("journalctl WHARF_ACTIVITY") {
            said.has("Undo it:").has("wharf rollback -e main");
            queries += 1;
        }
    }
    assert_eq!(queries, 1, "the catalog is asked");
}
