// Caches, limits and connections: what requests share.
"use strict";

import { TimeChart, bars } from "./charts.js";
import { card, empty, h, replace, table } from "./dom.js";
import * as format from "./format.js";
import { getJson } from "./link.js";
import { saturation } from "./saturation.js";

const number = (text) => ({ text, number: true });
const LOOKUPS = "mainstay_cache_lookups_total";
const LOADS = "mainstay_cache_loads_total";
const REQUESTS = "mainstay_requests_total";

/** What is asked for anew each so many seconds. */
const EVERY = 5;

function polled(host, path, show) {
  let beats = 0;
  return () => {
    if (beats++ % EVERY) return;
    getJson(path).then(
      (told) => replace(host, show(told)),
      (error) => replace(host, h("p.notice.bad", {}, error.message)),
    );
  };
}

/** Caches. */
export function caches({ store }) {
  const trusted = h("div");
  const chart = new TimeChart({
    label: "Reads through caches",
    unit: format.count,
    stacked: true,
    least: 5,
  });
  const list = h("div");
  const element = h(
    "div.grid",
    {},
    card("Reads", "a second, by what answered them", chart.element),
    card("Each cache", "in five minutes", list),
    card("Staleness", "how late a write of another process may be seen", trusted),
  );
  const update = () => {
    const by = (result) => store.sums(LOOKUPS, { result });
    chart.draw([
      { name: "memory", tone: "a", values: by("memory") },
      { name: "stale", tone: "quiet", values: by("stale") },
      { name: "Redis", tone: "b", values: by("shared") },
      { name: "waited", tone: "c", values: by("waited") },
      { name: "loaded", tone: "warn", values: store.sums(LOADS) },
    ]);
    replace(list, eachCache(store));
    const isTrusted = store.now("mainstay_caches_trusted");
    if (!store.knows("mainstay_limiter_decisions_total")) {
      return replace(
        trusted,
        empty("Without Redis this process is alone:", "what it writes it sees at once."),
      );
    }
    return replace(
      trusted,
      h(
        "dl.facts",
        {},
        fact(
          "Invalidations",
          isTrusted
            ? "certain to arrive"
            : h("strong.bad-text", {}, "not certain: every read goes to the database"),
        ),
        fact(
          "Last heard of Redis",
          `${format.seconds(store.now("mainstay_caches_silence_seconds"))} ago`,
        ),
        fact("Writes not yet told", format.count(store.now("mainstay_caches_debts"))),
        fact("Lapses in five minutes", format.count(store.total("mainstay_caches_lapses_total"))),
      ),
    );
  };
  return { element, update };
}

const fact = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

function eachCache(store) {
  const names = [
    ...new Set(
      store.series
        .filter((series) => series?.name === LOOKUPS)
        .map((series) => series.labels.cache),
    ),
  ].sort();
  if (!names.length) return empty("This service has no caches.");
  const rows = names.map((cache) => {
    const of = (result) => store.total(LOOKUPS, { cache, result });
    const [memory, shared, stale] = [of("memory"), of("shared"), of("stale")];
    const loads = store.total(LOADS, { cache });
    const all = memory + shared + stale + of("waited") + of("bypassed") + loads;
    const part = (value) => (all ? format.percent(value / all) : "–");
    return [
      cache,
      format.count(all),
      part(memory),
      part(shared),
      part(loads),
      format.count(stale),
      format.count(store.total(LOADS, { cache, result: "failed" })),
    ];
  });
  return table(
    "Caches",
    [
      "Cache",
      number("Reads"),
      number("Memory"),
      number("Redis"),
      number("Loaded"),
      number("Stale"),
      number("Failed loads"),
    ],
    rows,
  );
}

