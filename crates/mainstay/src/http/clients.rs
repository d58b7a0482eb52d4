//! `Clients`: every client of a process, so that `/metrics` shows them all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{BaseUrl, Client, ClientOptions};

/// Makes the clients of a service; see `Resources::clients`. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Clients(Arc<Mutex<Vec<Client>>>);

impl Clients {
    /// A client of another service, as [`Client::new`] makes it, that `/metrics` shows by its name.
    ///
    /// # Panics
    /// When there is one of this name: their series could not be told apart.
    #[track_caller]
    pub fn create(&self, name: &'static str, base: BaseUrl, options: ClientOptions) -> Client {
        let client = Client::new(name, base, options);
        let mut all = self.all();
        let is_new = all.iter().all(|other| other.name() != name);
        if is_new {
            all.push(client.clone());
        }
        drop(all);
        assert!(is_new, "there are two clients of the name `{name}`; use clones of one");
        client
    }

    /// In the order in which they were made.
    pub(crate) fn list(&self) -> Vec<Client> {
        self.all().clone()
    }

    /// Nothing panics under the lock.
    fn all(&self) -> MutexGuard<'_, Vec<Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
