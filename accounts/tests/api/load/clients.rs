//! Clients that go on asking whatever happens, and note what they are answered.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mainstay_testing::{Call, TestApp};
use serde_json::json;
use tokio::task::JoinSet;

use super::judge::{Answer, Asked};
use crate::support::{Person, until};

/// More than the service has connections, fewer than it refuses by themselves.
pub(crate) const CLIENTS: usize = 24;

/// What a client does between two calls: it keeps the machine free for what is tested.
const PAUSE: Duration = Duration::from_millis(10);

/// A crowd, each of whom registers others and reads their own user in turn.
pub(crate) struct Clients {
    notes: Arc<Notes>,
    running: JoinSet<()>,
}

#[derive(Default)]
struct Notes {
    answers: Mutex<Vec<Answer>>,
    over: AtomicBool,
}

impl Notes {
    fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clients {
    /// Registers them, and lets them begin.
    pub(crate) async fn start(app: &TestApp) -> Self {
        let (notes, mut running) = (Arc::<Notes>::default(), JoinSet::new());
        for client in 0..CLIENTS {
            let person = Person::join(app, &format!("client{client}")).await;
            let read = app.get(&person.path()).bearer(&person.token);
            running.spawn(go_on(client, read, app.post("/users"), notes.clone()));
        }
        Self { notes, running }
    }

    /// Returns once everybody has had the usual answer to a read and a write that were begun later.
    pub(crate) async fn are_served(&self) {
        let since = Instant::now();
        let everybody = async || {
            let answers = self.notes.answers();
            let mut served = [[false; 2]; CLIENTS];
            for answer in answers.iter().rev().take_while(|a| a.begun + a.took >= since) {
                if answer.is_normal() && answer.begun >= since {
                    served[answer.client][usize::from(answer.asked == Asked::Read)] = true;
                }
            }
            served.as_flattened().iter().all(|is_served| *is_served).then_some(())
        };
        until("everybody is served", everybody).await;
    }

    /// How many writes have been acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.notes.answers().iter().filter_map(Answer::acknowledged).count()
    }

    /// Lets everybody have the answer they wait for, and gives all answers there were.
    pub(crate) async fn stop(self) -> Vec<Answer> {
        self.notes.over.store(true, Ordering::Relaxed);
        self.running.join_all().await;
        std::mem::take(&mut *self.notes.answers())
    }
}

async fn go_on(client: usize, read: Call, register: Call, notes: Arc<Notes>) {
    for n in 0.. {
        let address = format!("client{client}-{n}@example.com");
        let write = register.clone().json(&json!({ "email": address, "name": "Ada" }));
        for (asked, call) in [(Asked::Write(address), write), (Asked::Read, read.clone())] {
            if notes.over.load(Ordering::Relaxed) {
                return;
            }
            let begun = Instant::now();
            let reply = call.attempt().await;
            let took = begun.elapsed();
            let (status, code, has_retry_after) =
                reply.map_or((0, String::new(), false), |reply| {
                    let whole_seconds = reply.header("retry-after").parse::<u64>();
                    (reply.status.as_u16(), reply.code(), whole_seconds.is_ok())
                });
            let answer = Answer { client, asked, begun, took, status, code, has_retry_after };
            notes.answers().push(answer);
            tokio::time::sleep(PAUSE).await;
        }
    }
}
