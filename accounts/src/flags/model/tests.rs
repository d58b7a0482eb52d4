//! Buckets are what the documents say, fair and independent; what a set allows; what a change says.

use std::collections::BTreeSet;

use super::{
    super::tests::{flag, key, keys, on, subject},
    *,
};

fn parsed(text: &str) -> Subject {
    text.parse().expect("an id")
}

#[test]
fn a_bucket_is_what_other_languages_compute() {
    // From Python's hashlib, by docs/flags.md. A change here turns features on and off for people.
    for (name, id, expected) in [
        ("checkout", "00000000-0000-0000-0000-000000000000", 1277),
        ("checkout", "01890000-0000-7000-8000-000000000000", 9204),
        ("checkout", "ffffffff-ffff-ffff-ffff-ffffffffffff", 7421),
        ("a", "01890000-0000-7000-8000-000000000000", 454),
        ("new-search.v2", "01890000-0000-7000-8000-000000000000", 2837),
    ] {
        assert_eq!(bucket(&key(name), parsed(id)), expected, "{name} for {id}");
    }
    let page = include_str!("../../../../docs/flags.md");
    for known in ["| `checkout` | `01890000-0000-7000-8000-000000000000` | 9204 |", "454", "2837"] {
        assert!(page.contains(known), "docs/flags.md does not say {known}");
    }
}

#[test]
fn more_of_a_rollout_takes_it_from_nobody() {
    let checkout = key("checkout");
    for number in 0..10 {
        let reached = |points| Rollout(points).reaches(&checkout, subject(number));
        assert!(!reached(0), "nobody at 0");
        assert!(reached(10_000), "everybody at 100 %");
        let first = (0..=10_000).find(|points| reached(*points)).expect("some point");
        assert_eq!(first, bucket(&checkout, subject(number)) + 1);
        assert!((first..=10_000).step_by(97).all(reached));
    }
}

/// How far counts are from what is expected of them.
fn chi_square(counts: &[u32], expected: f64) -> f64 {
    counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
}

#[test]
fn subjects_are_spread_evenly() {
    let mut counts = [0; 100];
    for number in 0..50_000 {
        counts[bucket(&key("checkout"), subject(number)) as usize / 100] += 1;
    }
    // 99 degrees of freedom: one fair hash in a thousand is beyond.
    let distance = chi_square(&counts, 500.0);
    assert!(distance < 148.2, "{distance}");
}

#[test]
fn two_flags_choose_independently() {
    let names = ["a", "b", "checkout", "checkout-2", "new-search.v2"];
    for (at, one) in names.iter().enumerate() {
        for other in &names[at + 1..] {
            // A third of one, a third of the other: nine fields of equal chance.
            let mut counts = [0; 9];
            for number in 0..9_000 {
                let third = |name| bucket(&key(name), subject(number)) * 3 / 10_000;
                counts[(third(one) * 3 + third(other)) as usize] += 1;
            }
            // 8 degrees of freedom: one pair in a thousand is beyond.
            let distance = chi_square(&counts, 1000.0);
            assert!(distance < 26.1, "{one} and {other}: {distance}");
        }
    }
}

fn set(flags: &[(&str, &[&str])]) -> FlagSet {
    let flags = flags.iter().map(|(name, required)| Arc::new(flag(name, on(required))));
    FlagSet::new(Version(7), flags.collect())
}

#[test]
fn a_set_finds_its_flags_whatever_their_order() {
    let set = set(&[("b", &["a", "c"]), ("c", &[]), ("a", &[])]);
    let names: Vec<_> = set.flags().map(|flag| flag.key.0.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(set.find(&key("b")).expect("is there").key, key("b"));
    assert_eq!(set.find(&key("d")), None);
    assert_eq!(set.entries[1].prerequisites, [Some(0), Some(2)]);
    assert!(set.requires(&key("a")) && !set.requires(&key("b")));
}

#[test]
fn what_a_flag_may_require_exists_and_does_not_lead_back() {
    let set = set(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &["a", "c"])]);
    let (unknown, cycle) = (Err(PrerequisiteError::Unknown), Err(PrerequisiteError::Cycle));
    for (name, required, expected) in [
        ("a", &[] as &[&str], Ok(())),
        ("e", &["a", "d"], Ok(())),
        ("c", &["a", "b"], Ok(())),
        ("e", &["f"], unknown),
        ("e", &["e"], cycle.clone()),
        ("a", &["a"], cycle.clone()),
        ("a", &["b"], cycle.clone()),
        ("a", &["d"], cycle.clone()),
        ("b", &["a", "c"], cycle.clone()),
    ] {
        let checked = set.check_prerequisites(&key(name), &keys(required));
        assert_eq!(checked, expected, "{name} requires {required:?}");
    }
}

#[test]
fn a_change_says_what_was_changed_and_nothing_else() {
    let (earlier, later) = (flag("a", on(&[])), flag("a", on(&["b"])));
    let later = Flag {
        definition: Definition { enabled: false, ..later.definition },
        version: Version(2),
        ..later
    };
    let (actor, now) = (subject(2), Timestamp::UNIX_EPOCH);
    let change = Change::updated(&earlier, &later, actor);
    let (none, some) = (BTreeSet::new(), keys(&["b"]));
    let differing = |enabled, prerequisites: &BTreeSet<FlagKey>| Fields {
        enabled: Some(enabled),
        prerequisites: Some(prerequisites.clone()),
        ..Fields::default()
    };
    assert_eq!(change.before, differing(true, &none));
    assert_eq!(change.after, differing(false, &some));
    assert_eq!((change.version, change.actor), (Version(2), actor));
    let created = Change::created(&earlier, actor);
    let deleted = Change::deleted(&earlier, Version(3), actor, now);
    assert_eq!(created.before, Fields::default());
    assert_eq!(created.after, Fields::of(&earlier.definition, None));
    assert_eq!((&deleted.before, deleted.after), (&created.after, Fields::default()));
    assert_eq!(deleted.version, Version(3));
}
