//! Requests that are done once: where web and store meet, and whether the table is there.

use mainstay_store::{Idempotency, StoreError};

use super::{Failure, Resources};

/// Keeps requests beside what they write.
pub(super) fn store(resources: &Resources) -> Idempotency {
    Idempotency::new(resources.database.clone(), resources.clock.clone())
}

/// Refuses to start without the table: the first request with a key would find out otherwise.
pub(super) async fn check(resources: &Resources) -> Result<(), Failure> {
    const WHAT: &str = "requests with an Idempotency-Key cannot be kept";
    match store(resources).check().await {
        Ok(()) => Ok(()),
        Err(StoreError::Internal(_)) => Err(Failure::new(
            WHAT,
            "an endpoint says `Repeat::ByKey`, and the database has no table \
             `mainstay_idempotency`, or another one of this name",
            "add `mainstay::store::Idempotency::TABLE` to the migrations of the service, as a file \
             of its own",
        )),
        Err(error) => Err(Failure::unexpected(WHAT, &error)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mainstay_core::SystemClock;
    use mainstay_store::{Idempotency, Migration, Migrations};
    use mainstay_web::{NoContent, Repeat, Routes, post};

    use crate::{
        Application, Assembly, Instance, Overrides, Resources,
        config::{ConfigFile, Framework, Loader, Sources},
        telemetry::Telemetry,
    };

    /// A service with an endpoint by key, and the table for it or none.
    struct Service<const HAS_TABLE: bool>;

    impl<const HAS_TABLE: bool> Application for Service<HAS_TABLE> {
        const NAME: &'static str = "service";
        const VERSION: &'static str = "0.0.0";

        type Settings = ();

        fn settings(_: &mut Loader) {}

        fn migrations() -> Migrations {
            const TABLE: &[Migration] =
                &[Migration::new("0001_idempotency.sql", Idempotency::TABLE)];
            Migrations::new(if HAS_TABLE { TABLE } else { &[] })
        }

        fn assemble(_: &Resources, (): &()) -> Assembly {
            async fn create() -> NoContent {
                NoContent
            }
            let create = post("/things", create).public().on_repeat(Repeat::ByKey);
            Assembly::new().mount(Routes::new("things", ()).add(create))
        }
    }

    async fn start<const HAS_TABLE: bool>() -> Result<(), String> {
        let environment = [("DATABASE_URL", "sqlite::memory:"), ("PORT", "0"), ("OPS_PORT", "0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sources = Sources { file: ConfigFile::None, environment: environment.to_vec() };
        let mut loader = Loader::new(sources);
        let framework = Framework::load(&mut loader);
        let effective = loader.finish().expect("a configuration");
        let clock = Arc::new(SystemClock::new());
        let log = Telemetry::with_output(Box::new(std::io::sink()), &framework.log, |_| {}, clock)
            .expect("threads are to be had");
        let overrides = Overrides::default();
        let started =
            Instance::start::<Service<HAS_TABLE>>(&framework, &(), effective, &log, overrides);
        match started.await {
            Ok(instance) => {
                instance.stop().await;
                Ok(())
            }
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[tokio::test]
    async fn a_service_whose_table_is_missing_does_not_start_and_says_why() {
        assert_eq!(start::<true>().await, Ok(()));
        let failure = start::<false>().await.expect_err("the table is missing");
        for part in ["an Idempotency-Key", "no table `mainstay_idempotency`", "Idempotency::TABLE"]
        {
            assert!(failure.contains(part), "{part:?} is not in {failure}");
        }
    }
}
