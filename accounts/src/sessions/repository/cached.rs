//! Sessions that are shown with every request, kept in the memory of each process.

use std::{sync::Arc, time::Duration};

use mainstay::{
    core::Timestamp,
    store::{Cache, CacheSpec, Caches, Scope, Tag},
    tokens::TokenHash,
};

use super::{Answer, Repository};
use crate::{
    sessions::{
        error::CreateError,
        model::{Session, SessionId},
    },
    users::UserId,
};

/// How long a session is served as it was read, and so how far its last use may be behind: much
/// less than the shortest time without use that ends one. It is also the bound for what no process
/// of the service is told of, such as a change by hand.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// Keeps in memory what `stored` answers about tokens. Values stay in the process: who has a
/// session is nobody else's to see.
pub(crate) fn cached(stored: Arc<dyn Repository>, caches: &Caches) -> Arc<dyn Repository> {
    let by_token = caches.in_process(CacheSpec {
        ttl: KEPT_FOR,
        // A token that is none of a session is one of a key, or a guess. Nobody can have shown the
        // token of a session before it was made.
        negative_ttl: KEPT_FOR,
        weigh: |session: &Session| (size_of::<Session>() + session.device.len()) as u64,
        tags: |session| vec![of_user(session.user)],
        ..CacheSpec::new("sessions")
    });
    Arc::new(Cached { stored, caches: caches.clone(), by_token })
}

struct Cached {
    stored: Arc<dyn Repository>,
    caches: Caches,
    by_token: Cache<Session>,
}

/// What all sessions of a user carry.
fn of_user(user: UserId) -> Tag {
    Tag::new("sessions-of", user.0)
}

impl Cached {
    fn all_of(user: UserId) -> Scope {
        Scope::tag(&of_user(user))
    }
}

impl Repository for Cached {
    fn create<'a>(&'a self, session: &'a Session, token: TokenHash) -> Answer<'a, (), CreateError> {
        self.stored.create(session, token)
    }

    fn make_room<'a>(&'a self, session: &'a Session) -> Answer<'a, ()> {
        // Those of others that it removes have expired, which is seen without it.
        let scope = Self::all_of(session.user);
        Box::pin(self.caches.write(scope, self.stored.make_room(session)))
    }

    fn find(&self, token: TokenHash) -> Answer<'_, Option<Arc<Session>>> {
        let stored = self.stored.clone();
        let load = move || async move {
            let found = stored.find(token).await?;
            Ok(found.map(Arc::unwrap_or_clone))
        };
        Box::pin(async move { self.by_token.get_or_load(&token.to_hex(), load).await })
    }

    fn list(&self, user: UserId) -> Answer<'_, Vec<Session>> {
        self.stored.list(user)
    }

    fn delete(&self, id: SessionId, user: UserId) -> Answer<'_, bool> {
        Box::pin(self.caches.write(Self::all_of(user), self.stored.delete(id, user)))
    }

    fn delete_by_token(&self, token: TokenHash) -> Answer<'_, ()> {
        let scope = self.by_token.scope([token.to_hex()]);
        Box::pin(self.caches.write(scope, self.stored.delete_by_token(token)))
    }

    fn delete_others(&self, kept: SessionId, user: UserId) -> Answer<'_, ()> {
        Box::pin(self.caches.write(Self::all_of(user), self.stored.delete_others(kept, user)))
    }

    fn delete_all(&self, user: UserId) -> Answer<'_, ()> {
        Box::pin(self.caches.write(Self::all_of(user), self.stored.delete_all(user)))
    }

    fn note_use(&self, id: SessionId, now: Timestamp) {
        self.stored.note_use(id, now);
    }
}
