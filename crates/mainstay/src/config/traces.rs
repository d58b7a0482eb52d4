//! The `[traces]` section, known by the usual names of OpenTelemetry's variables
//! (<https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::{
    loader::Loader,
    value::{Kind, Value},
};
use crate::{choice, section};

choice! {
    /// How spans travel.
    pub enum OtlpProtocol {
        /// Protobuf over HTTP: what is spoken here.
        HttpProtobuf = "http/protobuf",
        /// JSON over HTTP.
        HttpJson = "http/json",
        /// gRPC.
        Grpc = "grpc",
    }
}

section! {
    /// Traces of requests, sent to a collector by OTLP.
    pub struct Traces in "traces", check spoken {
        /// Where the collector takes OTLP over HTTP, without `/v1/traces`: `http://127.0.0.1:4318`.
        /// Unset: nothing is exported.
        endpoint: Option<CollectorUrl> = "", env "OTEL_EXPORTER_OTLP_ENDPOINT";
        /// How spans travel; only `http/protobuf` is spoken.
        protocol: OtlpProtocol = "http/protobuf", env "OTEL_EXPORTER_OTLP_PROTOCOL";
        /// Headers that the collector asks for: `NAME=VALUE,NAME=VALUE`, percent-encoded.
        headers: OtlpHeaders = "", env "OTEL_EXPORTER_OTLP_HEADERS";
        /// Longest time that one attempt to hand over spans may take.
        timeout: Duration as ms = "10000", env "OTEL_EXPORTER_OTLP_TIMEOUT", range 10..=60_000;
        /// Which part of the traces that begin here is kept. Failures (5xx) always are.
        sample_ratio: Ratio = "0.05", env "OTEL_TRACES_SAMPLER_ARG";
        /// How often a second a caller is followed who wants a trace kept. Anybody can send that;
        /// beyond it `sample_ratio` holds.
        followed_per_second: u32 = "100", range 0..=1_000_000;
        /// What the service is called; unset: as its program.
        service_name: Option<String> = "", env "OTEL_SERVICE_NAME";
        /// What else is said about this process: `deployment.environment.name=production,…`,
        /// percent-encoded.
        resource: Pairs = "", env "OTEL_RESOURCE_ATTRIBUTES";
        /// Longest wait of a span for others before they are sent together.
        batch_delay: Duration as ms = "5000", env "OTEL_BSP_SCHEDULE_DELAY", range 10..=60_000;
        /// How long spans are offered again to a collector that is away or busy, then they are
        /// dropped and counted.
        patience: Duration as ms = "30000", env "OTEL_BSP_EXPORT_TIMEOUT", range 10..=600_000;
        /// Requests that may wait to be sent; more are dropped and counted.
        queue_max: usize = "2048", range 1..=1_000_000;
        /// Memory that they may take, in bytes.
        queue_bytes_max: usize = "8388608", range 65_536..=1_073_741_824;
    }
}

fn spoken(traces: &Traces, loader: &mut Loader) {
    if traces.endpoint.is_some() && traces.protocol != OtlpProtocol::HttpProtobuf {
        loader.conflict(
            &["traces.endpoint", "traces.protocol"],
            "only http/protobuf is spoken, and a port for gRPC does not understand it",
            "set OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf, and the endpoint to the \
             collector's port for it, usually 4318",
        );
    }
}

/// Where a collector takes OTLP over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl(Uri);

impl CollectorUrl {
    /// Where traces are sent: `…/v1/traces`.
    pub const fn traces(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Display for CollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What OTLP appends to the endpoint.
const TRACES_PATH: &str = "/v1/traces";

/// A password in it would not be used, and is not shown.
impl Value for CollectorUrl {
    const KIND: Kind = Kind::Connection;

    fn parse(text: &str) -> Result<Self, String> {
        let unusable = || "is not of the form http://HOST:PORT or https://HOST".to_owned();
        let base = text.trim_end_matches('/');
        if base.ends_with(TRACES_PATH) {
            return Err("ends with /v1/traces, which is added to it".to_owned());
        }
        let uri: Uri = format!("{base}{TRACES_PATH}").parse().map_err(|_| unusable())?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        if authority.contains('@') {
            return Err("has a user in it: credentials belong into `headers`".to_owned());
        }
        if !is_http || authority.is_empty() || uri.query().is_some() || text.contains('#') {
            return Err(unusable());
        }
        Ok(Self(uri))
    }
}

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(pub f64);

impl Value for Ratio {
    const KIND: Kind = Kind::Ratio;

    fn parse(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
        number.map(Self).ok_or_else(|| "is not a number from 0 to 1".to_owned())
    }
}

/// `KEY=VALUE,KEY=VALUE`, percent-encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// In their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl Value for Pairs {
    const KIND: Kind = Kind::Text("list of pairs");

    fn parse(text: &str) -> Result<Self, String> {
        let decoded = |text: &str| Some(percent_decode_str(text.trim()).decode_utf8().ok()?.into());
        let pair = |item: &str| {
            let (key, value) = item.split_once('=')?;
            Some((decoded(key)?, decoded(value)?)).filter(|(key, _): &(String, _)| !key.is_empty())
        };
        let items = text.split(',').filter(|item| !item.trim().is_empty());
        let pairs: Option<Vec<_>> = items.map(pair).collect();
        pairs.map(Self).ok_or_else(|| "is not of the form KEY=VALUE,KEY=VALUE".to_owned())
    }
}

/// Headers, whose values do not print.
#[derive(Clone, Debug, Default)]
pub struct OtlpHeaders(pub HeaderMap);

impl Value for OtlpHeaders {
    const KIND: Kind = Kind::Secret;

