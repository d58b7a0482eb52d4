//! Lanes: a few connections that all single reads share.
//!
//! Each statement is a transaction of its own, so many can be under way on one connection at once;
//! the server answers in order. What has to wait on the server (a slow statement, a lock) would
//! have everybody behind it wait too, so a lane is for what is quick: it takes few statements until
//! its answers are, gives up a lock within moments, and hands back what it cannot do.

mod dispatch;
mod lane;
mod queue;
mod sent;

pub(super) use self::{
    dispatch::{Lanes, Ran},
    queue::HELD_UP,
};
