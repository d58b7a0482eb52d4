//! The service as it would start, for whoever wants to know what it is and not to run it.

use std::{io, sync::Arc};

use mainstay_core::SystemClock;
use mainstay_web::discipline::Matrix;

use super::{
    Application, Failure, Overrides, offline,
    prepare::{Prepared, prepare},
};
use crate::{config::Framework, metrics::Registry, telemetry::Telemetry};

/// The discipline matrix of a service: every endpoint of both listeners against everything that has
/// to be decided. Opens and binds nothing.
pub async fn discipline<A: Application>(
    framework: &Framework,
    settings: &A::Settings,
) -> Result<Matrix, Failure> {
    Ok(prepare_offline::<A>(framework, settings).await?.matrix)
}

/// The edges around an empty database in memory.
pub(crate) async fn prepare_offline<A: Application>(
    framework: &Framework,
    settings: &A::Settings,
) -> Result<Prepared, Failure> {
    let resources = offline().await?;
    prepare::<A>(framework, settings, &resources, &nowhere(framework)?, Overrides::default())
}

/// The metrics of the service as it would start.
pub(crate) async fn metrics_offline<A: Application>(
    framework: &Framework,
    settings: &A::Settings,
) -> Result<Registry, Failure> {
    let resources = offline().await?;
    let nowhere = nowhere(framework)?;
    let prepared = prepare::<A>(framework, settings, &resources, &nowhere, Overrides::default())?;
    prepared.registry::<A>(framework, &resources)
}

/// Nothing is served, so nothing is logged.
fn nowhere(framework: &Framework) -> Result<Telemetry, Failure> {
    let clock = Arc::new(SystemClock::new());
    Telemetry::with_output(Box::new(io::sink()), &framework.log, |_| {}, clock)
        .map_err(|error| Failure::unexpected("there is no log", &error))
}
