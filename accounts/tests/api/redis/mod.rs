//! What only a Redis does: it is away, comes back, stalls, is full, and is spoken to in secret.

mod doctor;
mod limits;
mod outage;
mod revocation;
