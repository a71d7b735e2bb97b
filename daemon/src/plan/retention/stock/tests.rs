use std::time::Duration;

use proptest::prelude::*;
use wharf_config::host::{Bounds, MinFree};

use super::*;
use crate::store::environment::key;

const HOUR: u64 = 3_600_000;

fn keep(bounds: &Bounds, age: Option<Duration>) -> Keep {
    Keep {
        slugs: bounds.clone(),
        cache: bounds.clone(),
        logs: bounds.clone(),
        data: age,
        records: age,
        min_free: MinFree { size: 0, files: 0 },
    }
}

fn name(number: u8) -> String {
    format!("{number:02x}")
}

/// Releases of two environments of two projects that share their slugs.
fn any_releases() -> impl Strategy<Value = Vec<Release>> {
    let release = (0_u8..2, 0_u8..8, any::<bool>());
    prop::collection::vec(release, 0..16).prop_map(|facts| {
        let numbered = facts.into_iter().zip(1..);
        let release = |((project, slug, held), number)| Release {
            key: key(["shop", "blog"][usize::from(project)], "main").unwrap(),
            number,
            slug: name(slug),
            held,
        };
        numbered.map(release).collect()
    })
}

fn any_slugs() -> impl Strategy<Value = Vec<Slug>> {
    let slug = (0_u64..50, 0_u64..100, any::<bool>());
    prop::collection::vec(slug, 8).prop_map(|facts| {
        let numbered = facts.into_iter().zip(0_u8..);
        let slug = |((bytes, used, held), number)| Slug {
            key: name(number),
            base: name(number),
            project: ["shop", "blog"][usize::from(number % 2)].into(),
            bytes,
            used,
            imported: None,
            held,
        };
        numbered.map(slug).collect()
    })
}

fn any_caches() -> impl Strategy<Value = Vec<Cache>> {
    let cache = (0_u64..50, 0_u64..100, any::<bool>());
    prop::collection::vec(cache, 0..4).prop_map(|facts| {
        let numbered = facts.into_iter().zip(0_u8..);
        let cache = |((bytes, used, held), number): ((u64, u64, bool), u8)| Cache {
            project: ProjectName::parse(&format!("p{number}")).unwrap(),
            trust_domain: "open".into(),
            bytes,
            used,
            held,
        };
        numbered.map(cache).collect()
    })
}

fn any_stock() -> impl Strategy<Value = Stock> {
    let history = (0_u64..100, any::<bool>(), any::<bool>(), any::<bool>());
    let history = prop::collection::vec(history, 0..10);
    (any_releases(), any_slugs(), any_caches(), history).prop_map(
        |(releases, slugs, caches, history)| {
            let mut stock = Stock {
                releases,
                slugs,
                caches,
                ..Stock::default()
            };
            for ((at, runs, held, kept), number) in history.into_iter().zip(0_u8..) {
                let activity = name(number);
                stock.logs.push(Log {
                    activity: activity.clone(),
                    bytes: at,
                    written: at,
                    held: runs,
                });
                if kept {
                    stock.data.push(Data {
                        activity: activity.clone(),
                        since: at,
                    });
                }
                if !runs {
                    stock.records.push(Record {
                        activity,
                        ended: at,
                        held,
                    });
                }
            }
            stock
        },
    )
}

fn any_keep() -> impl Strategy<Value = Keep> {
    use prop::option::of;
    let parts = (of(0_u32..6), of(0_u64..200), of(0_u64..100), of(0_u64..100));
    parts.prop_map(|(count, size, used, old)| {
        let bounds = Bounds {
            count,
            size,
            age: used.map(Duration::from_millis),
        };
        keep(&bounds, old.map(Duration::from_millis))
    })
}

