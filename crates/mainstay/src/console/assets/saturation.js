// What is in use of what there is: every pool and queue that requests wait for.
"use strict";

import { gauge } from "./charts.js";
import * as format from "./format.js";

const second = (value) => (value === null ? "" : `p99 ${format.seconds(value)}`);

/** @param {import("./store.js").Store} store */
export function saturation(store) {
  const now = (name, labels) => store.now(name, labels);
  const recent = (name) => store.total(name, {}, 60);
  const refused = (name) =>
    recent(name) ? `${format.count(recent(name))} refused in the last minute` : "";
  const join = (...parts) => parts.filter(Boolean).join(" · ");
  return [
    ...(now("mainstay_pool_connections_max") ? postgres() : sqlite()),
    gauge(
      "Password hashing",
      now("mainstay_password_hashes", { state: "running" }),
      now("mainstay_password_hashes_max"),
      join(
        waiting(now("mainstay_password_hashes", { state: "waiting" })),
        refused("mainstay_password_refused_total"),
      ),
    ),
    gauge("Client connections", now("mainstay_connections_open"), now("mainstay_connections_max")),
    gauge(
      "Processor",
      rate("process_cpu_seconds_total"),
      now("mainstay_runtime_workers"),
      "cores busy, of those that run tasks",
    ),
    gauge("Open files", now("process_open_fds"), now("process_max_fds")),
    gauge("Tasks that wait for a thread", now("mainstay_runtime_queue_length"), null),
    gauge("Log lines lost", recent("mainstay_log_dropped_lines_total"), null, "in the last minute"),
  ];

  function rate(name) {
    return store.total(name, {}, 5) / 5;
  }

  function waiting(count) {
    return count ? `${format.count(count)} wait` : "";
  }

  function postgres() {
    return [
      gauge(
        "Database pool",
        now("mainstay_pool_connections", { state: "used" }),
        now("mainstay_pool_connections_max"),
        join(
          waiting(now("mainstay_pool_waiters")),
          second(store.quantile("mainstay_pool_wait_seconds", 0.99)),
          refused("mainstay_pool_refused_total"),
        ),
      ),
      gauge(
        "Statements on the lanes",
        now("mainstay_lane_statements", { state: "running" }),
        null,
        waiting(now("mainstay_lane_statements", { state: "waiting" })),
      ),
    ];
  }

  function sqlite() {
    const commits = store.quantile("mainstay_sqlite_commit_seconds", 0.99);
    return [
      gauge(
        "Writes that wait for SQLite",
        now("mainstay_sqlite_waiting", { queue: "writes" }),
        null,
        join(
          commits === null ? "" : `commit ${second(commits)}`,
          refused("mainstay_sqlite_refused_total"),
        ),
      ),
      gauge("Reads that wait for SQLite", now("mainstay_sqlite_waiting", { queue: "reads" }), null),
    ];
  }
}
