//! Optimistic concurrency: the version a caller believes a thing has.

/// A condition on the version of a stored thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The caller named none.
    Absent,
    /// The thing must exist, in whatever version (`*`). For what creates a thing that is missing;
    /// whatever only changes one finds out by itself.
    Exists,
    /// The thing must have one of these versions; an empty list can never hold.
    OneOf(Vec<i64>),
}

impl Precondition {
    /// Whether a thing of this version may be changed.
    pub fn permits(&self, version: i64) -> bool {
        match self {
            Self::Absent | Self::Exists => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}
