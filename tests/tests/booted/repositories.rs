//! Repositories of the user `git`, into which the daemon may not write: what it moves there, and what
//! hooks leave for it while it is away.

use crate::machine::Machine;

/// The user who pushes, by a key; and a repository that everybody may read.
const SET_UP: &str = r#"
set -e
useradd --create-home --shell /bin/bash git
usermod --append --groups wharf git
git init --quiet --bare /srv/git/shop.git
chown -R git:git /srv/git/shop.git
chmod 0755 /srv/git/shop.git
printf '[push]\nunreachable = "accept"\n' >/etc/wharf/wharfd.toml
wharf reload
wharf project add shop /srv/git/shop.git
mkdir -p /home/git/.ssh /root/.ssh /run/sshd
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
cp /root/.ssh/id_ed25519.pub /home/git/.ssh/authorized_keys
chown -R git:git /home/git/.ssh
ssh-keygen -A >/dev/null
printf 'StrictHostKeyChecking accept-new\nLogLevel ERROR\n' >/root/.ssh/config
systemctl start ssh
git init --quiet /root/shop
cd /root/shop
git remote add wharf /srv/git/shop.git
git remote add ssh ssh://git@127.0.0.1/srv/git/shop.git
echo one >index.html
git add --all
git commit --quiet --message one
"#;

/// What is in the repository and not git's own.
const OTHERS: &str = "find /srv/git/shop.git ! -user git -o ! -group git";

fn machine() -> Machine {
    let machine = Machine::boot();
    machine.runs(SET_UP);
    machine.runs("runuser -u wharf -- test ! -w /srv/git/shop.git");
    machine
}

/// Where a branch is.
fn tip(machine: &Machine, branch: &str) -> String {
    let words = format!("git -C /srv/git/shop.git rev-parse --verify --quiet refs/heads/{branch}");
    machine.tries(&words).out
}

fn pushed(machine: &Machine, branch: &str, file: &str) {
    machine
        .runs(&format!(
            "cd /root/shop; git fetch --quiet ssh; git switch --quiet -C {branch} ssh/{branch}
             echo {branch} >{file}; git add --all; git commit --quiet --message {file}
             git push ssh {branch}"
        ))
        .has("now serves");
}

#[test]
fn what_the_daemon_moves_is_git_s_own() {
    let machine = machine();
    machine
        .runs("cd /root/shop; git push ssh main")
        .has("main now serves r1");
    machine
        .runs("cd /root/shop; wharf branch feature")
        .has("feature now serves r1");
    assert_eq!(tip(&machine, "feature"), tip(&machine, "main"));

    // Both go on: a commit of the daemon's, which comes as a pack.
    pushed(&machine, "feature", "feature.html");
    pushed(&machine, "main", "main.html");
    machine
        .runs("cd /root/shop; wharf merge -e feature")
        .has("main now serves r3");
    let merged = "git -C /srv/git/shop.git log -1 --format=%s,%P main";
    let merged = machine.runs(merged).out;
    assert!(merged.starts_with("Merge feature into main,"), "{merged}");
    assert_eq!(merged.split(' ').count(), 5, "two parents: {merged}");
    machine.gets("shop", "/feature.html");
    machine.runs("git -C /srv/git/shop.git fsck --strict --connectivity-only");
    machine
        .runs("cd /root/shop; wharf sync code -e feature")
        .has("feature now serves");
    pushed(&machine, "feature", "more.html");
    machine
        .runs("cd /root/shop; wharf promote -e feature")
        .has("main now serves r4");
    assert_eq!(tip(&machine, "feature"), tip(&machine, "main"));
    machine.runs("cd /root/shop; wharf delete -e feature");
    assert_eq!(tip(&machine, "feature"), "");

    // Refs are put together once they are many.
    machine.runs(
        "cd /root/shop; for n in $(seq 80); do git tag some-$n; done; git push --quiet ssh --tags",
    );
    pushed(&machine, "main", "last.html");
    machine.waits_for("grep -c refs/tags/ /srv/git/shop.git/packed-refs | grep 80");
    assert_eq!(machine.runs(OTHERS).out, "");
    // Nothing of it is left.
    machine.waits_for(
        "test -z \"$(systemctl list-units --all --plain --no-legend 'wharf-job-git*')\"",
    );
    machine.waits_for("test -z \"$(ls /run/wharf-helper/jobs | grep ^git)\"");
    machine.runs("test -z \"$(ls /var/lib/wharf/builds)\"");
}