/** Limits. */
export function limits({ store }) {
  const chart = new TimeChart({ label: "Refusals", unit: format.count, stacked: true, least: 1 });
  const routes = h("div");
  const decisions = h("div");
  const hot = h("div", {}, empty("Asking …"));
  const element = h(
    "div.grid",
    {},
    card("Refused", "a second: 429, and 503 by the outage mode", chart.element),
    half(card("Who is refused most", "fingerprints of clients; five to ten minutes", hot)),
    half(card("Refusals by route", "in five minutes", routes)),
    card("Decisions", "what the limiter that processes share went by", decisions),
  );
  const ask = polled(hot, "/console/limits", ({ refused }) =>
    refused.length
      ? table(
          "Who is refused most",
          ["Limit", "Client", number("Refused"), number("At least")],
          refused.map(({ policy, key, count, excess }) => [
            policy,
            h("code", {}, key),
            format.count(count),
            format.count(count - excess),
          ]),
        )
      : empty("Nobody is."),
  );
  const update = () => {
    const code = (name) => store.sums(REQUESTS, { code: name });
    chart.draw([
      { name: "RATE_LIMITED", tone: "warn", values: code("RATE_LIMITED") },
      { name: "OVERLOADED", tone: "bad", values: code("OVERLOADED") },
    ]);
    const refused = [...store.totals(REQUESTS, "route", { code: "RATE_LIMITED" })].sort(
      ([, a], [, b]) => b - a,
    );
    replace(
      routes,
      refused.length ? bars("Refusals by route", refused, () => "warn") : empty("None."),
    );
    const by = [...store.totals("mainstay_limiter_decisions_total", "by")];
    replace(
      decisions,
      h("dl.facts", {}, fact("Keys remembered", format.count(store.now("mainstay_limiter_keys")))),
      by.length ? bars("Decisions", by) : h("p.dim", {}, "Counted in this process alone, exactly."),
    );
    ask();
  };
  return { element, update };
}

const half = (element) => (element.classList.add("half"), element);

/** Connections and queues. */
export function pools({ store }) {
  const used = h("div");
  const holders = h("div", {}, empty("Asking …"));
  const waits = new TimeChart({ label: "Waits", unit: format.seconds, least: 0.001 });
  const waiting = new TimeChart({ label: "Waiting", unit: format.count, least: 4 });
  const element = h(
    "div.grid",
    {},
    half(card("Saturation", "what is in use of what there is", used)),
    half(card("Who holds connections", "longest first", holders)),
    half(card("Time at the database", "p99 over the last 10 s", waits.element)),
    half(card("Waiting", "callers in queues", waiting.element)),
  );
  const ask = polled(holders, "/connections", showHolders);
  const update = () => {
    replace(used, saturation(store));
    const isServer = store.now("mainstay_pool_connections_max") > 0;
    const p99 = (name) => store.quantiles(name, [0.99]).map((all) => all?.[0] ?? null);
    waits.draw(
      isServer
        ? [
            {
              name: "wait for a connection",
              tone: "warn",
              values: p99("mainstay_pool_wait_seconds"),
            },
            { name: "connection held", tone: "a", values: p99("mainstay_pool_hold_seconds") },
          ]
        : [{ name: "commit", tone: "a", values: p99("mainstay_sqlite_commit_seconds") }],
    );
    waiting.draw([
      {
        name: "database",
        tone: "a",
        values: isServer
          ? store.sums("mainstay_pool_waiters")
          : store.sums("mainstay_sqlite_waiting"),
      },
      {
        name: "passwords",
        tone: "c",
        values: store.sums("mainstay_password_hashes", { state: "waiting" }),
      },
    ]);
    ask();
  };
  return { element, update };
}

function showHolders({ engine, connections }) {
  if (!connections) return empty(`${engine} is embedded:`, "it has no connections to hold.");
  if (!connections.holders.length) return empty("Nobody holds one.");
  return table(
    "Who holds connections",
    ["Route", number("Connections"), number("Longest")],
    connections.holders.map((holder) => [
      h("span.mono", {}, holder.name),
      holder.connections,
      format.millis(holder.longest_ms),
    ]),
  );
}
