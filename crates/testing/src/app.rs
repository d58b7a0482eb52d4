//! `TestApp`: a service of a test's own, started by the production builder.

use std::time::Duration;

use http::Method;
use mainstay::{
    Application, Instance, Overrides,
    config::{ConfigFile, Framework, Loader, Sources},
    passwords::PasswordOptions,
    telemetry::Telemetry,
};
use mainstay_test_databases::{Engine, Neighbour, TestDatabase};
use mainstay_web::edge::Breach;

use crate::{client::Call, clock::ManualClock, coverage, log::CapturedLog, wire::Wire};

/// What a test changes about its service.
#[derive(Debug, Default)]
pub struct TestOptions {
    environment: Vec<(String, String)>,
    passwords: Option<PasswordOptions>,
    database: Option<TestDatabase>,
}

impl TestOptions {
    /// As in production, but for what every test changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variable of the service's environment: `("MAINSTAY_HTTP__DEADLINE_MS", "200")`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it on an engine, whichever this run is about.
    #[must_use]
    pub fn on(self, engine: Engine) -> Self {
        self.at(TestDatabase::on(engine))
    }

    /// Starts it on what another one has left: see [`TestApp::stop`].
    #[must_use]
    pub fn at(mut self, database: TestDatabase) -> Self {
        self.database = Some(database);
        self
    }

    /// Sets the pool that hashes passwords.
    #[must_use]
    pub fn with_passwords(mut self, options: PasswordOptions) -> Self {
        self.passwords = Some(options);
        self
    }
}

/// A running service with a database, a clock and a log of its own.
#[derive(Debug)]
pub struct TestApp {
    instance: Instance,
    clock: ManualClock,
    log: CapturedLog,
    telemetry: Telemetry,
    database: TestDatabase,
}

impl TestApp {
    /// Starts the service as it is configured by default.
    pub async fn start<A: Application>() -> Self {
        Self::start_with::<A>(TestOptions::new()).await
    }

    /// Starts the service with changes.
    pub async fn start_with<A: Application>(options: TestOptions) -> Self {
        let database = options.database.unwrap_or_else(TestDatabase::create);
        let mut environment: Vec<(String, String)> = [
            ("DATABASE_URL", database.url()),
            ("PORT", "0"),
            ("OPS_PORT", "0"),
            ("LOG_FORMAT", "json"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        environment.extend(database.redis().map(|redis| ("REDIS_URL".to_owned(), redis.url())));
        environment.extend(options.environment);
        let mut loader = Loader::new(Sources { file: ConfigFile::None, environment });
        let framework = Framework::load(&mut loader);
        let settings = A::settings(&mut loader);
        let effective = loader.finish().unwrap_or_else(|errors| panic!("{errors}"));

        let clock = ManualClock::new();
        let log = CapturedLog::default();
        let telemetry = Telemetry::with_output(
            Box::new(log.clone()),
            &framework.log,
            |tell| {
                mainstay_web::current(|request| tell(request.id(), request.trace()));
            },
            std::sync::Arc::new(clock.clone()),
        )
        .expect("a log in memory");
        let overrides = Overrides {
            clock: Some(std::sync::Arc::new(clock.clone())),
            strict: Some(Breach::Panic),
            observer: coverage::observer(),
            passwords: options.passwords,
            ..Overrides::default()
        };
        let instance =
            Instance::start::<A>(&framework, &settings, effective, &telemetry, overrides)
                .await
                .unwrap_or_else(|failure| panic!("{failure}"));
        Self { instance, clock, log, telemetry, database }
    }

    /// The running service itself.
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Its database.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// Moves its clock.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> &CapturedLog {
        // Lines are written by a thread of their own.
        assert!(self.telemetry.flush(Duration::from_secs(10)), "the log is written");
        &self.log
    }

    /// A call of any method to the API.
    pub fn call(&self, method: Method, target: &str) -> Call {
        Call::new(self.instance.api_address(), method, target)
    }

    /// A `GET` to the API.
    pub fn get(&self, target: &str) -> Call {
        self.call(Method::GET, target)
    }

    /// A `POST` to the API.
    pub fn post(&self, target: &str) -> Call {
        self.call(Method::POST, target)
    }

    /// A `PATCH` to the API.
    pub fn patch(&self, target: &str) -> Call {
        self.call(Method::PATCH, target)
    }

    /// A `DELETE` to the API.
    pub fn delete(&self, target: &str) -> Call {
        self.call(Method::DELETE, target)
    }

    /// A `GET` to the operators' listener.
    pub fn ops(&self, target: &str) -> Call {
        Call::new(self.instance.ops_address(), Method::GET, target)
    }

    /// A connection to the API to write bytes on.
    pub async fn wire(&self) -> Wire {
        Wire::connect(self.instance.api_address()).await
    }

    /// Another process at its database.
    pub fn neighbour(&self) -> Neighbour {
        self.database.neighbour()
    }

    /// Stops it as a signal would, and gives what has to outlive it.
    pub async fn stop(self) -> (mainstay_web::server::Drained, TestDatabase) {
        (self.instance.stop().await, self.database)
    }
}
