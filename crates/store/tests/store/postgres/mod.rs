//! The PostgreSQL engine, against the server that `STORE_TEST_POSTGRES` names.

mod constraints;
mod dropping;
mod fixture;
mod lanes;
mod migrations;
mod outage;
mod pool;
mod promote;
mod values;
