//! The power is cut at recorded steps and at any moment: what was acknowledged is there afterwards,
//! and nothing is half there.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, poll};
use rustix::io::retry_on_intr;
use wharf_tests::{Kind, Sample, World, apart, run, users_of_environments};
use wharf_wire::outcome::State;

use crate::host::{self, Operation, SHOP};

/// So many cuts on each file system, unless `WHARF_CUTS` says otherwise.
const CUTS: usize = 26;
/// MiB: the least that mkfs.xfs makes.
const SIZE: u64 = 300;
/// Some things are done after the answer.
const AFTERWARDS: Duration = Duration::from_secs(2);

#[test]
fn power_cuts_on_ext4() {
    if apart("cuts::power_cuts_on_ext4") {
        cut_often(Kind::Ext4);
    }
}

#[test]
fn power_cuts_on_xfs() {
    if apart("cuts::power_cuts_on_xfs") {
        cut_often(Kind::Xfs);
    }
}

/// When the power is cut.
#[derive(Debug)]
enum Moment {
    At(String),
    After(Duration),
}

/// Cuts the power of disks of this kind again and again.
pub(crate) fn cut_often(kind: Kind) {
    let cuts = std::env::var("WHARF_CUTS").map_or(CUTS, |text| text.parse().unwrap());
    let world = host::on_disk(kind, SIZE);
    let mut shop = host::warm(&world);
    let points = host::points(&world, &mut shop);
    let mut random = Random(0x5eed + cuts as u64);
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..cuts {
        let (operation, moment) = choose(number, cuts, &points, &mut random);
        let outcome = cut(&world, &mut shop, operation, &moment);
        println!("{kind:?} {number}: {operation:?} {moment:?}: {outcome}");
        *outcomes.entry(outcome).or_default() += 1;
    }
    // The next push clears what a cut left in the repository; then there is nothing left at all.
    shop.commit_repeatable();
    shop.tree.push(&["--force", "main", "main:feature"]).ok();
    host::judge(&world);
    world.judge(&[SHOP]).good(&world);
    println!("{kind:?}: {cuts} power cuts: {outcomes:?}");
}

/// Every other cut is at a recorded step, spread over all of them; the rest are at any moment.
fn choose(
    number: usize,
    cuts: usize,
    points: &BTreeMap<Operation, Vec<String>>,
    random: &mut Random,
) -> (Operation, Moment) {
    if number.is_multiple_of(2) {
        let all: Vec<(Operation, &String)> = points
            .iter()
            .flat_map(|(operation, points)| points.iter().map(|point| (*operation, point)))
            .collect();
        let (operation, point) = all[number * all.len() / cuts];
        return (operation, Moment::At(point.clone()));
    }
    // Mostly pushes.
    let operation = Operation::ALL[random.below(6).saturating_sub(2)];
    let after = u64::try_from(random.below(900)).unwrap();
    (operation, Moment::After(Duration::from_millis(after)))
}

/// Cuts the power and looks at what is there afterwards; says what came of the operation.
fn cut(world: &World, shop: &mut Sample<'_>, operation: Operation, moment: &Moment) -> String {
    if operation == Operation::Delete {
        // The same branch at the same commit again would look like one push that is taken up twice.
        shop.commit_repeatable();
        shop.tree.push(&["--force", "main:feature"]).ok();
    }
    if let Moment::At(point) = moment {
        world.freeze_at(point);
    }
    let (mut client, version) = operation.begin(shop);
    match moment {
        Moment::At(_) => {
            let mut over = None;
            world.freezes_before(|| {
                if over.is_none() && client.is_over() {
                    over = Some(Instant::now());
                }
                over.is_some_and(|over| over.elapsed() > AFTERWARDS)
            });
        }
        Moment::After(time) => wait(*time),
    }
    let users = users_of_environments();
    world.cut_power();
    let said = client.end();
    start_of_the_host(world);
    world.start();
    let verdict = host::judge(world);
    host::users_stay(&users);

    let acknowledged = said.contains("wharf log ");
    if acknowledged {
        is_there(world, shop, operation, &said);
    }
    let Some(version) = version else {
        return format!("{operation:?}, acknowledged: {acknowledged}");
    };
    let state = verdict.of(&version).map(|activity| activity.state);
    assert!(
        state == Some(State::Succeeded) || (state.is_none() && !acknowledged),
        "{version} was acknowledged ({acknowledged}) and is {state:?}\n{said}\n{}",
        world.logs()
    );
    let state = state.map_or("lost", State::word);
    format!("{operation:?}, acknowledged: {acknowledged}, {state}")
}

/// What was acknowledged is in the repository, and serves.
fn is_there(world: &World, shop: &Sample<'_>, operation: Operation, said: &str) {
    let (branch, pushed) = match operation {
        Operation::Rollback => return,
        Operation::Push => ("main", true),
        Operation::NewBranch => ("feature", true),
        Operation::Delete => ("feature", false),
    };
    let commit = shop.tree.git(&["rev-parse", "HEAD"]).ok().out;
    let tips = world.tips(SHOP);
    let tip = tips.get(branch).map(String::as_str);
    let wanted = pushed.then_some(commit.trim());
    assert_eq!(
        tip,
        wanted,
        "{operation:?} is lost\n{said}\n{}",
        world.logs()
    );
    let page = world.get(&format!("{branch}--{SHOP}.localhost"), "/");
    let version = fs::read_to_string(shop.tree.path().join("version")).unwrap();
    assert_eq!(
        (page.status, page.body == version),
        if pushed { (200, true) } else { (404, false) }
    );
}

/// After a real cut the host starts later than all that it finds.
pub(crate) fn start_of_the_host(world: &World) {
    let mut find = world.command("find");
    find.arg(world.repository(SHOP))
        .args(["(", "-name", "*.lock", "-o", "-name", "tmp_*", ")"])
        .args(["-exec", "touch", "-d", "@0", "{}", "+"]);
    run(&mut find).ok();
}

fn wait(time: Duration) {
    let time = Timespec::try_from(time).unwrap();
    retry_on_intr(|| poll(&mut [], Some(&time))).unwrap();
}

/// Numbers that are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}
