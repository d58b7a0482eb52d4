//! Processes of the system that share a Redis and a PostgreSQL, and what breaks them. Everything
//! they read and write is judged by a checker that catches caches as they are often made.

mod control;
mod crowd;
mod fleet;
mod journal;
mod nemesis;
mod worker;
