//! The rules about flags: in memory, and at the same time on either engine.

use std::{collections::BTreeSet, time::Duration};

use super::{
    super::{
        model::{FLAGS_MAX, Rollout},
        tests::{Place, ada, flag, key, keys, new, on, on_each, root, subject},
    },
    *,
};

impl Place {
    async fn make(&self, name: &str, required: &[&str]) -> Arc<Flag> {
        let made = self.flags.create(new(name, on(required)), &root()).await;
        made.expect("there is room").flag
    }

    async fn require(&self, name: &str, required: &[&str]) -> Result<Shown, UpdateError> {
        self.flags.update(&key(name), on(required), &Precondition::Exists, &root()).await
    }

    async fn reason(&self, name: &str, subject: Subject) -> Reason {
        let evaluated = self.flags.evaluate(key(name), Some(subject), &root()).await;
        evaluated.expect("is there").reason
    }

    /// Which flags require which.
    async fn required(&self) -> Vec<BTreeSet<FlagKey>> {
        let set = self.kept.current().await.expect("works");
        set.flags().map(|flag| flag.definition.prerequisites.clone()).collect()
    }
}

#[tokio::test]
async fn the_first_rule_that_applies_decides() {
    let nobody = |definition| Definition { rollout: Rollout(0), ..definition };
    let (one, other) = (subject(10), subject(11));
    let allow = BTreeSet::from([one]);
    let allowed = Definition { allow, ..nobody(on(&[])) };
    let place = Place::of(vec![
        flag("off", Definition { enabled: false, allow: BTreeSet::from([one]), ..on(&["none"]) }),
        flag("none", nobody(on(&[]))),
        flag("some", allowed.clone()),
        flag("all", on(&[])),
        flag("below-some", on(&["all", "some"])),
        flag("below-none", Definition { prerequisites: keys(&["none"]), ..allowed }),
        flag("deeper", on(&["below-some"])),
    ]);
    let needs = |name: &str| Reason::Prerequisite(key(name));
    for (name, of_one, of_other) in [
        ("off", Reason::Disabled, Reason::Disabled),
        ("none", Reason::Rollout(false), Reason::Rollout(false)),
        ("some", Reason::Allowed, Reason::Rollout(false)),
        ("all", Reason::Rollout(true), Reason::Rollout(true)),
        ("below-some", Reason::Rollout(true), needs("some")),
        ("below-none", needs("none"), needs("none")),
        ("deeper", Reason::Rollout(true), needs("below-some")),
    ] {
        assert_eq!(place.reason(name, one).await, of_one, "{name}");
        assert_eq!(place.reason(name, other).await, of_other, "{name}");
    }
}

#[tokio::test]
async fn each_key_has_a_result_and_an_unknown_one_too() {
    let place = Place::of(vec![flag("b", on(&[])), flag("a", on(&[]))]);
    let evaluate = async |wanted: Option<&[&str]>| {
        let evaluated = place.flags.evaluate_all(wanted.map(keys), None, &ada()).await;
        let evaluated = evaluated.expect("for oneself").into_iter();
        evaluated.map(|evaluation| (evaluation.key.0, evaluation.reason)).collect::<Vec<_>>()
    };
    let of = |name: &str, reason: Reason| (name.to_owned(), reason);
    let (a, b) = (of("a", Reason::Rollout(true)), of("b", Reason::Rollout(true)));
    assert_eq!(evaluate(None).await, [a, b.clone()]);
    assert_eq!(evaluate(Some(&["c", "b"])).await, [b, of("c", Reason::Unknown)]);
    let alone = place.flags.evaluate(key("c"), None, &ada()).await;
    assert!(matches!(alone, Err(EvaluateError::NotFound)), "{alone:?}");
}

#[tokio::test]
async fn only_administrators_ask_for_others() {
    let place = Place::of(vec![flag("a", on(&[]))]);
    for (caller, wanted, allowed) in [
        (ada(), None, true),
        (ada(), Some(ada().subject), true),
        (ada(), Some(root().subject), false),
        (root(), Some(ada().subject), true),
    ] {
        let one = place.flags.evaluate(key("a"), wanted, &caller).await;
        let all = place.flags.evaluate_all(None, wanted, &caller).await;
        assert_eq!((one.is_ok(), all.is_ok()), (allowed, allowed), "{wanted:?}");
        if !allowed {
            assert!(matches!(one, Err(EvaluateError::Forbidden)), "{one:?}");
            assert!(matches!(all, Err(EvaluateAllError::Forbidden)), "{all:?}");
        }
    }
}

