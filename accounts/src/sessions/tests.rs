//! What the tests of this module share: people and sessions kept in memory, and in a database.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mainstay::{core::Timestamp, tokens::TokenHash};

use super::{
    error::CreateError,
    model::{SESSIONS_MAX, Session, SessionId, Timeouts},
    repository::{Answer, Repository, sql},
};
use crate::users::{self, UserId};

/// Sessions in memory; those of a removed user are not there.
pub(super) struct InMemory {
    users: Arc<users::InMemory>,
    sessions: Mutex<Vec<(Session, TokenHash)>>,
}

impl InMemory {
    fn kept(&self) -> MutexGuard<'_, Vec<(Session, TokenHash)>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|(session, _)| self.users.holds(session.user));
        sessions
    }
}

impl Repository for InMemory {
    fn create<'a>(&'a self, session: &'a Session, token: TokenHash) -> Answer<'a, (), CreateError> {
        Box::pin(async move {
            if !self.users.holds(session.user) {
                return Err(CreateError::InvalidCredentials);
            }
            self.kept().push((session.clone(), token));
            Ok(())
        })
    }

    fn make_room<'a>(&'a self, session: &'a Session) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut newest = self.list(session.user).await?;
            newest.retain(|other| other.id != session.id);
            let stays = |other: &Session| {
                let place = newest.iter().position(|known| known.id == other.id);
                let is_old = place.is_some_and(|place| place >= SESSIONS_MAX as usize - 1);
                other.expires_at > session.created_at
                    && (other.user != session.user
                        || !is_old && other.password_version.0 >= session.password_version.0)
            };
            self.kept().retain(|(other, _)| stays(other));
            Ok(())
        })
    }

    fn find(&self, token: TokenHash) -> Answer<'_, Option<Arc<Session>>> {
        Box::pin(async move {
            let kept = self.kept();
            Ok(kept
                .iter()
                .find(|(_, known)| *known == token)
                .map(|(session, _)| Arc::new(session.clone())))
        })
    }

    fn list(&self, user: UserId) -> Answer<'_, Vec<Session>> {
        Box::pin(async move {
            let kept = self.kept();
            let own = kept.iter().map(|(session, _)| session).filter(|other| other.user == user);
            let mut own: Vec<_> = own.cloned().collect();
            own.sort_by_key(|session| std::cmp::Reverse((session.created_at, session.id)));
            Ok(own)
        })
    }

    fn delete(&self, id: SessionId, user: UserId) -> Answer<'_, bool> {
        Box::pin(async move {
            let mut kept = self.kept();
            let before = kept.len();
            kept.retain(|(session, _)| session.id != id || session.user != user);
            Ok(kept.len() < before)
        })
    }

    fn delete_by_token(&self, token: TokenHash) -> Answer<'_, ()> {
        Box::pin(async move {
            self.kept().retain(|(_, known)| *known != token);
            Ok(())
        })
    }

    fn delete_others(&self, kept: SessionId, user: UserId) -> Answer<'_, ()> {
        Box::pin(async move {
            self.kept().retain(|(session, _)| session.user != user || session.id == kept);
            Ok(())
        })
    }

    fn note_use(&self, id: SessionId, now: Timestamp) {
        let mut kept = self.kept();
        kept.iter_mut()
            .filter(|(session, _)| session.id == id)
            .for_each(|(session, _)| session.last_used_at = now);
    }

    fn delete_all(&self, user: UserId) -> Answer<'_, ()> {
        Box::pin(async move {
            self.kept().retain(|(session, _)| session.user != user);
            Ok(())
        })
    }
}

/// Those of production.
pub(super) const TIMEOUTS: Timeouts =
    Timeouts { idle: Duration::from_mins(30), lifetime: Duration::from_hours(14 * 24) };

/// Users and their sessions, kept in one place.
pub(super) type Place = users::Place<dyn Repository>;

pub(super) fn in_memory() -> Place {
    Place::in_memory(|users| Arc::new(InMemory { users, sessions: Mutex::default() }))
}

/// Holds each kind of repository against the same property.
pub(super) async fn on_each(property: impl AsyncFn(Place)) {
    property(in_memory()).await;
    property(Place::in_database(sql).await).await;
}
