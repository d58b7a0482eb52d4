//! When a connection that many share is driven.

use std::{future::poll_fn, pin::pin, task::ready};

use tokio::task::yield_now;

/// Runs a future behind everything that is ready to run when it is woken, so that what all of them
/// send goes out in one write. By itself the runtime runs next what was woken last: each statement
/// would be a write of its own, and a segment.
///
/// It is late by what is ready, at most some sixty turns of tasks, after which the runtime looks
/// for events in any case.
pub(super) async fn behind_others<F: Future + Send>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut turn = Box::pin(yield_now());
    poll_fn(|context| {
        ready!(turn.as_mut().poll(context));
        turn.set(yield_now());
        future.as_mut().poll(context)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use tokio::{runtime, sync::mpsc};

    use super::*;

    const SENDERS: usize = 10;

    /// How much a future finds at each look when several tasks that are ready send to it.
    fn found(is_behind: bool) -> Vec<usize> {
        let (sender, mut receiver) = mpsc::unbounded_channel::<()>();
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
                let looking = tokio::spawn(async move {
                    if is_behind { behind_others(look).await } else { look.await }
                });
                // It waits from now on.
                for _ in 0..SENDERS {
                    yield_now().await;
                }
                for _ in 0..SENDERS {
                    let sender = sender.clone();
                    tokio::spawn(async move { sender.send(()) });
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
        assert_eq!(found(true), [SENDERS]);
    }

    #[test]
    fn by_itself_the_runtime_has_it_look_after_each() {
        assert!(found(false).len() > 1);
    }
}
