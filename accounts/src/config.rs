//! What can be configured of this service beyond what every service has.

use std::time::Duration;

use mainstay::{choice, config::Loader, section};

choice! {
    /// How many characters a new password has at least.
    pub(crate) enum PasswordLength {
        /// Where the password is all that is asked for.
        SoleFactor = "15",
        /// Where something in front of the service asks for another factor.
        BesideAnother = "8",
    }
}

section! {
    /// Accounts of people.
    pub(crate) struct Users in "users" {
        /// Characters that a new password has at least. 8 is enough only where something in front
        /// of the service asks for a second factor (NIST SP 800-63B-4).
        password_length_min: PasswordLength = "15";
    }
}

section! {
    /// Sessions of people who are signed in.
    pub(crate) struct Sessions in "sessions", check timeouts {
        /// A session that is not used for so long is over. It may be over a minute, or a tenth of
        /// this, earlier: its last use is not written down each time.
        idle_timeout: Duration as seconds = "1800", range 60..=31_536_000;
        /// A session is over after so long, used or not.
        lifetime: Duration as seconds = "1209600", range 60..=31_536_000;
    }
}

fn timeouts(sessions: &Sessions, loader: &mut Loader) {
    if sessions.idle_timeout > sessions.lifetime {
        loader.conflict(
            &["sessions.idle_timeout_seconds", "sessions.lifetime_seconds"],
            "a session would be over before it could be idle for so long",
            "make idle_timeout_seconds at most lifetime_seconds",
        );
    }
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) users: Users,
    pub(crate) sessions: Sessions,
}

impl Settings {
    pub(crate) fn load(loader: &mut Loader) -> Self {
        Self { users: loader.section(), sessions: loader.section() }
    }
}