    fn parse(text: &str) -> Result<Self, String> {
        let header = |(name, value): (&str, &str)| {
            let (name, mut value) =
                (name.parse::<HeaderName>().ok()?, HeaderValue::try_from(value).ok()?);
            value.set_sensitive(true);
            Some((name, value))
        };
        let headers: Option<HeaderMap> = Pairs::parse(text)?.iter().map(header).collect();
        headers.map(Self).ok_or_else(|| "names what cannot be an HTTP header".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Framework, Sources};

    fn load(environment: &[(&str, &str)]) -> (Traces, Result<String, String>) {
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let sources = Sources { environment: environment.collect(), ..Sources::none() };
        let mut loader = Loader::new(sources);
        let framework = Framework::load(&mut loader);
        let shown = loader.finish().map(|effective| format!("{:?}", effective.settings()));
        (framework.traces, shown.map_err(|errors| errors.to_string()))
    }

    #[test]
    fn opentelemetrys_variables_are_understood() {
        let (traces, shown) = load(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example:4318/base/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20hunter2,x-tenant=7"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=eu%2Cwest, k8s.pod.name = a"),
        ]);
        let shown = shown.expect("no mistakes");
        let endpoint = traces.endpoint.expect("an endpoint");
        assert_eq!(endpoint.to_string(), "https://collector.example:4318/base/v1/traces");
        assert_eq!(traces.headers.0["authorization"], "Bearer hunter2");
        assert!((traces.sample_ratio.0 - 0.25).abs() < f64::EPSILON);
        let pairs: Vec<_> = traces.resource.iter().collect();
        assert_eq!(pairs, [("deployment.environment.name", "eu,west"), ("k8s.pod.name", "a")]);
        assert!(!shown.contains("hunter2") && !format!("{:?}", traces.headers).contains("hunter2"));
    }

    #[test]
    fn an_endpoint_that_cannot_be_meant_is_refused_with_the_reason() {
        for (endpoint, why) in [
            ("collector:4318", "is not of the form http://HOST:PORT"),
            ("grpc://collector:4317", "is not of the form http://HOST:PORT"),
            ("http://", "is not of the form http://HOST:PORT"),
            ("http://collector:4318?key=hunter2", "is not of the form http://HOST:PORT"),
            ("http://collector:4318/v1/traces/", "ends with /v1/traces, which is added to it"),
            ("http://me:hunter2@collector:4318", "credentials belong into `headers`"),
        ] {
            let errors = load(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]).1.expect_err(endpoint);
            assert!(errors.contains(why), "{endpoint}: {errors}");
            assert!(!errors.contains("hunter2"), "{errors}");
        }
    }

    #[test]
    fn a_ratio_or_a_list_that_cannot_be_meant_is_refused() {
        for (name, value) in [
            ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
            ("OTEL_TRACES_SAMPLER_ARG", "-0.1"),
            ("OTEL_TRACES_SAMPLER_ARG", "nan"),
            ("OTEL_TRACES_SAMPLER_ARG", "5%"),
            ("OTEL_RESOURCE_ATTRIBUTES", "production"),
            ("OTEL_RESOURCE_ATTRIBUTES", "=production"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=%ff"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "no header=1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%0a"),
        ] {
            assert!(load(&[(name, value)]).1.is_err(), "{name}={value}");
        }
    }

    #[test]
    fn another_protocol_is_refused_where_there_is_an_endpoint() {
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        assert!(load(&[grpc]).1.is_ok(), "it may be meant for others");
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        let errors = load(&[grpc, endpoint]).1.expect_err("a conflict");
        assert!(errors.contains("only http/protobuf is spoken"), "{errors}");
    }
}