#[test]
fn nothing_is_done_as_root_and_nobody_is_told_where() {
    let machine = machine();
    machine
        .runs("cd /root/shop; git push ssh main")
        .has("main now serves r1");

    // Whose it is, the disk says; where it is, only root.
    let branch = |name: &str| machine.tries(&format!("cd /root/shop; wharf branch {name}"));
    machine.runs("chown root:root /srv/git/shop.git");
    branch("one").exits(1).has("belongs to root");
    machine.runs("chown git:git /srv/git/shop.git; chmod g+w /etc/wharf/projects.d");
    branch("two")
        .exits(1)
        .has("chmod go-w /etc/wharf/projects.d");
    machine.runs("chmod g-w /etc/wharf/projects.d");
    for name in ["one", "two"] {
        assert_eq!(tip(&machine, name), "");
    }
    branch("three").ok();

    // The daemon's user itself.
    let ask = |project: &str, operation: &str| {
        let asked = format!(
            r#"{{"job":"git.x.1","project":"{project}","operation":{operation},"author":null}}"#
        );
        machine.tries(&format!(
            "echo | runuser -u wharf -- wharf-keeper git '{asked}'"
        ))
    };
    let take = "\"take\"";
    ask("unknown", take)
        .exits(126)
        .has("/etc/wharf/projects.d/unknown.toml");
    ask("../../root/x", take).exits(126).has("no message");
    ask("shop", r#"{"run":["id"]}"#)
        .exits(126)
        .has("no message");
    // By a path that could lead elsewhere tomorrow.
    let file = "/etc/wharf/projects.d/shop.toml";
    machine.runs(&format!(
        "ln -s git /srv/link; sed -i s,/srv/git,/srv/link, {file}"
    ));
    ask("shop", take)
        .exits(126)
        .has("cannot open /srv/link/shop.git without following links");
    machine.runs(&format!("sed -i s,/srv/link,/srv/git, {file}"));
    // What is no pack is none.
    assert_eq!(ask("shop", take).code, 128);
    machine
        .tries("echo | runuser -u git -- wharf-keeper git '{\"job\":\"git.x.1\",\"project\":\"shop\",\"operation\":\"take\",\"author\":null}'")
        .exits(126)
        .has("Permission denied");
    assert_eq!(machine.runs(OTHERS).out, "");

    // Without the helper it is said what is missing.
    machine.runs("systemctl stop wharf-helper.socket wharf-helper; rm -f /run/wharf-helper/socket");
    branch("four")
        .exits(1)
        .has("systemctl start wharf-helper.socket");
    machine
        .tries("cd /root/shop; wharf doctor")
        .has("no merge, promotion or deletion can be made");
    machine.runs("systemctl start wharf-helper.socket");
    branch("four").ok();
}

#[test]
fn a_push_while_the_daemon_is_away_is_left_for_it() {
    let machine = machine();
    machine
        .runs("cd /root/shop; git push ssh main")
        .has("main now serves r1");
    machine.runs(
        "useradd --create-home --groups wharf eve; systemctl stop wharfd.socket wharfd
         stat --format '%a %U %G' /var/lib/wharf/spool | grep '3730 wharf wharf'",
    );
    machine
        .runs("cd /root/shop; echo two >index.html; git commit --quiet --all --message two; git push ssh main")
        .has("the push is recorded");
    let left = machine.runs("ls /var/lib/wharf/spool").out;
    let file = format!("/var/lib/wharf/spool/{}", left.trim());
    machine
        .runs(&format!("stat --format '%a %U %G' {file}"))
        .has("640 git wharf");
    for attempt in [
        "ls /var/lib/wharf/spool".to_owned(),
        "cat /var/lib/wharf/spool/*".to_owned(),
        format!("rm -f {file}"),
        format!("mv {file} /tmp/x"),
        format!("echo x >>{file}"),
    ] {
        let said = machine.tries(&format!("runuser -u eve -- sh -c '{attempt}'"));
        assert_ne!(said.code, 0, "{attempt}: {}", said.out);
    }
    // What eve leaves is hers, and not what she says it is.
    machine.runs(
        "runuser -u eve -- sh -c 'cd /var/lib/wharf/spool; mkfifo 1.json; ln -s /etc/passwd 2.json
         echo {} >3.move; head -c 17000000 /dev/zero >4.json'",
    );
    machine.runs("systemctl start wharfd");
    machine.waits_for("curl -fs -H 'Host: main--shop.localhost' http://127.0.0.1:7080/ | grep two");
    machine.waits_for(&format!("test ! -e {file}"));
    machine
        .runs("cd /root/shop; wharf activities --json")
        .has("\"git\"");
    machine.runs("test -p /var/lib/wharf/spool/1.json");
}

/// A host that is to know of all moves: the daemon pushes to it like anybody, from within its unit.
#[test]
fn what_the_daemon_moves_goes_through_the_host_where_it_wants_to_know() {
    let machine = machine();
    machine.runs(
        r#"set -e
        ssh-keygen -q -t ed25519 -N '' -f /etc/wharf/forge.key
        cat /etc/wharf/forge.key.pub >>/home/git/.ssh/authorized_keys
        chown wharf: /etc/wharf/forge.key
        cat >>/etc/wharf/projects.d/shop.toml <<'END'
[push]
remote = "ssh://git@127.0.0.1/srv/git/shop.git"
ssh_command = "ssh -i /etc/wharf/forge.key -o BatchMode=yes -o StrictHostKeyChecking=accept-new"
END
        wharf reload"#,
    );
    machine
        .runs("cd /root/shop; git push ssh main")
        .has("main now serves r1");
    machine
        .runs("cd /root/shop; wharf branch feature")
        .has("feature now serves r1");
    pushed(&machine, "feature", "feature.html");
    machine
        .runs("cd /root/shop; wharf merge -e feature")
        .has("main now serves r2");
    machine.gets("shop", "/feature.html");
    machine.runs("cd /root/shop; wharf delete -e feature");
    assert_eq!(tip(&machine, "feature"), "");
    // By a key of its own; and no move was taken for another push.
    let key = machine
        .runs("ssh-keygen -lf /etc/wharf/forge.key.pub | cut -d' ' -f2")
        .out;
    let came = machine.runs(&format!(
        "journalctl --quiet -t sshd | grep -cF '{}'",
        key.trim()
    ));
    assert_eq!(came.out.trim(), "3", "{came}");
    let activities = machine.runs("cd /root/shop; wharf activities").out;
    assert_eq!(activities.matches("push").count(), 2, "{activities}");
    assert_eq!(machine.runs(OTHERS).out, "");
}
