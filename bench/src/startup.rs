//! From spawn to the first 200, and resident memory when idle.

use std::{path::Path, time::Instant};

use anyhow::Result;

use crate::{
    process::{Place, Server},
    usage::rss_mb,
};

/// Starts of each kind; the median is reported.
const STARTS: usize = 9;

pub(crate) fn measure(folder: &Path) -> Result<String> {
    let mut cold = Vec::new();
    let mut rss = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        let server = Server::start("accounts", Place::embedded(folder))?;
        server.request("GET", "/openapi.json", None, None)?;
        cold.push(start.elapsed().as_secs_f64() * 1e3);
        rss.push(rss_mb(server.pid())?);
    }
    cold.sort_by(f64::total_cmp);
    rss.sort_by(f64::total_cmp);
    Ok(format!(
        "start to first 200, new database, migrations included: median {:.1} ms, worst {:.1} ms\n\
         idle RSS: median {:.1} MB, worst {:.1} MB",
        cold[STARTS / 2],
        cold[STARTS - 1],
        rss[STARTS / 2],
        rss[STARTS - 1],
    ))
}
