//! The one line of each request, as JSON or for people.

use mainstay_core::{RequestLine, RequestLog};

use super::{
    format::{Format, level_name},
    line::{Line, key, string_key},
    pretty,
    sink::Sink,
};
use crate::config::ClientAddress;

/// Writes request lines to the sink.
#[derive(Debug)]
pub(super) struct RequestLines {
    pub(super) sink: Sink,
    pub(super) format: Format,
    pub(super) client: ClientAddress,
}

impl RequestLog for RequestLines {
    fn record(&self, request: &RequestLine<'_>) {
        Line::write(&self.sink, |line| match self.format {
            Format::Json => json(line, request, self.client),
            Format::Pretty(colours) => pretty::request(line, request, self.client, colours),
        });
    }

    fn dropped(&self) -> u64 {
        self.sink.dropped()
    }
}

/// The level of a request: a 5xx is a defect of the service, anything else is its work.
pub(super) const fn level(request: &RequestLine<'_>) -> tracing::Level {
    if request.status >= 500 { tracing::Level::ERROR } else { tracing::Level::INFO }
}

fn json(line: &mut Line, request: &RequestLine<'_>, client: ClientAddress) {
    line.open(request.time, level_name(level(request)));
    line.raw(",\"msg\":\"request\"");
    line.request(request.id, request.trace);
    if let Some(subject) = request.subject {
        let mut buffer = [0; 36];
        line.token(
            string_key!("user_id"),
            subject.0.as_hyphenated().encode_lower(&mut buffer).as_bytes(),
        );
    }
    // Both are names from the service's source.
    line.token(string_key!("module"), request.module.as_bytes());
    line.token(string_key!("method"), request.method.as_bytes());
    line.text(string_key!("route"), request.route);
    line.number(key!("status"), request.status);
    line.raw(key!("ms"));
    line.thousandths(request.duration.as_micros() as u64);
    line.number(key!("bytes_in"), request.bytes_in);
    line.number(key!("bytes_out"), request.bytes_out);
    if let Some(code) = request.code {
        line.text(string_key!("code"), code.name);
    }
    if request.replayed {
        line.raw(",\"replayed\":true");
    }
    if let Some(cause) = request.cause {
        line.display(string_key!("cause"), format_args!("{cause}"));
    }
    if client != ClientAddress::Off {
        line.raw(",\"client\":\"");
        line.client(request.client, client);
        line.raw("\"");
    }
    line.raw("}");
}
