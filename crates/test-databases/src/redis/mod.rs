//! Redis, alone, in groups, and over TLS.

mod encrypted;
mod group;
mod private;

pub use self::{
    encrypted::EncryptedRedis,
    group::{PrivateCluster, PrivateSentinel},
    private::{Memory, PrivateRedis},
};
