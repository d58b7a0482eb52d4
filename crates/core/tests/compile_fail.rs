//! Ways in which personal data or a secret could get out, none of which compiles.

use std::marker::PhantomData;

use mainstay_core::{Pii, Secret};
use serde::Serialize;

/// Tells whether `T` implements `Serialize`: a method of the type itself goes before one of a
/// trait, and is there only where its bounds hold.
struct Probe<T>(PhantomData<T>);

impl<T: Serialize> Probe<T> {
    #[expect(clippy::unused_self, reason = "only a method is looked for in this order")]
    fn is_serialised(&self) -> bool {
        true
    }
}

trait Otherwise {
    fn is_serialised(&self) -> bool {
        false
    }
}

impl<T> Otherwise for Probe<T> {}

#[test]
fn personal_data_and_secrets_can_be_neither_printed_nor_serialised() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
    // What the compiler says of this one lists every type that can, which depends on who else is
    // built; so it is asked whether, and not why not.
    assert!(Probe::<String>(PhantomData).is_serialised(), "a text is, so the question works");
    assert!(!Probe::<Pii<String>>(PhantomData).is_serialised());
    assert!(!Probe::<Secret<String>>(PhantomData).is_serialised());
}

/// What the compiler says in each case: that it is for this reason, and no other, that it refuses.
const CASES: [(&str, &str, &str); 5] = [
    (
        "pii_in_a_log_line",
        include_str!("compile_fail/pii_in_a_log_line.stderr"),
        "`Pii<String>` doesn't implement `std::fmt::Display`",
    ),
    (
        "pii_as_a_key",
        include_str!("compile_fail/pii_as_a_key.stderr"),
        "`Pii<String>: Hash` is not satisfied",
    ),
    (
        "secret_in_an_error",
        include_str!("compile_fail/secret_in_an_error.stderr"),
        "`Secret<String>` doesn't implement `std::fmt::Display`",
    ),
    (
        "secret_in_a_label",
        include_str!("compile_fail/secret_in_a_label.stderr"),
        "`Secret<String>: AsRef<str>` is not satisfied",
    ),
    (
        "secret_as_a_key",
        include_str!("compile_fail/secret_as_a_key.stderr"),
        "`Secret<String>: Hash` is not satisfied",
    ),
];

#[test]
fn each_is_refused_for_its_own_reason() {
    for (name, said, reason) in CASES {
        assert!(said.contains(reason), "{name} does not say {reason:?}:\n{said}");
    }
}
