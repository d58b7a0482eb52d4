//! Directives that change while the process runs.

use std::sync::Arc;

use mainstay_core::{SecurityEvent, SecurityRecord};

use super::{Noon, PATIENCE, Tape, config, nobody};
use crate::{
    config::{Directives, Value as _},
    telemetry::Telemetry,
};

fn directives(text: &str) -> Directives {
    Directives::parse(text).expect("well formed")
}

#[test]
fn directives_are_replaced_and_restored_while_the_process_runs() {
    let tape = Tape::default();
    let config = config(&[("RUST_LOG", "warn")]);
    let log = Telemetry::with_output(Box::new(tape.clone()), &config, nobody, Arc::new(Noon))
        .expect("threads are to be had");
    let said = |text: &str| {
        tracing::dispatcher::with_default(&log.dispatch(), || {
            tracing::debug!("{text}");
            tracing::warn!("loud {text}");
            tracing::debug!(target: "hyper::proto", "foreign {text}");
        });
        assert!(log.flush(PATIENCE));
        tape.text().lines().filter(|line| line.contains(text)).count()
    };
    assert_eq!(said("first"), 1);
    log.levels().set(&directives("info,mainstay=debug"));
    assert_eq!(said("second"), 2);
    assert_eq!(log.levels().get().directives, "mainstay=debug,info");
    assert_eq!(log.levels().get().configured, "warn");
    log.levels().set(&directives("off"));
    assert_eq!(said("third"), 0);
    log.levels().reset();
    assert_eq!(said("fourth"), 1);
    assert_eq!(log.levels().get().directives, "warn");
}

#[test]
fn no_directive_silences_security_events() {
    let tape = Tape::default();
    let log = Telemetry::with_output(Box::new(tape.clone()), &config(&[]), nobody, Arc::new(Noon))
        .expect("threads are to be had");
    for silent in ["off", "security=off", "error,security=off"] {
        log.levels().set(&directives(silent));
        tracing::dispatcher::with_default(&log.dispatch(), || {
            mainstay_web::security::record(SecurityRecord::new(SecurityEvent::Started));
        });
    }
    assert!(log.flush(PATIENCE));
    assert_eq!(tape.text().matches("sys_startup").count(), 3);
}
