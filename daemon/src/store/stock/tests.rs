use std::future::Future;

use wharf_config::files::Files;
use wharf_config::name::BranchName;
use wharf_config::place::Place;
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::{Actor, Commit};

use super::super::Recorder;
use super::super::activity::{Ending, NewActivity};
use super::super::environment::EnvironmentRecord;
use super::super::known::Opened;
use super::super::open::open;
use super::super::paths::Paths;
use super::super::process::ProcessRecord;
use super::super::release::{ReleaseRecord, ReleaseState};
use super::super::slug::SlugRecord;
use super::super::status::Limits;
use super::*;

struct Shop {
    recorder: Recorder,
    key: EnvironmentKey,
    paths: Paths,
    _directory: tempfile::TempDir,
}

impl Shop {
    fn new() -> Shop {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(&Place::below(directory.path()));
        paths.make().unwrap();
        let database = open(&paths).unwrap();
        Shop {
            recorder: Recorder::new(database),
            key: key("shop", "main").unwrap(),
            paths,
            _directory: directory,
        }
    }

    async fn begin(&self, kind: Kind, target: Option<u32>) -> String {
        let branch = BranchName::parse("main").unwrap();
        let environment = EnvironmentRecord {
            key: self.key.clone(),
            branch: branch.clone(),
            kind: "production".into(),
            parent: None,
            trust_domain: "protected".into(),
            status: "active".into(),
            tip: None,
            live: None,
            generation: 0,
            title: String::new(),
            chosen_parent: None,
            maintenance: None,
            beginning: crate::plan::beginning::Beginning::default(),
        };
        let activity = NewActivity {
            key: self.key.clone(),
            branch,
            kind,
            actor: Actor {
                name: "ada".into(),
                source: "uid".into(),
            },
            commit: Commit {
                new: Some(format!("{:040x}", rand::random::<u64>())),
                ..Commit::default()
            },
            production: true,
            environment: Some(environment),
            rebuild: false,
            now: false,
            source: None,
            renames: None,
            variable: None,
            imported: None,
            snapshot: None,
            target,
        };
        let opened = self
            .recorder
            .open(vec![activity], Limits::new(), &self.paths);
        let opened = opened.await.unwrap().remove(0);
        let Opened::New(id, _) = opened else {
            panic!("{opened:?}");
        };
        self.recorder.start(&id).await.unwrap();
        id
    }

    async fn end(&self, id: &str) {
        let ending = Ending {
            state: State::Failed,
            reason: None,
            live_after: None,
        };
        self.recorder.end(id, ending).await.unwrap();
    }

    async fn slug(&self, key: &str) {
        let record = SlugRecord {
            key: key.into(),
            base: key.into(),
            project: "shop".into(),
            trust_domain: "protected".into(),
            ingredients: "{}".into(),
            digest: String::new(),
            files: 1,
            bytes: 1,
        };
        self.recorder.add_slug(record).await.unwrap();
    }

    /// A release of this slug, made by its own activity.
    async fn release(&self, slug: &str) -> (u32, String) {
        self.release_from(0, slug).await
    }

    /// The same, with a number that is at least so high.
    async fn release_from(&self, number: u32, slug: &str) -> (u32, String) {
        let activity = self.begin(Kind::Push, None).await;
        let mut files = Files::default();
        files.insert("wharf.toml", "public = \".\"");
        let record = ReleaseRecord {
            number,
            state: ReleaseState::Making,
            slug: slug.into(),
            commit: String::new(),
            subject: String::new(),
            application: wharf_config::application::read(&files).unwrap(),
            variables: Default::default(),
            activity: activity.clone(),
            created: 0,
        };
        let made = self.recorder.make_release(&self.key, record).await.unwrap();
        (made.number, activity)
    }

    async fn set(&self, number: u32, state: ReleaseState) {
        let set = self.recorder.set_release(&self.key, number, state);
        set.await.unwrap();
    }

    async fn prune(&self, number: u32, view: &View) -> bool {
        let pruned = self.recorder.prune_release(&self.key, number, view);
        pruned.await.unwrap()
    }

