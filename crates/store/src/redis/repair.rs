//! The one task of a link that asks a Redis that is away.

use std::{sync::Arc, time::Duration};

use super::{RedisFailure, connection::Connection, link::Shared};

/// The pause after the first failure; each next one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// The longest pause: with an attempt of a second, Redis is found again well within three.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Connects, and connects again whenever the connection is lost; for as long as it is polled.
pub(super) async fn keep_up(shared: Arc<Shared>) {
    let purpose = shared.purpose.as_str();
    loop {
        let mut failures: u32 = 0;
        let connection = loop {
            match attempt(&shared).await {
                Ok(connection) => break connection,
                Err(failure) => {
                    failures += 1;
                    // The first is the news; who looks later needs to see that it is still so.
                    if failures.is_power_of_two() {
                        let error = &failure as &dyn std::error::Error;
                        tracing::warn!(error, purpose, failures, "cannot connect to redis");
                    }
                    tokio::time::sleep(pause(failures)).await;
                }
            }
        };
        shared.restore(connection);
        tracing::info!(purpose, failures, "redis answers");
        shared.lost().await;
    }
}

/// Asks the connection that was late, and makes another one where it stays silent.
async fn attempt(shared: &Shared) -> Result<Connection, RedisFailure> {
    if let Some(mut suspect) = shared.suspect() {
        let limit = shared.redis.options().command_timeout;
        if let Ok(Ok(())) = tokio::time::timeout(limit, suspect.ping()).await {
            return Ok(suspect);
        }
    }
    shared.redis.connect().await
}

/// Less up to half at random: processes that lost it together do not come back together.
fn pause(failures: u32) -> Duration {
    let longest = PAUSE_MIN.saturating_mul(1 << (failures - 1).min(10)).min(PAUSE_MAX);
    longest.mul_f64(1.0 - fastrand::f64() / 2.0)
}
