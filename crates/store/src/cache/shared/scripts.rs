//! What is asked of Redis. What each script does is said above ([`super`]).

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use futures_util::future::{join_all, try_join_all};
use redis::{Script, Value, from_redis_value_ref};

use super::{Shared, unique};
use crate::redis::{Link, RedisFailure};

/// The name of the notice of the epoch.
pub(super) const EPOCH: &str = "epoch";

/// How long a notice says when its name was written last: longer than any load takes, so that none
/// is kept which began before.
const REMEMBERED: Duration = Duration::from_mins(1);

/// How long somebody has the right to load a value for all, at least: longer than most loads take.
/// A process that dies holds the others up so long, or for as long as they wait.
const RIGHT_MIN: Duration = Duration::from_secs(2);

/// Names that are told of at once: what Redis does in a millisecond, so that none waits for its
/// answer longer than a caller does.
const AT_ONCE: usize = 64;

macro_rules! scripts {
    ($($name:ident = $file:literal;)*) => {
        $(static $name: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!($file)));)*
    };
}

scripts! {
    INTENT = "intent.lua";
    PUBLISH = "publish.lua";
    LOOK = "look.lua";
    FILL = "fill.lua";
    TAG = "tag.lua";
    KNOW_EPOCH = "epoch.lua";
}

/// What Redis knows of an entry.
pub(in crate::cache) enum Look {
    /// A value that may be used so long, and the tags it was filled with.
    Value { bytes: Vec<u8>, left: Duration, tags: Vec<(String, String)> },
    /// Nothing, and this caller is to load it.
    Load(Right),
    /// Somebody loads it.
    Busy,
    /// It is being written, or Redis does not answer: what is loaded must not be kept.
    Closed,
}

/// The right to fill a name, for all processes or for this one alone.
pub(in crate::cache) struct Right {
    name: String,
    shared: Option<Token>,
}

impl Right {
    /// Whether other processes wait for what it is used for.
    pub(in crate::cache) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }
}

struct Token {
    epoch: String,
    token: String,
}

impl Shared {
    /// Asks for a value that was filled by `version` of its form, and for the right to load it.
    /// Others may wait for that so long.
    pub(in crate::cache) async fn look(
        &self,
        name: &str,
        version: Option<u32>,
        wait_max: Duration,
    ) -> Look {
        let token = match (version, self.epoch()) {
            (None, _) => None,
            (Some(_), None) => return Look::Closed,
            (Some(version), Some(epoch)) => {
                Some(Token { epoch: format!("{epoch}.{version}"), token: unique() })
            }
        };
        let mut call = LOOK.key(self.notice(name));
        call.key(self.state(name));
        match &token {
            Some(shared) => {
                call.arg(&shared.epoch).arg(&shared.token).arg(millis(RIGHT_MIN.max(wait_max)))
            }
            None => call.arg("").arg("").arg(0),
        };
        let Ok(answer) = self.link.script::<Vec<Value>>(&call).await else { return Look::Closed };
        let word = answer.first().and_then(|word| from_redis_value_ref::<String>(word).ok());
        match word.as_deref() {
            Some("load") => Look::Load(Right { name: name.to_owned(), shared: token }),
            Some("busy") => Look::Busy,
            Some("value") => value(&answer).unwrap_or(Look::Closed),
            _ => Look::Closed,
        }
    }

    /// Whether each tag is still in the life that a value was filled in.
    pub(in crate::cache) async fn are_alive(&self, tags: &[(String, String)]) -> bool {
        let ask = |(name, _): &(String, String)| {
            let mut cmd = redis::cmd("GET");
            cmd.arg(self.state(name));
            async move { self.link.query::<Option<String>>(&cmd).await.ok().flatten() }
        };
        let found = join_all(tags.iter().map(ask)).await;
        tags.iter().zip(found).all(|((_, id), found)| found.as_ref() == Some(id))
    }

