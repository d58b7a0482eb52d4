//! What can be concluded once every node is known: loops, admitted types, tags of unions.

use serde_json::Value;

use super::{Format, Node, NodeId, Tag, Text, Types, Union, words::one_of};

/// The nodes that a node applies to the same value.
fn in_place(node: &Node) -> impl Iterator<Item = NodeId> {
    let branches = node.unions.iter().flat_map(|union| union.branches.iter());
    node.all_of.iter().chain(branches).chain(node.not.iter()).copied()
}

/// Whether checking some value would never end: a node that applies itself to the same value.
pub(super) fn refers_to_itself(nodes: &[Node]) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Never,
        OnPath,
        Done,
    }

    fn visit(nodes: &[Node], id: NodeId, seen: &mut [Seen]) -> bool {
        match seen[id.index()] {
            Seen::OnPath => return true,
            Seen::Done => return false,
            Seen::Never => seen[id.index()] = Seen::OnPath,
        }
        let found = in_place(&nodes[id.index()]).any(|next| visit(nodes, next, seen));
        seen[id.index()] = Seen::Done;
        found
    }

    let mut seen = vec![Seen::Never; nodes.len()];
    (0..nodes.len()).any(|at| visit(nodes, NodeId(at), &mut seen))
}

/// Narrows each node's types by what the nodes it applies admit, until nothing changes.
pub(super) fn types(nodes: &mut [Node]) {
    loop {
        let mut changed = false;
        for at in 0..nodes.len() {
            let node = &nodes[at];
            let every = node.all_of.iter().map(|id| nodes[id.index()].admits);
            let some = node.unions.iter().map(|union| {
                let branches = union.branches.iter().map(|id| nodes[id.index()].admits);
                branches.fold(Types::NONE, Types::or)
            });
            let admits = every.chain(some).fold(node.admits, Types::and);
            changed |= admits != node.admits;
            nodes[at].admits = admits;
        }
        if !changed {
            return;
        }
    }
}

/// Finds the tag of each union that has one, and the one union that is a format.
pub(super) fn tags(nodes: &mut [Node]) {
    for at in 0..nodes.len() {
        let tags: Vec<_> = nodes[at].unions.iter().map(|union| tag_of(nodes, union)).collect();
        let is_ip =
            |union: &Union| formats_of(nodes, union) == [Some(Format::Ipv4), Some(Format::Ipv6)];
        let ip = nodes[at].unions.iter().position(is_ip);
        let node = &mut nodes[at];
        node.unions.iter_mut().zip(tags).for_each(|(union, tag)| union.tag = tag);
        if let Some(ip) = ip.filter(|_| node.text.is_none()) {
            node.unions.remove(ip);
            node.text = Some(Box::new(Text { format: Some(Format::Ip), ..Text::default() }));
        }
    }
}

fn formats_of(nodes: &[Node], union: &Union) -> Vec<Option<Format>> {
    let texts = union.branches.iter().map(|id| nodes[id.index()].text.as_ref());
    texts.map(|text| text.and_then(|text| text.format)).collect()
}

fn tag_of(nodes: &[Node], union: &Union) -> Option<Tag> {
    let (first, others) = union.branches.split_first()?;
    if others.is_empty() {
        return None;
    }
    constants(nodes, *first).find_map(|(property, _)| {
        let variants: Option<Vec<_>> =
            union.branches.iter().map(|id| Some((constant(nodes, *id, property)?, *id))).collect();
        let mut variants = variants?;
        let words = one_of(variants.iter().map(|(value, _)| value.to_string()));
        variants.sort();
        let distinct = variants.windows(2).all(|pair| pair[0].0 != pair[1].0);
        distinct.then(|| Tag { property: property.into(), variants, words })
    })
}

/// The value that a branch demands of a member.
fn constant(nodes: &[Node], branch: NodeId, property: &str) -> Option<Box<str>> {
    constants(nodes, branch).find(|(name, _)| *name == property).map(|(_, value)| value.into())
}

/// Every required member of a branch of objects which can have one text only.
fn constants(nodes: &[Node], branch: NodeId) -> impl Iterator<Item = (&str, &str)> {
    let node = target(nodes, branch);
    let objects = node.object.iter().filter(|_| node.admits == Types::OBJECT);
    objects.flat_map(|object| {
        object.required.iter().filter_map(|name| {
            let (name, id) = object.property(name)?;
            match nodes[id.index()].allowed.as_ref()?.values.as_slice() {
                [Value::String(only)] => Some((name, only.as_str())),
                _ => None,
            }
        })
    })
}

/// Follows nodes that are nothing but a reference.
fn target(nodes: &[Node], id: NodeId) -> &Node {
    let node = &nodes[id.index()];
    let is_alias = node.object.is_none() && node.unions.is_empty() && node.not.is_none();
    match node.all_of.as_slice() {
        [only] if is_alias => target(nodes, *only),
        _ => node,
    }
}
