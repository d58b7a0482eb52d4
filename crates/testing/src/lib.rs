//! The test kit. A test starts the service by the production builder and changes five things: the
//! database's place, the ports, the clock, where the log goes, and that an undeclared answer
//! panics.

mod app;
mod client;
mod clock;
mod collector;
mod coverage;
mod discipline;
mod log;
mod otlp;
mod wire;

pub use app::{TestApp, TestOptions};
pub use client::{Call, Reply};
pub use clock::ManualClock;
pub use collector::{Collector, Export, Mood};
pub use discipline::assert_disciplined;
pub use log::CapturedLog;
pub use mainstay_test_databases::{
    Durability, EncryptedRedis, Engine, FaultProxy, Memory, Neighbour, PrivateCluster,
    PrivatePgBouncer, PrivatePostgres, PrivateRedis, PrivateSentinel, ServerError, TestDatabase,
};
pub use otlp::ExportedSpan;
pub use wire::Wire;