    /// The lives that tags are in, if none was written since a load began. Kept for `ttl` at least.
    ///
    /// How long ago the load began is measured when the answer is there: until then a write may
    /// have come and gone.
    pub(in crate::cache) async fn lives(
        &self,
        names: &[String],
        load_began: Instant,
        ttl: Duration,
    ) -> Option<Vec<(String, String)>> {
        let ask = |name: &String| {
            let mut call = TAG.key(self.notice(name));
            call.key(self.state(name)).arg(unique()).arg(millis(ttl * 2));
            let name = name.clone();
            async move {
                let (id, age): (String, i64) = self.link.script(&call).await.ok()?;
                let load = load_began.elapsed();
                // Both are cut to milliseconds.
                let is_overtaken = u64::try_from(age).is_ok_and(|age| age <= millis(load) + 1);
                let is_known = !id.is_empty() && !is_overtaken && load < REMEMBERED;
                is_known.then_some((name, id))
            }
        };
        join_all(names.iter().map(ask)).await.into_iter().collect()
    }

    /// Shares a value, if the right to is still there. Nobody is told when it is not.
    pub(in crate::cache) async fn fill(
        &self,
        right: Right,
        bytes: &[u8],
        ttl: Duration,
        tags: &[(String, String)],
    ) {
        let Some(Token { epoch, token }) = right.shared else { return };
        let tags = serde_json::to_string(tags).unwrap_or_default();
        let mut call = FILL.key(self.state(&right.name));
        call.arg(epoch).arg(token).arg(bytes).arg(millis(ttl)).arg(tags);
        // Without it the others load for themselves.
        let _ = self.link.script::<i64>(&call).await;
    }

    /// Deletes a value that is of no use.
    pub(in crate::cache) async fn discard(&self, name: &str) {
        let mut cmd = redis::cmd("DEL");
        // Without it the caller waits, and loads for itself.
        let _ = self.link.query::<i64>(cmd.arg(self.state(name))).await;
    }

    /// Hands the right back, so that somebody else may load at once.
    pub(in crate::cache) async fn hand_back(&self, right: Right) {
        self.fill(right, &[], Duration::ZERO, &[]).await;
    }

    /// Says that names are being written. An error means that perhaps not everybody has heard.
    pub(in crate::cache) async fn announce(
        &self,
        names: &[String],
        token: &str,
    ) -> Result<(), RedisFailure> {
        for some in names.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|name| {
                let mut call = INTENT.key(self.notice(name));
                call.key(self.state(name)).arg(token);
                call.arg(millis(self.bounds.write_max)).arg(millis(REMEMBERED));
                async move { self.link.script::<()>(&call).await }
            }))
            .await?;
        }
        Ok(())
    }

    /// Says that names have been written.
    pub(in crate::cache) async fn publish(
        &self,
        names: &[String],
        token: &str,
    ) -> Result<(), RedisFailure> {
        publish(&self.link, &self.core.notices, &self.prefix, names, token).await
    }

    /// Waits a little for a Redis that has answered just now.
    pub(in crate::cache) async fn comes_back(&self) -> bool {
        self.is_trusted() && self.link.ready(self.bounds.staleness * 2).await
    }
}

/// As [`Shared::publish`], for who has only its parts.
pub(super) async fn publish(
    link: &Link,
    notices: &str,
    prefix: &str,
    names: &[impl AsRef<str>],
    token: &str,
) -> Result<(), RedisFailure> {
    for some in names.chunks(AT_ONCE) {
        try_join_all(some.iter().map(|name| {
            let name = name.as_ref();
            let mut call = PUBLISH.key(format!("{notices}{name}"));
            call.key(format!("{prefix}s:{name}")).arg(token).arg(millis(REMEMBERED));
            async move { link.script::<()>(&call).await }
        }))
        .await?;
    }
    Ok(())
}

/// The epoch, which begins if there is none.
pub(super) async fn know_epoch(link: &Link, notices: &str) -> Result<String, RedisFailure> {
    let mut call = KNOW_EPOCH.key(format!("{notices}{EPOCH}"));
    call.arg(unique());
    link.script(&call).await
}

/// Begins a new epoch: whatever was shared is of no use from now on.
pub(super) async fn begin_epoch(link: &Link, notices: &str) -> Result<(), RedisFailure> {
    let mut cmd = redis::cmd("SET");
    cmd.arg(format!("{notices}{EPOCH}")).arg(unique());
    link.query(&cmd).await
}

fn value(answer: &[Value]) -> Option<Look> {
    let bytes = from_redis_value_ref(answer.get(1)?).ok()?;
    let left: u64 = from_redis_value_ref(answer.get(2)?).ok()?;
    let tags: String = from_redis_value_ref(answer.get(3)?).ok()?;
    let tags = serde_json::from_str(&tags).ok()?;
    Some(Look::Value { bytes, left: Duration::from_millis(left), tags })
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