fn check_slugs(stock: &Stock, gone: &[Removal]) -> Result<(), TestCaseError> {
    for removal in gone {
        let Thing::Slug(slug) = &removal.thing else {
            continue;
        };
        prop_assert!(!slug.held);
        for release in stock.releases.iter().filter(|r| r.slug == slug.key) {
            let thing = Thing::Release {
                key: release.key.clone(),
                number: release.number,
            };
            prop_assert!(
                gone.iter().any(|removal| removal.thing == thing),
                "r{} stays and its slug goes",
                release.number
            );
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn nothing_goes_that_something_needs(
        stock in any_stock(), keep in any_keep(), releases in 0_usize..5, now in 0_u64..150,
    ) {
        let gone = decide(&stock, releases, &keep, now);
        check_slugs(&stock, &gone)?;
        for removal in &gone {
            match &removal.thing {
                Thing::Release { key, number } => {
                    let same = |r: &&Release| r.key == *key && r.number == *number;
                    let release = stock.releases.iter().find(same).unwrap();
                    let newer = |r: &&Release| r.key == *key && r.number > *number;
                    prop_assert!(!release.held);
                    prop_assert!(stock.releases.iter().filter(newer).count() >= releases);
                }
                Thing::Slug(_) => {}
                Thing::Cache(cache) => prop_assert!(!cache.held),
                Thing::Log(activity) => {
                    let log = stock.logs.iter().find(|log| log.activity == *activity).unwrap();
                    prop_assert!(!log.held);
                }
                Thing::Data(activity) => {
                    let data = stock.data.iter().find(|data| data.activity == *activity).unwrap();
                    prop_assert!(older(data.since, keep.data, now));
                }
                Thing::Record(activity) => {
                    let same = |record: &&Record| record.activity == *activity;
                    let record = stock.records.iter().find(same).unwrap();
                    prop_assert!(!record.held && older(record.ended, keep.records, now));
                    prop_assert!(stock.data.iter().all(|data| data.activity != *activity));
                    let log = Thing::Log(activity.clone());
                    prop_assert!(gone.iter().any(|removal| removal.thing == log));
                }
            }
        }
        for (at, removal) in gone.iter().enumerate() {
            let twice = gone[at + 1..].iter().any(|other| other.thing == removal.thing);
            prop_assert!(!twice, "{:?} goes twice", removal.thing);
        }
    }

    #[test]
    fn what_was_done_leaves_nothing_to_do(
        stock in any_stock(), keep in any_keep(), releases in 0_usize..5, now in 0_u64..150,
    ) {
        let mut stock = stock;
        let gone = decide(&stock, releases, &keep, now);
        let is_gone = |thing: &Thing| gone.iter().any(|removal| removal.thing == *thing);
        stock.releases.retain(|r| {
            !is_gone(&Thing::Release { key: r.key.clone(), number: r.number })
        });
        stock.slugs.retain(|slug| !is_gone(&Thing::Slug(slug.clone())));
        stock.caches.retain(|cache| !is_gone(&Thing::Cache(cache.clone())));
        stock.logs.retain(|log| !is_gone(&Thing::Log(log.activity.clone())));
        stock.records.retain(|r| !is_gone(&Thing::Record(r.activity.clone())));
        // Data goes last: the record that it names stays for another day.
        let data = stock.data.clone();
        stock.data.retain(|d| !is_gone(&Thing::Data(d.activity.clone())));
        if data == stock.data {
            prop_assert_eq!(decide(&stock, releases, &keep, now), []);
        }
    }

    #[test]
    fn only_what_can_be_had_again_makes_room(stock in any_stock()) {
        let gone = for_room(&stock);
        check_slugs(&stock, &gone)?;
        let mut used = Vec::new();
        for removal in &gone {
            match &removal.thing {
                Thing::Slug(slug) => used.push((0, slug.used)),
                Thing::Cache(cache) => {
                    prop_assert!(!cache.held);
                    used.push((1, cache.used));
                }
                other => prop_assert!(false, "{:?} is nobody's to take", other),
            }
        }
        prop_assert!(used.is_sorted());
    }
}

#[test]
fn a_slug_goes_with_its_last_release() {
    let shop = key("shop", "main").unwrap();
    let release = |number, slug: &str, held| Release {
        key: shop.clone(),
        number,
        slug: slug.into(),
        held,
    };
    let slug = |key: &str| Slug {
        key: key.into(),
        base: key.into(),
        project: "shop".into(),
        bytes: 1,
        used: 0,
        imported: None,
        held: false,
    };
    let stock = Stock {
        releases: vec![
            release(1, "a", false),
            release(2, "b", false),
            release(3, "a", true),
        ],
        slugs: vec![slug("a"), slug("b")],
        ..Stock::default()
    };
    let none = Bounds {
        count: Some(0),
        ..Bounds::default()
    };
    let things: Vec<Thing> = decide(&stock, 1, &keep(&none, None), HOUR)
        .into_iter()
        .map(|removal| removal.thing)
        .collect();
    let pruned = |number| Thing::Release {
        key: shop.clone(),
        number,
    };
    assert_eq!(things, [pruned(2), pruned(1), Thing::Slug(slug("b"))]);
}

#[test]
fn a_slug_that_came_from_elsewhere_stays_a_day_unless_there_is_no_room() {
    let slug = |key: &str, imported| Slug {
        key: key.into(),
        base: key.into(),
        project: "shop".into(),
        bytes: 9,
        used: HOUR,
        imported,
        held: false,
    };
    let stock = Stock {
        slugs: vec![slug("built", None), slug("came", Some(HOUR))],
        ..Stock::default()
    };
    let none = Bounds {
        count: Some(0),
        size: Some(1),
        ..Bounds::default()
    };
    let gone = |now| {
        let gone = decide(&stock, 1, &keep(&none, None), now).into_iter();
        gone.map(|removal| removal.thing).collect::<Vec<_>>()
    };
    let [built, came] = ["built", "came"].map(|key| {
        let slug = stock.slugs.iter().find(|slug| slug.key == key);
        Thing::Slug(slug.unwrap().clone())
    });
    assert_eq!(gone(25 * HOUR), std::slice::from_ref(&built));
    assert_eq!(gone(25 * HOUR + 1), [built.clone(), came.clone()]);
    let for_room = for_room(&stock).into_iter().map(|removal| removal.thing);
    assert_eq!(for_room.collect::<Vec<_>>(), [built, came]);
}
