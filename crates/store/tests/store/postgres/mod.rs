//! What only PostgreSQL promises. Runs whichever engine the run of the tests is about.

mod cancelling;
mod constraints;
mod control;
mod crowd;
mod dropping;
mod fixture;
mod killed;
mod lanes;
mod migrations;
mod outage;
mod pool;
mod pooler;
mod promote;
mod replica;
mod values;
mod vanishing;
