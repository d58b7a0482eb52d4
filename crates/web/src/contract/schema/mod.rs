//! The rules of one input type, compiled from the JSON Schema that is published for it.

mod compile;
mod format;
mod keywords;
mod node;
mod pattern;
mod publish;
mod settle;
mod types;
mod words;

pub use compile::Unsupported;
pub(super) use compile::{Compiled, compile};
pub(super) use format::Format;
pub(super) use node::{
    Additional, Allowed, List, Matches, Node, NodeId, Object, Pattern, Range, Tag, Text, Union,
};
pub use publish::publish;
pub(super) use types::Types;
pub(super) use words::Count;
