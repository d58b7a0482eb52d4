//! Who sends the spans.

use mainstay_core::{Timestamp, new_id};

use super::otlp::{KeyValue, Resource};
use crate::config::Traces;

/// The service, this process of it, and whatever the configuration says beside or instead.
pub(super) fn resource(
    config: &Traces,
    name: &'static str,
    version: &'static str,
    now: Timestamp,
) -> Resource {
    let instance = new_id(now).to_string();
    // By the specification only OpenTelemetry's own SDKs are called `opentelemetry`.
    let own = [
        ("service.name", name),
        ("service.version", version),
        ("service.instance.id", &instance),
        ("telemetry.sdk.name", "mainstay"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    let named = config.service_name.as_deref().map(|name| ("service.name", name));
    let configured = config.resource.iter().chain(named);
    let mut attributes: Vec<(&str, &str)> = own.to_vec();
    for (key, value) in configured {
        match attributes.iter_mut().find(|(known, _)| *known == key) {
            Some(known) => known.1 = value,
            None => attributes.push((key, value)),
        }
    }
    let attributes = attributes
        .into_iter()
        .map(|(key, value)| KeyValue::named(key.to_owned().into(), value.to_owned()));
    Resource { attributes: attributes.collect() }
}
