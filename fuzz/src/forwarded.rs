//! The client's address behind proxies, from headers that anybody may have written.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use mainstay_web::edge::{ForwardedHeader, TrustedProxies};

/// Nobody's address (RFC 5737), which no input should be able to put in the place of another.
const STRANGER: &str = "203.0.113.66";

/// Hops that are tried one by one; each costs a search.
const HOPS_MAX: usize = 32;

/// The first line is the peer's address and says by a leading `f` that the standard header is the
/// one to read; each further line is a value of that header.
pub fn forwarded(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let (header, peer) = match first.strip_prefix('f') {
        Some(peer) => (ForwardedHeader::Forwarded, peer),
        None => (ForwardedHeader::XForwardedFor, &*first),
    };
    let Ok(peer) = peer.trim().parse::<IpAddr>() else { return };
    let values: Vec<_> = lines.filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    Claim { proxies: proxies(header), peer, values }.check();
}

fn proxies(header: ForwardedHeader) -> TrustedProxies {
    let networks = ["10.0.0.0/8", "2001:db8:ffff::/48"];
    let networks = networks.map(|network| network.parse().expect("a network"));
    TrustedProxies { networks: networks.into(), header }
}

/// What a request says about where it comes from.
struct Claim {
    proxies: TrustedProxies,
    peer: IpAddr,
    values: Vec<HeaderValue>,
}

impl Claim {
    fn check(&self) {
        let client = self.client(&self.values);
        assert_eq!(client, client.to_canonical(), "one client has one address");
        if !self.trusts(self.peer.to_canonical()) {
            assert_eq!(client, self.peer.to_canonical(), "an untrusted peer is the client");
        }
        self.nothing_further_left_counts(client);
        self.the_other_header_does_not_count(client);
    }

    /// As soon as the hops from the right name a client, those before them change nothing; as long
    /// as they do not, a stranger before them is all that could be believed.
    fn nothing_further_left_counts(&self, client: IpAddr) {
        let hops = self.hops();
        for count in 0..=hops.len().min(HOPS_MAX) {
            let mut nearest = hops[hops.len() - count..].to_vec();
            let found = self.client(&nearest);
            nearest.insert(0, self.stranger());
            let behind = self.client(&nearest);
            if self.trusts(found) {
                assert!(
                    behind == found || behind.to_string() == STRANGER,
                    "{found} became {behind}"
                );
            } else {
                assert_eq!(behind, found, "a stranger before {count} hops was believed");
                assert_eq!(client, found, "{count} hops had settled it");
                return;
            }
        }
    }

    fn the_other_header_does_not_count(&self, client: IpAddr) {
        let mut headers = self.headers(&self.values);
        let other = match self.proxies.header {
            ForwardedHeader::XForwardedFor => ForwardedHeader::Forwarded,
            ForwardedHeader::Forwarded => ForwardedHeader::XForwardedFor,
        };
        headers.insert(name(other), stranger(other));
        assert_eq!(self.proxies.client(self.peer, &headers), client);
    }

    /// Every hop as a value of its own. One that is not plain ASCII is not a list of hops.
    fn hops(&self) -> Vec<HeaderValue> {
        let parts = |value: &HeaderValue| match value.to_str() {
            Ok(text) => text.split(',').filter_map(|hop| hop.parse().ok()).collect(),
            Err(_) => vec![value.clone()],
        };
        self.values.iter().flat_map(parts).collect()
    }

    fn client(&self, values: &[HeaderValue]) -> IpAddr {
        self.proxies.client(self.peer, &self.headers(values))
    }

    fn headers(&self, values: &[HeaderValue]) -> HeaderMap {
        let name = name(self.proxies.header);
        values.iter().map(|value| (name.clone(), value.clone())).collect()
    }

    fn stranger(&self) -> HeaderValue {
        stranger(self.proxies.header)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.networks.iter().any(|network| network.contains(&address))
    }
}

fn name(header: ForwardedHeader) -> HeaderName {
    match header {
        ForwardedHeader::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
        ForwardedHeader::Forwarded => header::FORWARDED,
    }
}

fn stranger(header: ForwardedHeader) -> HeaderValue {
    let text = match header {
        ForwardedHeader::XForwardedFor => STRANGER.to_owned(),
        ForwardedHeader::Forwarded => format!("for={STRANGER}"),
    };
    HeaderValue::try_from(text).expect("plain ASCII")
}
