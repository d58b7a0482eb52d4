//! The engines there are.

/// Who keeps the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// The embedded default.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// The name in file names and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}
