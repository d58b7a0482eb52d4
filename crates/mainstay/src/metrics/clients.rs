//! Calls to other services, by client.

use super::{Collect, Family, Label, Page};
use crate::http::{Client, Clients, Ending};

const CALLS: Family = Family::counter(
    "mainstay_client_calls_total",
    "Calls to another service, by the class of the status that they ended with, or by why there \
     was none: `invalid` answer, `unreachable`, `timed_out`, `refused` before it was sent, \
     `abandoned` by its caller",
);
const DURATIONS: Family = Family::histogram(
    "mainstay_client_call_duration_seconds",
    "Time of a call to another service, with all its attempts and the waits between",
);
const IN_FLIGHT: Family =
    Family::gauge("mainstay_client_calls_in_flight", "Calls to another service now");
const ATTEMPTS: Family = Family::counter(
    "mainstay_client_attempts_total",
    "Requests that calls to another service have sent, or begun to",
);
const RETRIES: Family =
    Family::counter("mainstay_client_retries_total", "Attempts of a call that followed another");
const EXHAUSTED: Family = Family::counter(
    "mainstay_client_retries_refused_total",
    "Attempts that were not made because the retry budget was empty",
);
const OPEN: Family = Family::gauge(
    "mainstay_client_breaker_open",
    "1 while a service is left alone because it failed too often",
);
const OPENINGS: Family =
    Family::counter("mainstay_client_breaker_openings_total", "Times that this began");

/// What the clients of a process count.
pub(crate) struct Calls(pub(crate) Clients);

impl Collect for Calls {
    fn collect(&self, page: &mut Page) {
        let clients = self.0.list();
        let mut samples = page.family(&CALLS);
        for client in &clients {
            for ending in Ending::ALL {
                let labels = [name(client), ("status", ending.as_str().into())];
                samples.sample(&labels, client.figures().ended(ending));
            }
        }
        let mut samples = page.family(&DURATIONS);
        for client in &clients {
            samples.distribution(&[name(client)], &client.figures().durations.read());
        }
        let mut each = |family: &Family, read: fn(&Client) -> u64| {
            let mut samples = page.family(family);
            for client in &clients {
                samples.sample(&[name(client)], read(client));
            }
        };
        each(&IN_FLIGHT, |client| client.figures().in_flight());
        each(&ATTEMPTS, |client| client.figures().attempts());
        each(&RETRIES, |client| client.figures().retries());
        each(&EXHAUSTED, |client| client.figures().exhausted());
        each(&OPEN, |client| client.is_left_alone().into());
        each(&OPENINGS, Client::breaker_openings);
    }
}

fn name(client: &Client) -> (&'static str, Label) {
    ("client", client.name().into())
}
