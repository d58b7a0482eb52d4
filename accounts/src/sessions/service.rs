//! The rules about sessions: how they begin, what they prove, how they end.

use std::{fmt, sync::Arc};

use mainstay::{
    core::{Caller, Clock, Scopes},
    security::{SecurityEvent, SecurityRecord, record},
    store::StoreError,
    tokens::{Token, TokenHash},
};

use super::{
    error::{CreateError, DeleteError},
    model::{Credentials, Origin, Session, SessionId, Timeouts},
    repository::Repository,
};
use crate::{
    credential::{Found, Uses},
    users::{UserId, Users},
};

/// Everything one can ask of this module. Clones share it.
#[derive(Clone)]
pub(crate) struct Sessions(Arc<Inner>);

struct Inner {
    repository: Arc<dyn Repository>,
    users: Users,
    clock: Arc<dyn Clock>,
    timeouts: Timeouts,
    uses: Uses,
}

impl Sessions {
    /// The sessions of `users`, kept in `repository`; [`sql`](super::sql) makes one.
    pub(crate) fn new(
        repository: Arc<dyn Repository>,
        users: Users,
        clock: Arc<dyn Clock>,
        timeouts: Timeouts,
    ) -> Self {
        Self(Arc::new(Inner { repository, users, clock, timeouts, uses: Uses::default() }))
    }

    /// Logs somebody in. The token is not kept: this is the only time it can be told.
    ///
    /// The session that they came with is over: whoever else knows its token gains nothing by the
    /// log-in.
    pub(crate) async fn create(
        &self,
        credentials: &Credentials,
        origin: Origin,
    ) -> Result<(Session, Token), CreateError> {
        let Credentials { email, password } = credentials;
        let verified = self.0.users.log_in(email, password).await?;
        let user = verified.ok_or(CreateError::InvalidCredentials)?;
        let Inner { repository, clock, timeouts, .. } = &*self.0;
        let session = Session::new(&user, origin.device, clock.now(), *timeouts);
        let token = Token::generate();
        repository.create(&session, token.hash()).await?;
        // After it, so that a failed log-in ends nothing, and of several at a time the last leaves
        // no more than there may be.
        repository.make_room(&session).await?;
        if let Some(earlier) = origin.presented.as_ref().and_then(TokenHash::of) {
            repository.delete_by_token(earlier).await?;
        }
        record(SecurityRecord::about(SecurityEvent::SessionCreated, user.id));
        Ok((session, token))
    }

    /// The caller's sessions that have not expired, newest first.
    pub(crate) async fn list(&self, caller: &Caller) -> Result<Vec<Session>, StoreError> {
        let now = self.0.clock.now();
        let mut sessions = self.0.repository.list(caller.subject.into()).await?;
        // Sessions of an earlier password may be there until the next log-in.
        let user = self.0.users.find_principal(caller.subject.into()).await?;
        sessions.retain(|session| {
            !session.is_over(now, self.0.timeouts) && user.is_some_and(|user| session.is_of(user))
        });
        Ok(sessions)
    }

    /// Ends one of the caller's sessions.
    pub(crate) async fn delete(&self, id: SessionId, caller: &Caller) -> Result<(), DeleteError> {
        let was_theirs = self.0.repository.delete(id, caller.subject.into()).await?;
        was_theirs.then(ended).ok_or(DeleteError::NotFound)
    }

    /// Ends the session the caller came with. One that has ended meanwhile is as good.
    pub(crate) async fn delete_current(&self, caller: &Caller) -> Result<(), StoreError> {
        self.0.repository.delete(SessionId::of(caller), caller.subject.into()).await?;
        ended();
        Ok(())
    }

    /// Ends all of the caller's sessions but the one the caller came with.
    pub(crate) async fn delete_others(&self, caller: &Caller) -> Result<(), StoreError> {
        let kept = SessionId::of(caller);
        self.0.repository.delete_others(kept, caller.subject.into()).await?;
        ended();
        Ok(())
    }

    /// Ends every session of a user.
    pub(crate) async fn delete_of_user(&self, user: UserId) -> Result<(), StoreError> {
        self.0.repository.delete_all(user).await?;
        record(SecurityRecord::about(SecurityEvent::SessionEnded, user));
        Ok(())
    }

    /// Ends all of the caller's sessions.
    pub(crate) async fn delete_all(&self, caller: &Caller) -> Result<(), StoreError> {
        self.0.repository.delete_all(caller.subject.into()).await?;
        ended();
        Ok(())
    }

    /// The caller that a token stands for, if it is one of a session. What counts about
    /// the user is asked each time, so a removed account, a lost role and a new password count from
    /// the next request on, and in other processes within the bound of the caches.
    pub(crate) async fn authenticate(&self, token: TokenHash) -> Result<Found, StoreError> {
        let Inner { repository, users, clock, timeouts, uses } = &*self.0;
        let Some(session) = repository.find(token).await? else {
            return Ok(Found::Nothing);
        };
        let now = clock.now();
        if session.is_over(now, *timeouts) {
            record(SecurityRecord::about(SecurityEvent::SessionUsedAfterExpiry, session.user));
            return Ok(Found::Over);
        }
        let user = users.find_principal(session.user).await?.filter(|user| session.is_of(*user));
        let Some(user) = user else {
            // Its owner has another password now: whoever this is has kept the token.
            record(SecurityRecord::about(SecurityEvent::TokenReused, session.user));
            return Ok(Found::Over);
        };
        let noted = Some(session.last_used_at);
        if uses.is_due(session.id.0, noted, now, timeouts.note_age_max()) {
            repository.note_use(session.id, now);
        }
        Ok(Found::Caller(Caller {
            subject: user.id.into(),
            roles: user.role.names(),
            credential: session.id.0,
            scopes: Scopes::All,
        }))
    }
}

fn ended() {
    record(SecurityRecord::new(SecurityEvent::SessionEnded));
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
