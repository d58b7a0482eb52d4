//! When a connection that many share is driven.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

/// Whether a connection has been given statements that its driver has yet to look at. Clones are of
/// the same connection.
#[derive(Clone, Default)]
pub(super) struct Outgoing(Arc<AtomicBool>);

impl Outgoing {
    /// Called before a statement is given to the connection.
    pub(super) fn announce(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_some(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs the driver of a connection that many share: what it is to send waits until everything that
/// is ready to run has run, so that the statements of all of them go out in one write. By itself
/// the runtime runs next what was woken last: each statement would be a write of its own, and a
/// segment. What comes in waits for nobody.
///
/// It is late by what is ready, at most some sixty turns of tasks, after which the runtime looks
/// for events in any case.
pub(super) async fn drive<F: Future + Send>(driver: F, outgoing: Outgoing) -> F::Output {
    let mut driver = pin!(driver);
    let mut has_waited = false;
    poll_fn(|context| {
        if outgoing.is_some() && !has_waited {
            has_waited = true;
            // Not by `yield_now`, behind which the runtime looks for events first: with 64 callers
            // a fifth more CPU for each statement.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        has_waited = false;
        // Before the driver looks: it may miss what is announced from here on.
        outgoing.0.store(false, Ordering::Relaxed);
        driver.as_mut().poll(context)
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::{runtime, sync::mpsc, task::yield_now};

    use super::*;

    const SENDERS: usize = 10;

    /// How much a future finds at each look when several tasks that are ready send to it: by
    /// itself, or driven, where they announce it or not.
    fn found(is_driven: bool, is_announced: bool) -> Vec<usize> {
        let (sender, mut receiver) = mpsc::unbounded_channel::<()>();
        let outgoing = Outgoing::default();
        let mut found = Vec::new();
        let look = async move {
            poll_fn(|context| {
                let mut count = 0;
                loop {
                    match receiver.poll_recv(context) {
                        Poll::Ready(Some(())) => count += 1,
                        Poll::Ready(None) => return Poll::Ready(()),
                        Poll::Pending => break,
                    }
                }
                found.extend((count > 0).then_some(count));
                Poll::Pending
            })
            .await;
            found
        };
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).build();
        runtime.expect("a runtime").block_on(async {
            // What wakes has to be a task itself.
            let all = tokio::spawn(async move {
                let of_driver = outgoing.clone();
                let looking = tokio::spawn(async move {
                    if is_driven { drive(look, of_driver).await } else { look.await }
                });
                // It waits from now on.
                for _ in 0..SENDERS {
                    yield_now().await;
                }
                for _ in 0..SENDERS {
                    let (sender, outgoing) = (sender.clone(), outgoing.clone());
                    tokio::spawn(async move {
                        if is_announced {
                            outgoing.announce();
                        }
                        sender.send(())
                    });
                }
                for _ in 0..SENDERS {
                    yield_now().await;
                }
                drop(sender);
                looking.await.expect("no panic")
            });
            all.await.expect("no panic")
        })
    }

    #[test]
    fn what_several_send_is_found_at_one_look() {
        assert_eq!(found(true, true), [SENDERS]);
    }

    #[test]
    fn what_nobody_announces_waits_for_nobody() {
        assert_eq!(found(true, false), found(false, false));
    }

    #[test]
    fn by_itself_the_runtime_has_it_look_after_each() {
        assert!(found(false, true).len() > 1);
    }
}