#[tokio::test]
async fn a_thousand_flags_that_all_require_ten_are_evaluated_once_each() {
    // Ways through these layers: ten to the power of 99.
    let name = |layer: usize, at: usize| format!("f{layer:02}-{at}");
    let all = (0..FLAGS_MAX).map(|number| {
        let (layer, at) = (number / 10, number % 10);
        let below = (0..10).filter(|_| layer > 0).map(|at| FlagKey(name(layer - 1, at)));
        let prerequisites = below.collect();
        flag(&name(layer, at), Definition { prerequisites, ..on(&[]) })
    });
    let place = Place::of(all.collect());
    let evaluated = place.flags.evaluate_all(None, None, &ada()).await.expect("for oneself");
    assert_eq!(evaluated.len(), FLAGS_MAX);
    assert!(evaluated.iter().all(|evaluation| evaluation.reason.is_on()));
}

#[tokio::test]
async fn a_chain_of_a_thousand_flags_needs_no_stack() {
    let name = |at: usize| format!("f{at:04}");
    let all = (0..FLAGS_MAX).map(|at| {
        let prerequisites = (at > 0).then(|| FlagKey(name(at - 1))).into_iter().collect();
        flag(&name(at), Definition { prerequisites, ..on(&[]) })
    });
    let place = Place::of(all.collect());
    assert_eq!(place.reason(&name(FLAGS_MAX - 1), subject(1)).await, Reason::Rollout(true));
    let refused = place.require("f0000", &["f0999"]).await;
    assert!(matches!(refused, Err(UpdateError::Prerequisite(_))), "{refused:?}");
}

#[tokio::test]
async fn a_table_that_somebody_edited_into_a_cycle_is_off_and_not_endless() {
    let place = Place::of(vec![
        flag("a", on(&["b"])),
        flag("b", on(&["a"])),
        flag("own", on(&["own"])),
        flag("gap", on(&["gone"])),
    ]);
    for name in ["a", "b", "own", "gap"] {
        assert!(!place.reason(name, subject(1)).await.is_on(), "{name}");
    }
}

#[tokio::test]
async fn people_of_an_allow_list_are_for_administrators_to_see() {
    let place = Place::of(vec![flag("a", on(&[])), flag("b", on(&[]))]);
    for (caller, view) in [(ada(), View::WithoutPeople), (root(), View::Whole)] {
        let shown = place.flags.get(&key("a"), &caller).await.expect("is there");
        assert_eq!(shown.view, view);
        let listed = place.flags.list(None, 20, &caller).await.expect("works");
        assert!(listed.items.iter().all(|shown| shown.view == view));
    }
    let absent = place.flags.get(&key("c"), &ada()).await;
    assert!(matches!(absent, Err(LookupError::NotFound)), "{absent:?}");
}

