//! Keys of Redis: no address, id or header value leaves the process in clear.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac, digest::array::Array};
use mainstay_core::Charge;
use sha2::Sha256;

/// Names keys. Processes with the same secret and namespace agree.
pub(super) struct Keys {
    /// Keyed once; a name takes a copy.
    mac: Hmac<Sha256>,
    namespace: String,
}

impl Keys {
    pub(super) fn new(secret: &[u8], namespace: &str) -> Self {
        // HMAC takes a key of any length (RFC 2104), so this cannot fail; an empty one hides
        // nothing.
        let mac = Hmac::new_from_slice(secret).unwrap_or_else(|_| Hmac::new(&Array::default()));
        Self { mac, namespace: namespace.to_owned() }
    }

    /// `NAMESPACE:limit:POLICY:SECONDS:DIGEST`. The policy is in the digest as well: what two of
    /// them count cannot be told to be the same client's. So is the window, whose sub-buckets
    /// another window would misread.
    pub(super) fn name(&self, charge: &Charge<'_>) -> String {
        let Charge { policy, key, .. } = charge;
        let seconds = policy.window.as_secs_f64();
        let mut name = format!("{}:limit:{}:{seconds}:", self.namespace, policy.name);
        let mut mac = self.mac.clone();
        mac.update(name.as_bytes());
        mac.update(&key.to_be_bytes());
        // Half of it tells 2^64 keys apart.
        for byte in &mac.finalize().into_bytes()[..16] {
            // A string takes any text.
            let _ = write!(name, "{byte:02x}");
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mainstay_core::{OutageMode, Policy};

    use super::*;

    #[test]
    fn a_key_tells_the_policy_and_nothing_of_whom_it_counts() {
        let policy = |name: &str, seconds| Policy {
            name: name.to_owned(),
            quota: 20,
            window: Duration::from_secs(seconds),
            outage: OutageMode::Local,
        };
        let (create, list, long) = (policy("create", 60), policy("list", 60), policy("create", 61));
        let name = |secret: &[u8], policy: &Policy, key: u128| {
            Keys::new(secret, "accounts").name(&Charge { policy, key, cost: 1 })
        };
        let usual = name(b"secret", &create, 0xc000_0207);
        let digest = usual.strip_prefix("accounts:limit:create:60:").expect("is in clear");
        assert_eq!(digest.len(), 32);
        assert!(!digest.contains("c0000207"));
        assert_eq!(usual, name(b"secret", &create, 0xc000_0207), "processes agree");
        for other in [
            name(b"other", &create, 0xc000_0207),
            name(b"secret", &list, 0xc000_0207),
            name(b"secret", &long, 0xc000_0207),
            name(b"secret", &create, 0xc000_0208),
        ] {
            assert_ne!(other.rsplit(':').next(), Some(digest), "{other}");
        }
    }
}
