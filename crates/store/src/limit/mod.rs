//! Rate limits kept in this process.
