//! Clients that go on asking while something fails, and who judges what they were answered.

mod clients;
mod judge;

pub(crate) use self::{
    clients::Clients,
    judge::{Answer, Promise},
};
