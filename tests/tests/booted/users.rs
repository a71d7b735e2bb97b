//! The range of users: who else has got hold of a part of it is named.

use crate::machine::Machine;

#[test]
fn the_doctor_names_whoever_has_users_of_applications() {
    let machine = Machine::boot();
    machine
        .pushes(
            "shop",
            &[
                ("wharf.toml", "public = \".\"\nbuild = \"true\"\n"),
                ("x", "x"),
            ],
        )
        .ok();
    let whole = machine.tries("wharf doctor");
    whole.lacks("of which some are those of applications");
    // Its own accounts are in the range, too.
    assert!(machine.runs("getent passwd").out.contains("\nwharf-"));
    machine.runs(
        "first=$(cat /var/lib/wharf-helper/range); echo podman:$((first - 9)):10 >>/etc/subuid",
    );
    machine
        .tries("wharf doctor")
        .exits(1)
        .has("podman has users ")
        .has("by /etc/subuid, of which some are those of applications")
        .has("give podman other numbers in /etc/subuid");
}
