//! What every repository of flags has to do, in memory and on a database.

use std::time::Duration;

use mainstay::core::Clock;

use super::{
    super::tests::{Place, flag, key, on, on_each, root, subject},
    *,
};

impl Place {
    /// A flag that the next change makes.
    async fn next(&self, name: &str, definition: Definition) -> Flag {
        self.clock.advance(Duration::from_millis(1));
        let (set, now) = (self.kept.current().await.expect("works"), self.clock.now());
        let version = set.version.next();
        Flag { version, created_at: now, updated_at: now, ..flag(name, definition) }
    }

    async fn add(&self, name: &str, definition: Definition) -> Flag {
        let flag = self.next(name, definition).await;
        let change = Change::created(&flag, root().subject);
        assert!(self.kept.create(&flag, &change).await.expect("works"));
        flag
    }

    async fn set(&self) -> Arc<FlagSet> {
        let (all, current) = (self.kept.all().await, self.kept.current().await);
        let (all, current) = (all.expect("works"), current.expect("works"));
        assert_eq!(all, current, "nothing caches");
        all
    }

    async fn changes_of(&self, name: &str) -> Vec<Change> {
        self.kept.changes(&key(name), Version::END, 100).await.expect("works")
    }
}

/// With something in every field.
fn full() -> Definition {
    Definition {
        description: "Zwölf Boxkämpfer\n\"jagen\" \u{1F980} \\".to_owned(),
        enabled: false,
        rollout: Rollout(1234),
        allow: [subject(7), subject(u128::MAX)].into(),
        ..on(&["a", "b.c-d_e"])
    }
}

#[tokio::test]
async fn what_is_kept_comes_back_as_it_was() {
    on_each(async |place| {
        assert_eq!(*place.set().await, FlagSet::default(), "nothing yet");
        let least = Definition { description: String::new(), ..on(&[]) };
        let (one, other) = (place.add("z", full()).await, place.add("a", least).await);
        let flags = vec![Arc::new(one), Arc::new(other)];
        assert_eq!(*place.set().await, FlagSet::new(Version(2), flags));
    })
    .await;
}

#[tokio::test]
async fn a_change_is_kept_with_what_it_changed() {
    on_each(async |place| {
        let first = place.add("a", on(&[])).await;
        let next = place.next("a", full()).await;
        let second = Flag { created_at: first.created_at, ..next };
        let updated = Change::updated(&first, &second, subject(3));
        assert!(place.kept.update(&second, &updated).await.expect("works"));
        assert_eq!(*place.set().await, FlagSet::new(Version(2), vec![Arc::new(second.clone())]));
        let deleted = Change::deleted(&second, Version(3), subject(4), place.clock.now());
        assert!(place.kept.delete(&deleted).await.expect("works"));
        assert_eq!(*place.set().await, FlagSet::new(Version(3), Vec::new()));
        let created = Change::created(&first, root().subject);
        assert_eq!(place.changes_of("a").await, [deleted, updated, created], "newest first");
    })
    .await;
}

#[tokio::test]
async fn a_change_that_was_decided_on_another_set_is_not_made() {
    on_each(async |place| {
        let made = place.add("a", on(&[])).await;
        let late = |version| Flag { version: Version(version), ..flag("b", full()) };
        for version in [-1, 0, 1, 3] {
            let (flag, actor) = (late(version), root().subject);
            let created = Change::created(&flag, actor);
            assert!(!place.kept.create(&flag, &created).await.expect("works"), "{version}");
            let changed = Flag { version: Version(version), ..made.clone() };
            let updated = Change::updated(&made, &changed, actor);
            assert!(!place.kept.update(&changed, &updated).await.expect("works"), "{version}");
            let deleted = Change::deleted(&made, Version(version), actor, place.clock.now());
            assert!(!place.kept.delete(&deleted).await.expect("works"), "{version}");
        }
        assert_eq!(place.changes_of("b").await, [], "and not written down");
        assert_eq!(*place.set().await, FlagSet::new(Version(1), vec![Arc::new(made)]));
    })
    .await;
}

#[tokio::test]
async fn changes_are_one_flags_and_read_in_pages() {
    on_each(async |place| {
        for number in 0..3 {
            place.add(&format!("other{number}"), on(&[])).await;
            let flag = place.next("a", on(&[])).await;
            let change = Change::updated(&flag, &flag, root().subject);
            assert!(place.kept.update(&flag, &change).await.expect("works"));
        }
        let page = async |before, limit| {
            let changes = place.kept.changes(&key("a"), before, limit).await.expect("works");
            changes.iter().map(|change| change.version.0).collect::<Vec<_>>()
        };
        assert_eq!(page(Version::END, 2).await, [6, 4]);
        assert_eq!(page(Version(4), 2).await, [2]);
        assert_eq!(page(Version(2), 2).await, [0; 0]);
    })
    .await;
}
