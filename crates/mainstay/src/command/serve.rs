//! `serve`: from the configuration to exit code 0.

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use mainstay_core::{SecurityEvent, SecurityRecord};
use mainstay_web::security;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    app::{Application, Failure, Instance, Overrides},
    config::{Effective, Framework},
    telemetry::Telemetry,
};

/// How long the last lines of the log may take to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn run<A: Application>(
    framework: &Framework,
    settings: &A::Settings,
    effective: Effective,
) -> Result<ExitCode, Failure> {
    let telemetry = Telemetry::init(&framework.log, |tell| {
        mainstay_web::current(|request| tell(request.id(), request.trace()));
    })
    .map_err(|error| Failure::unexpected("the log cannot be written", &error))?;
    // From here on the log tells of panics.
    mainstay_web::edge::install_panic_hook();
    let outcome = serve::<A>(framework, settings, effective, &telemetry).await;
    if !telemetry.flush(FLUSH_TIMEOUT) {
        super::complain(&"warning: the end of the log could not be written");
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn serve<A: Application>(
    framework: &Framework,
    settings: &A::Settings,
    effective: Effective,
    telemetry: &Telemetry,
) -> Result<(), Failure> {
    let mut signals = Signals::listen(framework.log.file.is_some())?;
    let instance =
        Instance::start::<A>(framework, settings, effective, telemetry, Overrides::default())
            .await?;
    announce::<A>(framework, &instance);
    security::record(SecurityRecord::new(SecurityEvent::Started));
    signals.asked_to_stop(|| telemetry.reopen()).await;
    tracing::info!("draining");
    let drained = instance.stop().await;
    security::record(SecurityRecord::new(SecurityEvent::Stopped));
    tracing::info!(
        completed = drained.completed,
        connections_aborted = drained.connections_aborted,
        "stopped"
    );
    Ok(())
}

/// The signals that ask something of the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// SIGHUP asks for the log file to be opened again. Without one it is left as it was found: a
    /// terminal that goes away ends the process, unless `nohup` has said otherwise.
    hang_up: Option<Signal>,
}

impl Signals {
    /// From here on the signals no longer kill.
    fn listen(has_log_file: bool) -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::unexpected("signals cannot be handled", &error))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: has_log_file.then(|| listen(SignalKind::hangup())).transpose()?,
        })
    }

    async fn asked_to_stop(&mut self, reopen: impl Fn()) {
        let Self { terminate, interrupt, hang_up } = self;
        loop {
            let hung_up = async {
                match hang_up {
                    Some(signal) => signal.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = terminate.recv() => return,
                _ = interrupt.recv() => return,
                _ = hung_up => reopen(),
            }
        }
    }
}

/// Says where to go: to the log as one event, and to a person at a terminal in full.
fn announce<A: Application>(framework: &Framework, instance: &Instance) {
    let api = format!("http://{}", instance.api_address());
    let docs = format!("{api}/docs");
    let ops = format!("http://{}/console", instance.ops_address());
    let database = framework.database.url.to_string();
    tracing::info!(service = A::NAME, version = A::VERSION, api, docs, ops, database, "serving");
    if std::io::stderr().is_terminal() {
        super::complain(&format_args!(
            "\n  {} {}\n\n  API   {api}\n  docs  {docs}\n  ops   {ops}\n  data  {database}\n\n  \
             Ctrl-C stops it.\n",
            A::NAME,
            A::VERSION,
        ));
    }
}
