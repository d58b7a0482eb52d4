//! Security events: what happened, in the words of OWASP's Logging Vocabulary Cheat Sheet, so that
//! whoever watches several services looks for the same words in each.

use crate::caller::Subject;

macro_rules! events {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $level:ident;)*) => {
        /// Something that whoever watches for attacks wants to know.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum SecurityEvent {
            $($(#[doc = $doc])+ $name,)*
        }

        impl SecurityEvent {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The word of the vocabulary: what the log line's `msg` says.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// How much attention it deserves.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$level,)*
                }
            }
        }
    };
}

/// How much attention an event deserves by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Part of a normal day.
    Info,
    /// Many of them are an attack.
    Warn,
}

events! {
    /// Somebody logged in.
    LoginSucceeded = "authn_login_success", Info;
    /// Somebody tried to log in and was not the one, or named nobody.
    LoginFailed = "authn_login_fail", Warn;
    /// An attempt came while an account waits after failures, so its password was not looked at.
    LoginDelayed = "authn_login_fail_max", Warn;
    /// An account has had so many failures in a row that no password opens it any longer.
    LoginLocked = "authn_login_lock", Warn;
    /// A password was replaced.
    PasswordChanged = "authn_password_change", Info;
    /// Somebody signed in did not know the present password.
    PasswordChangeFailed = "authn_password_change_fail", Warn;
    /// An API key was made.
    TokenCreated = "authn_token_created", Info;
    /// An API key was revoked.
    TokenRevoked = "authn_token_revoked", Info;
    /// A well-formed token was sent that is not, or no longer, anybody's.
    TokenReused = "authn_token_reuse", Warn;
    /// A signed-in caller asked for what they may not do.
    AccessDenied = "authz_fail", Warn;
    /// Somebody used a role over what is not their own: somebody else's account, a flag.
    AdministratorActed = "authz_admin", Warn;
    /// A role was given or taken.
    PermissionsChanged = "privilege_permissions_changed", Warn;
    /// A client exceeded a limit.
    RateExceeded = "excess_rate_limit_exceeded", Warn;
    /// An input broke the contract.
    InputRejected = "input_validation_fail", Warn;
    /// A browser sent a write from a page of another site.
    CrossSiteRequest = "malicious_cors", Warn;
    /// A session began.
    SessionCreated = "session_created", Info;
    /// A session that was over was used.
    SessionUsedAfterExpiry = "session_use_after_expire", Warn;
    /// A session was ended by its owner.
    SessionEnded = "session_logout", Info;
    /// An account was made.
    UserCreated = "user_created", Info;
    /// An account was changed.
    UserUpdated = "user_updated", Info;
    /// An account was removed.
    UserDeleted = "user_deleted", Info;
    /// The service answers.
    Started = "sys_startup", Info;
    /// The service stops as it was asked to.
    Stopped = "sys_shutdown", Info;
    /// Something panicked.
    Crashed = "sys_crash", Warn;
}

/// An event, and whom it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityRecord {
    /// What happened.
    pub event: SecurityEvent,
    /// The account it happened to, by id; `None` where nobody is known.
    pub subject: Option<Subject>,
}

impl SecurityRecord {
    /// About nobody in particular.
    pub const fn new(event: SecurityEvent) -> Self {
        Self { event, subject: None }
    }

    /// About somebody.
    pub fn about(event: SecurityEvent, subject: impl Into<Subject>) -> Self {
        Self { event, subject: Some(subject.into()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_event_has_a_word_of_its_own() {
        let names: BTreeSet<_> = SecurityEvent::ALL.iter().map(|event| event.name()).collect();
        assert_eq!(names.len(), SecurityEvent::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
