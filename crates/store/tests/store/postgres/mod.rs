//! The PostgreSQL engine, against the server that `STORE_TEST_POSTGRES` names.

mod constraints;
mod dropping;
mod fixture;
mod lanes;
mod migrations;
mod pool;
mod promote;
mod values;
