//! Identifiers of stored things.

use jiff::Timestamp;
use uuid::{NoContext, Uuid};

/// A new `UUIDv7` (RFC 9562 section 5.7): it sorts by `now`, which comes from the
/// [`Clock`](crate::Clock), and its other 74 bits are random. Times before 1970 count as 1970.
pub fn new_id(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or_default();
    let nanoseconds = now.subsec_nanosecond().unsigned_abs();
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds))
}
