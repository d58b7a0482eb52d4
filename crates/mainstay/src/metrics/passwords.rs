//! The pool that hashes passwords.

use super::{Collect, Family, Page};
use crate::passwords::Passwords;

const HASHES: Family = Family::gauge(
    "mainstay_password_hashes",
    "Password hashes that are `running`, or `waiting` for a core",
);
const MAX: Family =
    Family::gauge("mainstay_password_hashes_max", "Password hashes that may run at once");
const REFUSED: Family = Family::counter(
    "mainstay_password_refused_total",
    "Callers that were refused because the queue for password hashing was full",
);

/// How busy the pool is.
pub(crate) struct PasswordLoad(pub(crate) Passwords);

impl Collect for PasswordLoad {
    fn collect(&self, page: &mut Page) {
        let figures = self.0.figures();
        let mut samples = page.family(&HASHES);
        samples.sample(&[("state", "running".into())], figures.running);
        samples.sample(&[("state", "waiting".into())], figures.waiting);
        page.family(&MAX).value(figures.max);
        page.family(&REFUSED).value(figures.refused);
    }
}
