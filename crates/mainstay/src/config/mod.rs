//! Layered configuration: built-in defaults, then a TOML file, then the environment.
//!
//! Each knob is declared once, with [`section!`](crate::section). The declaration is the struct
//! that the program reads, the parser, the documentation and the list of names that are not
//! mistakes. [`Loader`] reads any number of sections and reports everything wrong at once.

mod database;
mod document;
mod effective;
mod error;
mod framework;
mod loader;
mod section;
mod sources;
mod traces;
mod value;

#[cfg(test)]
mod tests;

pub use database::{Database, MigrateAtStart, Pool, StatementMode};
pub use effective::{Effective, Setting};
pub use error::{ConfigError, ConfigErrors, Origin};
pub use framework::{
    Cache, ClientAddress, Fleet, ForwardedHeader, Framework, Hsts, Http, Limits, Log, LogFormat,
    Ops, Passwords, Redis, SessionTransport, Shutdown, Why,
};
pub use loader::Loader;
pub use section::{Knob, Raw, RawSection, Reader, Section, SectionInfo};
pub use sources::{ConfigFile, Sources};
pub use traces::{CollectorUrl, OtlpHeaders, OtlpProtocol, Pairs, Ratio, Traces};
pub use value::{
    BearerToken, ConnectionUrl, CorsOrigin, Directives, Kind, Value, milliseconds, seconds,
};
