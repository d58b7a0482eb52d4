//! A database that fails in every way while clients read and write: each answer is in time and
//! honest, and what was acknowledged is there afterwards.

use std::time::{Duration, Instant};

use accounts::Accounts;
use mainstay_testing::{Call, Durability, Engine, FaultProxy, PrivatePostgres, TestApp};
use tokio::{
    task::{JoinHandle, block_in_place},
    time::sleep,
};

use crate::{
    load::{Answer, Clients, Promise},
    support::options,
};

/// Of a request. Long enough for a restart of the server, short enough to wait for in a test.
const DEADLINE: Duration = Duration::from_millis(2500);

/// By how much an answer may be late: connecting and being read on two cores that twenty-four
/// clients, a server and other tests share. The service's own clock runs later than the client's.
const SLACK: Duration = Duration::from_secs(1);

/// How long after the end of a fault everybody is served again.
const RECOVERY_MAX: Duration = Duration::from_secs(5);

/// An orchestrator's usual limit for a probe.
const PROBE_MAX: Duration = Duration::from_secs(1);

/// Between two probes: often enough to meet every phase of a fault.
const PROBE_INTERVAL: Duration = Duration::from_millis(25);

/// How long a fault lasts that could end at once: the clients have forty turns.
const A_WHILE: Duration = Duration::from_secs(1);

/// The service, what is between it and the server, and the server.
struct Stage {
    app: TestApp,
    proxy: FaultProxy,
    server: PrivatePostgres,
}

impl Stage {
    async fn set() -> Self {
        let server = block_in_place(|| PrivatePostgres::start(Durability::Kept));
        let server = server.expect("a server");
        let proxy = FaultProxy::in_front_of(&server.url());
        let options = options()
            .on(Engine::Postgres)
            .with("DATABASE_URL", &proxy.url())
            .with("MAINSTAY_HTTP__DEADLINE_MS", &DEADLINE.as_millis().to_string())
            .with("MAINSTAY_HTTP__BODY_TIMEOUT_MS", "1000")
            .with("MAINSTAY_DATABASE__STATEMENT_TIMEOUT_MS", "2000");
        let app = TestApp::start_with::<Accounts>(options).await;
        Self { app, proxy, server }
    }

    /// Asks all the time whether the process runs, and gives the longest that an answer took.
    fn probe(&self) -> JoinHandle<()> {
        let probe = self.app.ops("/livez");
        tokio::spawn(async move {
            loop {
                check_alive(probe.clone()).await;
                sleep(PROBE_INTERVAL).await;
            }
        })
    }

    /// How many of these registrations are in the database.
    fn kept(&self, answers: &[Answer]) -> usize {
        let acknowledged = answers.iter().filter_map(Answer::acknowledged);
        let addresses: Vec<_> = acknowledged.map(|address| format!("'{address}'")).collect();
        let count = format!("SELECT count(*) FROM users WHERE email IN ({})", addresses.join(", "));
        block_in_place(|| self.server.neighbour().number(&count)) as usize
    }
}

async fn check_alive(probe: Call) {
    let begun = Instant::now();
    let status = probe.send().await.status;
    assert_eq!(status, 200, "a restart would not help");
    assert!(begun.elapsed() < PROBE_MAX, "{:?}", begun.elapsed());
}

/// Holds the service to its promise while `fault` happens and is over.
async fn check(fault: impl AsyncFnOnce(&Stage, &Clients)) {
    let stage = Stage::set().await;
    let clients = Clients::start(&stage.app).await;
    let probing = stage.probe();
    clients.are_served().await;

    fault(&stage, &clients).await;
    let over = Instant::now();
    clients.are_served().await;
    let recovery = over.elapsed();
    let calm_from = Instant::now();
    clients.are_served().await;
    let answers = clients.stop().await;

    assert!(!probing.is_finished(), "{:?}", probing.await);
    probing.abort();
    assert!(recovery < RECOVERY_MAX, "{recovery:?}");
    let refused = answers.iter().filter(|answer| !answer.is_normal()).count();
    assert!(refused > 0, "nobody has noticed anything");
    let promise = Promise { wait_max: DEADLINE + SLACK, calm_from };
    let broken = promise.broken_by(&answers, stage.kept(&answers));
    let (all, count) = (answers.len(), broken.len());
    assert!(broken.is_empty(), "{count} of {all} answers: {:#?}", &broken[..count.min(5)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_connections_costs_refusals_and_nothing_else() {
    check(async |stage, _| {
        stage.proxy.refuse();
        sleep(A_WHILE).await;
        stage.proxy.pass();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_swallows_everything_costs_refusals_and_nothing_else() {
    check(async |stage, _| {
        stage.proxy.black_hole();
        // Beyond the deadline of whoever was caught in it.
        sleep(DEADLINE + A_WHILE).await;
        stage.proxy.pass();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopped_in_its_tracks_costs_refusals_and_nothing_else() {
    check(async |stage, _| {
        stage.server.pause().expect("is stopped");
        // Longer than any limit of the service.
        sleep(Duration::from_secs(5)).await;
        stage.server.resume().expect("goes on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_ten_times_costs_refusals_and_nothing_else() {
    check(async |stage, clients| {
        for _ in 0..10 {
            block_in_place(|| stage.server.restart()).expect("is restarted");
            let before = clients.acknowledged();
            // So that there is something to lose the next time.
            while clients.acknowledged() == before {
                sleep(PROBE_INTERVAL).await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_demoted_costs_refusals_and_nothing_else() {
    check(async |stage, _| {
        block_in_place(|| stage.server.make_read_only()).expect("is demoted");
        sleep(A_WHILE).await;
        block_in_place(|| stage.server.make_writable()).expect("is promoted");
    })
    .await;
}
