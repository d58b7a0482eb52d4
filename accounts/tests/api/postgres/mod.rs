//! What only a server does: it goes away and comes back, stops, refuses, and is slow. Runs on
//! PostgreSQL whichever engine the run of the tests is about.

mod crowd;
mod doctor;
mod faults;
mod outage;
