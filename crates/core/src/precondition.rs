//! Optimistic concurrency: the version a caller believes a thing has.

/// A condition on the version of a stored thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// The caller named none (or `*`).
    Absent,
    /// The thing must have one of these versions; an empty list can never hold.
    OneOf(Vec<i64>),
}

impl Precondition {
    /// Whether a thing of this version may be changed.
    pub fn permits(&self, version: i64) -> bool {
        match self {
            Self::Absent => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}
