//! The rules about sessions: how they begin, what they prove, how they end.

use std::{fmt, sync::Arc};

use mainstay::{
    core::{Authenticator, BoxFault, Caller, CallerFuture, Clock, Code, FaultSet, Secret},
    store::StoreError,
};

use super::{
    error::{CreateError, DeleteError},
    model::{Credentials, Session, SessionId, Token},
    repository::Repository,
};
use crate::users::Users;

/// Everything one can ask of this module. Clones share it.
#[derive(Clone)]
pub(crate) struct Sessions(Arc<Inner>);

struct Inner {
    repository: Arc<dyn Repository>,
    users: Users,
    clock: Arc<dyn Clock>,
}

impl Sessions {
    /// The sessions of `users`, kept in `repository`; [`sql`](super::sql) makes one.
    pub(crate) fn new(
        repository: Arc<dyn Repository>,
        users: Users,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Inner { repository, users, clock }))
    }

    /// Logs somebody in. The token is not kept: this is the only time it can be told.
    pub(crate) async fn create(
        &self,
        credentials: &Credentials,
    ) -> Result<(Session, Token), CreateError> {
        let Credentials { email, password } = credentials;
        let verified = self.0.users.verify_password(email, password).await?;
        let user = verified.ok_or(CreateError::InvalidCredentials)?;
        let (session, token) = (Session::new(&user, self.0.clock.now()), Token::generate());
        self.0.repository.make_room(&session).await?;
        self.0.repository.create(&session, token.hash()).await?;
        Ok((session, token))
    }

    /// The caller's sessions that have not expired, newest first.
    pub(crate) async fn list(&self, caller: &Caller) -> Result<Vec<Session>, StoreError> {
        let now = self.0.clock.now();
        let mut sessions = self.0.repository.list(caller.subject.into()).await?;
        sessions.retain(|session| now < session.expires_at);
        Ok(sessions)
    }

    /// Ends one of the caller's sessions.
    pub(crate) async fn delete(&self, id: SessionId, caller: &Caller) -> Result<(), DeleteError> {
        let was_theirs = self.0.repository.delete(id, caller.subject.into()).await?;
        was_theirs.then_some(()).ok_or(DeleteError::NotFound)
    }

    /// Ends the session the caller came with. One that has ended meanwhile is as good.
    pub(crate) async fn delete_current(&self, caller: &Caller) -> Result<(), StoreError> {
        self.0.repository.delete(SessionId::of(caller), caller.subject.into()).await?;
        Ok(())
    }

    /// Ends all of the caller's sessions.
    pub(crate) async fn delete_all(&self, caller: &Caller) -> Result<(), StoreError> {
        self.0.repository.delete_all(caller.subject.into()).await
    }

    /// The caller that a token stands for. The user is read anew each time, so a removed account, a
    /// lost role and a new password count from the next request on.
    async fn find_caller(&self, credential: &Secret<String>) -> Result<Option<Caller>, StoreError> {
        let Some(token) = Token::parse(credential) else { return Ok(None) };
        let Some(session) = self.0.repository.find(token.hash()).await? else { return Ok(None) };
        let Some(user) = self.0.users.find(session.user).await? else { return Ok(None) };
        Ok(session.is_good(&user, self.0.clock.now()).then(|| Caller {
            subject: user.id.into(),
            roles: user.role.names(),
            credential: session.id.0,
        }))
    }
}

impl Authenticator for Sessions {
    fn authenticate<'a>(&'a self, credential: &'a Secret<String>) -> CallerFuture<'a> {
        Box::pin(async move {
            self.find_caller(credential).await.map_err(|error| Box::new(error) as BoxFault)
        })
    }

    fn codes(&self) -> Vec<Code> {
        let mut codes = Vec::new();
        StoreError::declare(&mut codes);
        codes
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
