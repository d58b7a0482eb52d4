//! Who may call an endpoint: decided by a policy over the caller and the path, before any logic.

use std::{fmt, sync::Arc};

use mainstay_core::{Caller, RoleName, Subject};

/// The parameters of the matched path, still percent-encoded.
#[derive(Clone, Copy, Debug)]
pub struct PathParams<'a> {
    pub(crate) path: &'a str,
    pub(crate) names: &'a [String],
    pub(crate) ranges: &'a [(u32, u32)],
}

impl<'a> PathParams<'a> {
    /// The raw value of a parameter of the template.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Every parameter, in the order of the template.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let path = self.path;
        self.names.iter().zip(self.ranges).map(move |(name, &(start, end))| {
            (name.as_str(), path.get(start as usize..end as usize).unwrap_or_default())
        })
    }
}

/// What a policy makes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// It may not go on.
    Refused,
    /// It may.
    Granted,
    /// It may, by a role, over what is not the caller's own: worth a line for whoever watches.
    GrantedByRole,
}

impl Permission {
    /// What a caller may do who has a certain role, or has not.
    const fn by_role(has_it: bool) -> Self {
        if has_it { Self::GrantedByRole } else { Self::Refused }
    }
}

/// Decides whether an authenticated caller may use an endpoint.
///
/// It sees the caller and the path and nothing else, so that a refusal can never depend on whether
/// the thing behind the path exists.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an access policy",
    note = "use `Authenticated`, a role (`RoleName(\"admin\")`) or `SelfOr(role)`, \
            or implement `Policy`"
)]
pub trait Policy: Send + Sync + 'static {
    /// Whether the call may go on.
    fn permits(&self, caller: &Caller, path: PathParams<'_>) -> Permission;

    /// How route tables and documents call this policy: `self or admin`.
    fn label(&self) -> String;

    /// Whether it ever refuses, that is whether the endpoint declares `FORBIDDEN`.
    fn may_refuse(&self) -> bool {
        true
    }
}

/// Everybody who is signed in.
#[derive(Clone, Copy, Debug)]
pub struct Authenticated;

impl Policy for Authenticated {
    fn permits(&self, _: &Caller, _: PathParams<'_>) -> Permission {
        Permission::Granted
    }

    fn label(&self) -> String {
        "authenticated".to_owned()
    }

    fn may_refuse(&self) -> bool {
        false
    }
}

impl Policy for RoleName {
    fn permits(&self, caller: &Caller, _: PathParams<'_>) -> Permission {
        Permission::by_role(caller.has(*self))
    }

    fn label(&self) -> String {
        self.0.to_owned()
    }
}

/// The subject that the path parameter `id` names, or a holder of the role.
#[derive(Clone, Copy, Debug)]
pub struct SelfOr(pub RoleName);

impl Policy for SelfOr {
    fn permits(&self, caller: &Caller, path: PathParams<'_>) -> Permission {
        if named_subject(path) == Some(caller.subject) {
            return Permission::Granted;
        }
        Permission::by_role(caller.has(self.0))
    }

    fn label(&self) -> String {
        format!("self or {}", self.0)
    }
}

/// The subject that the path parameter `id` names.
fn named_subject(path: PathParams<'_>) -> Option<Subject> {
    path.get("id")?.parse().ok()
}

/// The decision about access that every endpoint carries.
#[derive(Clone)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whom the policy permits.
    Allow(Arc<dyn Policy>),
}

impl Access {
    /// How route tables and documents call it.
    pub fn label(&self) -> String {
        match self {
            Self::Public => "public".to_owned(),
            Self::Allow(policy) => policy.label(),
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}