#[tokio::test]
async fn a_walk_meets_every_flag_once() {
    let place = Place::of(["a", "b", "c", "d", "e"].map(|name| flag(name, on(&[]))).into());
    for limit in 1..=6 {
        let (mut met, mut after) = (Vec::new(), None);
        loop {
            let page = place.flags.list(after.as_ref(), limit, &ada()).await.expect("works");
            assert!((1..=limit as usize).contains(&page.items.len()));
            met.extend(page.items.into_iter().map(|shown| shown.flag.key.0.clone()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(met, ["a", "b", "c", "d", "e"], "limit {limit}");
    }
}

#[tokio::test]
async fn a_flag_is_made_once_and_within_the_bounds() {
    on_each(async |place| {
        let made = place.make("a", &[]).await;
        assert_eq!((made.version, made.created_at), (Version(1), place.clock.now()));
        let again = place.flags.create(new("a", on(&[])), &root()).await;
        assert!(matches!(again, Err(CreateError::KeyTaken)), "{again:?}");
        for required in ["b", "c"] {
            let refused = place.flags.create(new("b", on(&[required])), &root()).await;
            assert!(matches!(refused, Err(CreateError::Prerequisite(_))), "{refused:?}");
        }
        assert_eq!(place.make("b", &["a"]).await.version, Version(2));
    })
    .await;
    let full = (0..FLAGS_MAX).map(|at| flag(&format!("f{at}"), on(&[])));
    let place = Place::of(full.collect());
    let refused = place.flags.create(new("a", on(&[])), &root()).await;
    assert!(matches!(refused, Err(CreateError::TooMany)), "{refused:?}");
}

#[tokio::test]
async fn a_flag_is_replaced_by_who_has_seen_it_last() {
    on_each(async |place| {
        let made = place.make("a", &[]).await;
        place.clock.advance(Duration::from_secs(1));
        let update = async |points: u32, condition: Precondition| {
            let definition = Definition { rollout: Rollout(points), ..on(&[]) };
            place.flags.update(&key("a"), definition, &condition, &root()).await
        };
        let seen = |flag: &Flag| Precondition::OneOf(vec![flag.version.0]);
        let first = update(1, seen(&made)).await.expect("nobody was quicker").flag;
        assert_eq!((first.created_at, first.updated_at), (made.created_at, place.clock.now()));
        assert!(first.version > made.version);
        let late = update(2, seen(&made)).await;
        assert!(matches!(late, Err(UpdateError::PreconditionFailed)), "{late:?}");
        let same = update(1, seen(&first)).await.expect("changes nothing").flag;
        assert_eq!(same, first, "no new version, and nothing to write down");
        let absent = place.require("b", &[]).await;
        assert!(matches!(absent, Err(UpdateError::NotFound)), "{absent:?}");
    })
    .await;
}

#[tokio::test]
async fn what_is_required_stays() {
    on_each(async |place| {
        let made = place.make("a", &[]).await;
        place.make("b", &["a"]).await;
        let delete = async |name: &str, condition: Precondition| {
            place.flags.delete(&key(name), &condition, &root()).await
        };
        let refused = delete("a", Precondition::Absent).await;
        assert!(matches!(refused, Err(DeleteError::InUse)), "{refused:?}");
        delete("b", Precondition::Absent).await.expect("nothing requires it");
        let refused = delete("a", Precondition::OneOf(vec![7])).await;
        assert!(matches!(refused, Err(DeleteError::PreconditionFailed)), "{refused:?}");
        let seen = Precondition::OneOf(vec![made.version.0]);
        delete("a", seen.clone()).await.expect("nothing requires it any longer");
        let refused = delete("a", Precondition::Absent).await;
        assert!(matches!(refused, Err(DeleteError::NotFound)), "{refused:?}");
        // Another flag under the key is not the one that was seen.
        place.make("a", &[]).await;
        let refused = delete("a", seen).await;
        assert!(matches!(refused, Err(DeleteError::PreconditionFailed)), "{refused:?}");
    })
    .await;
}

/// Runs two futures at once, on threads of their own.
macro_rules! at_once {
    ($place:ident, $one:expr, $other:expr) => {{
        let (one, other) = ($place.flags.clone(), $place.flags.clone());
        let one = tokio::spawn(async move { $one(one).await });
        let other = tokio::spawn(async move { $other(other).await });
        (one.await.expect("no panic"), other.await.expect("no panic"))
    }};
}

/// In the first rounds connections are opened, and nobody meets.
const ROUNDS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_administrators_at_once_make_no_cycle() {
    on_each(async |place| {
        place.make("a", &[]).await;
        place.make("b", &[]).await;
        for _ in 0..ROUNDS {
            let require = |name: &'static str, required: &'static str| {
                move |flags: Flags| async move {
                    let condition = Precondition::Exists;
                    flags.update(&key(name), on(&[required]), &condition, &root()).await
                }
            };
            let outcomes = at_once!(place, require("a", "b"), require("b", "a"));
            let (made, refused) = match outcomes {
                (Ok(made), Err(refused)) | (Err(refused), Ok(made)) => (made, refused),
                outcomes => panic!("one of them is refused: {outcomes:?}"),
            };
            assert!(matches!(refused, UpdateError::Prerequisite(_)), "{refused:?}");
            assert_eq!(place.required().await.iter().map(BTreeSet::len).sum::<usize>(), 1);
            place.require(&made.flag.key.0, &[]).await.expect("requires nothing");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_to_require_what_is_removed_at_once() {
    on_each(async |place| {
        place.make("b", &[]).await;
        for _ in 0..ROUNDS {
            place.make("a", &[]).await;
            let require = |flags: Flags| async move {
                flags.update(&key("b"), on(&["a"]), &Precondition::Exists, &root()).await
            };
            let remove = |flags: Flags| async move {
                flags.delete(&key("a"), &Precondition::Absent, &root()).await
            };
            match at_once!(place, require, remove) {
                (Ok(_), Err(DeleteError::InUse)) => {
                    place.require("b", &[]).await.expect("requires nothing");
                    let condition = Precondition::Absent;
                    place.flags.delete(&key("a"), &condition, &root()).await.expect("is there");
                }
                (Err(UpdateError::Prerequisite(_)), Ok(())) => {}
                outcomes => panic!("one of them is refused: {outcomes:?}"),
            }
            assert_eq!(place.required().await, [BTreeSet::new()]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_changes_at_once_none_is_lost() {
    on_each(async |place| {
        let names = ["a", "b", "c", "d"];
        for round in 1..=5 {
            let makes = names.map(|name| {
                let flags = place.flags.clone();
                tokio::spawn(async move {
                    let definition = Definition { rollout: Rollout(round), ..on(&[]) };
                    if round == 1 {
                        let made = flags.create(new(name, definition), &root()).await;
                        made.expect("its own key");
                    } else {
                        let condition = Precondition::Exists;
                        let updated =
                            flags.update(&key(name), definition, &condition, &root()).await;
                        updated.expect("is there");
                    }
                })
            });
            for make in makes {
                make.await.expect("no panic");
            }
            let set = place.kept.current().await.expect("works");
            assert_eq!(set.version, Version(i64::from(round) * 4), "one version each");
            assert!(set.flags().all(|flag| flag.definition.rollout == Rollout(round)));
        }
        for name in names {
            let changes = place.flags.changes(&key(name), Version::END, 20).await.expect("works");
            assert_eq!(changes.items.len(), 5, "each is written down");
        }
    })
    .await;
}
