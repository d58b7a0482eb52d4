//! A cache as it is often made: values in the process and in Redis, deleted after the commit, and a
//! notice to the other processes. The checker has to catch it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use mainstay_store::StoreError;
use redis::{AsyncCommands, Client, PushInfo, PushKind, Value, aio::MultiplexedConnection};

const CHANNEL: &str = "changed";

type Map = Arc<Mutex<HashMap<u64, u64>>>;

pub(super) struct Control {
    map: Map,
    redis: MultiplexedConnection,
    _subscription: MultiplexedConnection,
}

impl Control {
    pub(super) async fn start(url: &str) -> Self {
        let client = Client::open(format!("{url}/?protocol=resp3")).expect("an address");
        let map = Map::default();
        let heard = map.clone();
        let config = redis::AsyncConnectionConfig::new().set_push_sender(move |push| {
            if let Some(key) = changed(&push) {
                heard.lock().expect("no panic").remove(&key);
            }
            Ok::<(), redis::aio::SendError>(())
        });
        let mut subscription = client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .expect("redis answers");
        subscription.subscribe(CHANNEL).await.expect("redis answers");
        let redis = client.get_multiplexed_async_connection().await.expect("redis answers");
        Self { map, redis, _subscription: subscription }
    }

    pub(super) async fn read(
        &self,
        key: u64,
        load: impl Future<Output = Result<Option<u64>, StoreError>>,
    ) -> Result<u64, StoreError> {
        let known = self.map.lock().expect("no panic").get(&key).copied();
        if let Some(version) = known {
            return Ok(version);
        }
        let mut redis = self.redis.clone();
        let asked = soon(redis.get::<_, Option<u64>>(key)).await.flatten();
        let version = if let Some(version) = asked {
            version
        } else {
            let version = load.await?.expect("every key is there");
            soon(redis.set::<_, _, ()>(key, version)).await;
            version
        };
        self.map.lock().expect("no panic").insert(key, version);
        Ok(version)
    }

    pub(super) async fn write<T>(
        &self,
        key: u64,
        commit: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let written = commit.await?;
        let mut redis = self.redis.clone();
        soon(redis.del::<_, ()>(key)).await;
        self.map.lock().expect("no panic").remove(&key);
        soon(redis.publish::<_, _, ()>(CHANNEL, key)).await;
        Ok(written)
    }
}

/// Does without an answer that takes long.
async fn soon<T>(question: impl Future<Output = redis::RedisResult<T>>) -> Option<T> {
    tokio::time::timeout(Duration::from_millis(50), question).await.ok()?.ok()
}

fn changed(push: &PushInfo) -> Option<u64> {
    let PushInfo { kind: PushKind::Message, data } = push else { return None };
    let Some(Value::BulkString(key)) = data.get(1) else { return None };
    String::from_utf8_lossy(key).parse().ok()
}
