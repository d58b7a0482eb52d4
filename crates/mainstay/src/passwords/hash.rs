//! A stored password hash, and what computing one costs.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc};

/// What one hash costs whoever computes it: this service once a log-in, an attacker once a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB. At least 8.
    pub memory_kib: u32,
    /// Passes over that memory. At least 1.
    pub passes: u32,
}

/// More than one would only help who has more cores than we spend on one log-in.
const LANES: u32 = 1;

impl PasswordCost {
    /// OWASP's second choice for argon2id (Password Storage Cheat Sheet): 19 MiB and two passes,
    /// some 25 hashes a second on a core.
    pub const RECOMMENDED: Self = Self { memory_kib: 19_456, passes: 2 };

    /// The least argon2 allows. Protects nothing: for tests that are not about the cost.
    pub const LEAST: Self = Self { memory_kib: Params::MIN_M_COST, passes: Params::MIN_T_COST };

    /// Values below argon2's bounds are raised to them.
    pub(super) fn params(self) -> Params {
        let memory = self.memory_kib.max(Params::MIN_M_COST);
        let params = Params::new(memory, self.passes.max(Params::MIN_T_COST), LANES, None);
        params.expect("raised to argon2's bounds")
    }

    pub(super) fn argon2(self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params())
    }

    /// What an attacker has to spend on a guess, in KiB written.
    const fn work(self) -> u64 {
        self.memory_kib as u64 * self.passes as u64
    }
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self::RECOMMENDED
    }
}

/// A hash as it is stored: a PHC string with the algorithm, its parameters and the salt.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub(super) phc::PasswordHash);

/// A stored text that is no password hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored password hash is not a PHC string of argon2")]
pub struct InvalidPasswordHash;

impl PasswordHash {
    /// Reads what [`to_phc`](Self::to_phc) wrote, or another argon2 implementation.
    pub fn parse(text: &str) -> Result<Self, InvalidPasswordHash> {
        let hash = phc::PasswordHash::new(text).map_err(|_| InvalidPasswordHash)?;
        // What cannot be computed again is found here, so that no log-in meets it.
        let is_argon2 = Algorithm::try_from(hash.algorithm.as_str()).is_ok();
        let is_known_version = hash.version.is_none_or(|v| Version::try_from(v).is_ok());
        let has_parameters = Params::try_from(&hash).is_ok();
        let is_complete = hash.salt.is_some() && hash.hash.is_some();
        (is_argon2 && is_known_version && has_parameters && is_complete)
            .then_some(Self(hash))
            .ok_or(InvalidPasswordHash)
    }

    /// The text to store. Do not log it: it can be attacked offline.
    pub fn to_phc(&self) -> String {
        self.0.to_string()
    }

    /// Whether a guess at it costs less than at a hash of this cost: then it is worth replacing
    /// while the password is at hand.
    pub(super) fn is_cheaper_than(&self, cost: PasswordCost) -> bool {
        let is_argon2id = Algorithm::try_from(self.0.algorithm.as_str()) == Ok(Algorithm::Argon2id);
        let own = Params::try_from(&self.0)
            .map(|own| PasswordCost { memory_kib: own.m_cost(), passes: own.t_cost() });
        !is_argon2id || own.is_ok_and(|own| own.work() < cost.work())
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_complete_argon2_hash_is_refused() {
        for text in [
            "",
            "correct horse",
            "$2b$12$abcdefghijklmnopqrstuv",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ",
            "$argon2id$v=18$m=19456,t=2,p=1$c2FsdHNhbHQ$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD",
            "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD",
        ] {
            assert_eq!(PasswordHash::parse(text).err(), Some(InvalidPasswordHash), "{text}");
        }
    }

    #[test]
    fn a_hash_is_replaced_when_the_cost_rises_and_not_when_it_falls() {
        let made = |algorithm: &str, parameters: &str| {
            let hash = "nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxDSuOyII";
            let text = format!("${algorithm}$v=19${parameters}$c2FsdHNhbHRzYWx0${hash}");
            PasswordHash::parse(&text).expect("a hash")
        };
        let cost = PasswordCost::RECOMMENDED;
        for (algorithm, parameters, expected) in [
            ("argon2id", "m=19456,t=2,p=1", false),
            ("argon2id", "m=47104,t=1,p=1", false),
            ("argon2id", "m=19456,t=1,p=1", true),
            ("argon2id", "m=12288,t=2,p=1", true),
            ("argon2i", "m=65536,t=3,p=1", true),
        ] {
            let hash = made(algorithm, parameters);
            assert_eq!(hash.is_cheaper_than(cost), expected, "{algorithm} {parameters}");
        }
    }
}
