//! Mistakes that the types refuse, and that the refusal teaches.

/// Each case, and the sentences that its author has to see.
const CASES: [(&str, &str, &[&str]); 5] = [
    (
        "access_undecided",
        include_str!("compile_fail/access_undecided.stderr"),
        &["nobody has decided who may call this endpoint", "call `.public()` if anybody may"],
    ),
    (
        "argument_is_no_extractor",
        include_str!("compile_fail/argument_is_no_extractor.stderr"),
        &["this function cannot serve an endpoint", "whose arguments are extractors"],
    ),
    (
        "answer_is_no_responder",
        include_str!("compile_fail/answer_is_no_responder.stderr"),
        &["this function cannot serve an endpoint", "whose answer is a responder"],
    ),
    (
        "error_is_no_fault",
        include_str!("compile_fail/error_is_no_fault.stderr"),
        &["this function cannot serve an endpoint", "an error that derives `Fault`"],
    ),
    (
        "state_of_another_module",
        include_str!("compile_fail/state_of_another_module.stderr"),
        &[
            "the handler takes the state of another module",
            "`Use<S>` must name the state that its `Routes<S>` was made with",
        ],
    ),
];

#[test]
fn mistakes_in_a_route_table_do_not_compile() {
    let cases = trybuild::TestCases::new();
    for (name, _, _) in CASES {
        cases.compile_fail(format!("tests/compile_fail/{name}.rs"));
    }
}

#[test]
fn the_compiler_says_what_to_do_instead() {
    for (name, said, sentences) in CASES {
        for sentence in sentences {
            assert!(said.contains(sentence), "{name} does not say {sentence:?}:\n{said}");
        }
    }
}