    async fn is_held(&self, number: u32) -> bool {
        let (releases, _) = self.recorder.stock(&View::default()).await.unwrap();
        let mut releases = releases.into_iter();
        releases.find(|r| r.number == number).unwrap().held
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(test);
}

#[test]
fn a_slug_that_was_chosen_stays_until_its_activity_has_ended() {
    run(async {
        let shop = Shop::new();
        shop.slug("a").await;
        // Found and chosen, and no release holds it yet.
        let id = shop.begin(Kind::Push, None).await;
        shop.recorder.set_slug(&id, "a", true).await.unwrap();
        let (_, slugs) = shop.recorder.stock(&View::default()).await.unwrap();
        assert!(slugs[0].held);
        assert!(!shop.recorder.forget_slug("a").await.unwrap());
        shop.end(&id).await;
        // Then a release is made of it, becomes ready, and is pruned.
        let (number, id) = shop.release("a").await;
        shop.end(&id).await;
        assert!(!shop.recorder.forget_slug("a").await.unwrap(), "making");
        shop.set(number, ReleaseState::Ready).await;
        assert!(!shop.recorder.forget_slug("a").await.unwrap(), "ready");
        assert!(shop.prune(number, &View::default()).await);
        assert!(shop.recorder.forget_slug("a").await.unwrap());
        assert!(!shop.recorder.forget_slug("a").await.unwrap(), "once");
    });
}

#[test]
fn a_release_stays_while_it_serves_runs_or_is_wanted() {
    run(async {
        let shop = Shop::new();
        let none = View::default();
        let (number, id) = shop.release("a").await;
        shop.end(&id).await;
        assert!(!shop.prune(number, &none).await, "it never served");
        shop.set(number, ReleaseState::Ready).await;

        shop.recorder
            .set_live(&shop.key, Some(number))
            .await
            .unwrap();
        assert!(shop.is_held(number).await && !shop.prune(number, &none).await);
        // What served when an activity began may still be what the router follows, but the
        // activity itself knows when it is not.
        let push = shop.begin(Kind::Push, None).await;
        shop.recorder.set_live(&shop.key, None).await.unwrap();
        assert!(shop.is_held(number).await && !shop.prune(number, &none).await);
        let own = View {
            environment: None,
            activity: Some(push.clone()),
        };
        let (releases, _) = shop.recorder.stock(&own).await.unwrap();
        assert!(!releases[0].held);
        shop.end(&push).await;
        assert!(!shop.is_held(number).await);

        let record = ProcessRecord {
            instance: "main.r1.web".into(),
            key: shop.key.clone(),
            release: number,
            name: "web".into(),
            port: 1,
        };
        shop.recorder.add_process(record).await.unwrap();
        assert!(shop.is_held(number).await && !shop.prune(number, &none).await);
        shop.recorder.forget_process("main.r1.web").await.unwrap();

        let rollback = shop.begin(Kind::Rollback, Some(number)).await;
        assert!(shop.is_held(number).await && !shop.prune(number, &none).await);
        shop.end(&rollback).await;
        assert!(!shop.is_held(number).await && shop.prune(number, &none).await);
    });
}

#[test]
fn an_environment_looks_at_its_own_and_at_what_no_other_holds() {
    run(async {
        let shop = Shop::new();
        shop.slug("a").await;
        shop.slug("b").await;
        let (number, id) = shop.release("a").await;
        shop.set(number, ReleaseState::Ready).await;
        shop.end(&id).await;
        let seen = async |key: &EnvironmentKey| {
            let view = View {
                environment: Some(key.clone()),
                activity: None,
            };
            let (releases, slugs) = shop.recorder.stock(&view).await.unwrap();
            let slugs: Vec<String> = slugs.into_iter().map(|slug| slug.key).collect();
            (releases.len(), slugs)
        };
        assert_eq!(seen(&shop.key).await, (1, vec!["a".into(), "b".into()]));
        let other = key("shop", "side").unwrap();
        assert_eq!(seen(&other).await, (0, vec!["b".into()]));
    });
}

#[test]
fn a_record_is_forgotten_with_its_steps_and_never_while_it_is_open() {
    run(async {
        let shop = Shop::new();
        let (number, id) = shop.release("a").await;
        assert!(!shop.recorder.forget_activity(&id).await.unwrap());
        shop.set(number, ReleaseState::Ready).await;
        shop.end(&id).await;
        let held = shop.recorder.old_records(1 << 60).await.unwrap();
        assert!(held[0].held, "its release can serve, and it is the newest");
        let (failed, other) = shop.release("a").await;
        shop.set(failed, ReleaseState::Failed).await;
        shop.end(&other).await;
        let newest = shop.begin(Kind::Push, None).await;
        shop.end(&newest).await;
        let records = shop.recorder.old_records(1 << 60).await.unwrap();
        let held: Vec<bool> = records.iter().map(|record| record.held).collect();
        assert_eq!(held, [true, false, true]);
        assert!(shop.recorder.forget_activity(&other).await.unwrap());
        assert!(shop.recorder.activity(&other).await.unwrap().is_none());
        let gone = shop.recorder.release(&shop.key, failed).await.unwrap();
        assert!(gone.is_none());
    });
}

#[test]
fn a_number_that_the_record_has_not_given_is_not_over() {
    run(async {
        let shop = Shop::new();
        assert_eq!(shop.release("a").await.0, 1);
        shop.set(1, ReleaseState::Failed).await;
        assert_eq!(shop.release("a").await.0, 2);
        let is_over = async |number| {
            let numbers = shop.recorder.release_numbers().await.unwrap();
            numbers.is_over(&shop.key, number)
        };
        assert!(is_over(1).await, "it never served");
        assert!(!is_over(2).await, "it is being made");
        // On the disk, from before an older record was restored.
        assert!(!is_over(5).await);
        assert_eq!(shop.release_from(6, "a").await.0, 6);
        assert!(is_over(5).await && !is_over(6).await && !is_over(7).await);
        assert_eq!(shop.release("a").await.0, 7);
        let numbers = shop.recorder.release_numbers().await.unwrap();
        assert!(!numbers.is_over(&key("shop", "other").unwrap(), 1));
    });
}

#[test]
fn an_id_that_something_on_the_disk_bears_is_taken() {
    let shop = Shop::new();
    assert!(!shop.paths.bears("4f2a"));
    for path in [
        shop.paths.events("4f2a"),
        shop.paths.raw("4f2b"),
        shop.paths.kept("4f2c"),
    ] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    assert!(
        ["4f2a", "4f2b", "4f2c"]
            .iter()
            .all(|id| shop.paths.bears(id))
    );
}
