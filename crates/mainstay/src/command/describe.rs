//! `routes`, `openapi`, `errors`, `config`, `metrics`: what the service is, without starting it.

use std::{fmt::Write, sync::Arc};

use clap::ArgMatches;
use mainstay_web::{Edge, openapi};

use crate::{
    app::{self, Application, Failure},
    config::{Effective, Framework},
};

pub(super) fn config(effective: &Effective, matches: &ArgMatches) -> String {
    if matches.get_flag("markdown") {
        return effective.markdown();
    }
    let settings = effective.settings();
    let key_width = settings.iter().map(|setting| setting.key.len()).max().unwrap_or(0);
    let value_width = settings.iter().map(|setting| setting.value.len()).max().unwrap_or(0);
    let mut text = String::new();
    for setting in settings {
        let (key, value, origin) = (&setting.key, &setting.value, &setting.origin);
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{key:key_width$}  {value:value_width$}  {origin}");
    }
    text
}

pub(super) async fn routes<A: Application>(
    framework: &Framework,
    settings: &A::Settings,
) -> Result<String, Failure> {
    Ok(openapi::route_table(&*edge::<A>(framework, settings).await?))
}

pub(super) async fn openapi<A: Application>(
    framework: &Framework,
    settings: &A::Settings,
) -> Result<String, Failure> {
    let edge = edge::<A>(framework, settings).await?;
    Ok(String::from_utf8_lossy(edge.document().json()).into_owned())
}

pub(super) async fn errors<A: Application>(
    framework: &Framework,
    settings: &A::Settings,
    matches: &ArgMatches,
) -> Result<String, Failure> {
    let edge = edge::<A>(framework, settings).await?;
    let codes = edge.document().codes();
    Ok(if matches.get_flag("markdown") {
        openapi::errors_markdown(codes)
    } else {
        openapi::errors_json(codes)
    })
}

pub(super) async fn metrics<A: Application>(
    framework: &Framework,
    settings: &A::Settings,
    matches: &ArgMatches,
) -> Result<String, Failure> {
    let registry = app::metrics_offline::<A>(framework, settings).await?;
    Ok(if matches.get_flag("markdown") { registry.markdown() } else { registry.table() })
}

async fn edge<A: Application>(
    framework: &Framework,
    settings: &A::Settings,
) -> Result<Arc<Edge>, Failure> {
    let prepared = app::prepare_offline::<A>(framework, settings).await?;
    Ok(prepared.edge)
}
