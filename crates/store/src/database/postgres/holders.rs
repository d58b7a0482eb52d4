//! Who holds the connections of the pool.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use mainstay_core::Work;

use crate::database::Holder;

/// How many kinds of holders an error names: a line for whoever reads it at night.
const NAMED_MAX: usize = 3;

/// As many as there are connections at most.
#[derive(Debug, Default)]
pub(super) struct Holders(Mutex<Vec<(u64, Held)>>);

#[derive(Clone, Debug)]
struct Held {
    name: Option<Arc<str>>,
    since: Instant,
}

/// Somebody holds a connection, until this is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    holders: Arc<Holders>,
    key: u64,
}

impl Hold {
    /// The one that works now.
    pub(super) fn new(holders: &Arc<Holders>) -> Self {
        let held = Held { name: Work::current().map(|work| work.name), since: Instant::now() };
        let mut all = holders.all();
        // The newest key is the last one.
        let key = all.last().map_or(0, |(key, _)| key + 1);
        all.push((key, held));
        drop(all);
        Self { holders: holders.clone(), key }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.holders.all().retain(|(key, _)| *key != self.key);
    }
}

impl Holders {
    /// All of them by name, longest first.
    pub(super) fn list(&self) -> Vec<Holder> {
        let mut holders: Vec<Holder> = Vec::new();
        for (_, Held { name, since }) in &*self.all() {
            let name = name.clone().unwrap_or_else(|| "no request".into());
            let longest = since.elapsed();
            match holders.iter_mut().find(|holder| holder.name == name) {
                Some(holder) => {
                    holder.count += 1;
                    holder.longest = holder.longest.max(longest);
                }
                None => holders.push(Holder { name, count: 1, longest }),
            }
        }
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.longest));
        holders
    }

    /// The longest ones, for an error.
    pub(super) fn longest(&self) -> String {
        let named: Vec<String> =
            self.list().iter().take(NAMED_MAX).map(ToString::to_string).collect();
        if named.is_empty() { "nobody".to_owned() } else { named.join(", ") }
    }

    /// No code of a caller runs under the lock, so a poisoned list is still whole.
    fn all(&self) -> MutexGuard<'_, Vec<(u64, Held)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn holders_are_told_by_the_name_of_their_work() {
        let holders = Arc::new(Holders::default());
        let work = Work::new(Instant::now(), "GET /users".into());
        let first = work.clone().scope(async { Hold::new(&holders) }).await;
        let second = work.scope(async { Hold::new(&holders) }).await;
        let third = Hold::new(&holders);
        let found: Vec<(String, usize)> = holders
            .list()
            .into_iter()
            .map(|holder| (holder.name.to_string(), holder.count))
            .collect();
        assert_eq!(found, [("GET /users".to_owned(), 2), ("no request".to_owned(), 1)]);
        assert!(holders.longest().starts_with("GET /users (2, up to "), "{}", holders.longest());
        drop((first, third));
        assert_eq!(holders.list().len(), 1);
        drop(second);
        assert_eq!((holders.longest().as_str(), holders.list().len()), ("nobody", 0));
    }
}
