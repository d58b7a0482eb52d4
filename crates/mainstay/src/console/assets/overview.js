// Overview: is it well, and if not, what is it short of?
"use strict";

import { TimeChart, bars, sparkline } from "./charts.js";
import { card, empty, h, replace } from "./dom.js";
import * as format from "./format.js";
import { isReady, known } from "./readiness.js";
import { saturation } from "./saturation.js";

const REQUESTS = "mainstay_requests_total";
const DURATION = "mainstay_request_duration_seconds";

const starts = (digit) => ({ status: (status) => status.startsWith(digit) });
const isError = (status) => status.startsWith("5") || status === "other";
const latest = (values) =>
  values.slice(-3).reduce((a, b) => a + b, 0) / Math.max(1, Math.min(3, values.length));

/** @param {import("./main.js").Context} context */
export function open({ store }) {
  const tiles = h("div.tiles");
  const rate = new TimeChart({
    label: "Requests a second",
    unit: format.count,
    stacked: true,
    least: 5,
  });
  const latency = new TimeChart({ label: "Time to answer", unit: format.seconds, least: 0.005 });
  const codes = h("div");
  const pools = h("div");
  const ready = h("div");
  const element = h(
    "div",
    {},
    tiles,
    h(
      "div.grid",
      {},
      half(card("Requests", "a second, by status", rate.element)),
      half(card("Time to answer", "over the last 10 s", latency.element)),
      third(card("Saturation", "what is in use of what there is", pools)),
      third(
        card(
          "Errors by code",
          "in five minutes",
          codes,
          h("p", {}, h("a", { href: "#requests" }, "Look at the requests")),
        ),
      ),
      third(card("Readiness", "what the service depends on", ready)),
    ),
  );

  const update = () => {
    const status = (digit) => store.sums(REQUESTS, starts(digit));
    const [good, moved, refused] = ["2", "3", "4"].map(status);
    const failed = store.sums(REQUESTS, { status: isError });
    const quantiles = store.quantiles(DURATION, [0.5, 0.95, 0.99]);
    const of = (at) => quantiles.map((all) => all?.[at] ?? null);
    rate.draw([
      { name: "2xx", tone: "a", values: good },
      { name: "3xx", tone: "quiet", values: moved },
      { name: "4xx", tone: "warn", values: refused },
      { name: "5xx", tone: "bad", values: failed },
    ]);
    latency.draw([
      { name: "p50", tone: "b", values: of(0) },
      { name: "p95", tone: "a", values: of(1) },
      { name: "p99", tone: "c", values: of(2) },
    ]);
    replace(tiles, figures(store, of(2), failed));
    replace(pools, saturation(store));
    replace(codes, errors(store));
    replace(ready, readiness());
  };
  return { element, update };
}

const half = (element) => (element.classList.add("half"), element);
const third = (element) => (element.classList.add("third"), element);

function figures(store, p99, failed) {
  const all = store.sums(REQUESTS);
  const inFlight = store.sums("mainstay_requests_in_flight");
  const [total, errors] = [all, failed].map((values) =>
    values.slice(-60).reduce((a, b) => a + b, 0),
  );
  const part = total ? errors / total : null;
  return [
    tile("Requests", `${format.count(latest(all))}/s`, all, "a"),
    tile(
      "Server errors",
      part === null ? "–" : format.percent(part),
      failed,
      "bad",
      "of the last minute",
      part > 0.001 ? ".bad-text" : "",
    ),
    tile("p99", format.seconds(p99.at(-1) ?? null), p99, "c", "of the last 10\u202fs"),
    tile("In flight", format.count(inFlight.at(-1) ?? 0), inFlight, "b", "requests being answered"),
  ];
}

function tile(name, value, values, tone, note = "over the last 3\u202fs", marked = "") {
  return h(
    "section.tile",
    { "aria-label": name },
    h("p", {}, name),
    h(`p.value${marked}`, {}, value),
    sparkline(values, tone),
    h("p.dim", {}, note),
  );
}

function errors(store) {
  const codes = [...store.totals(REQUESTS, "code")].sort(([, a], [, b]) => b - a).slice(0, 9);
  if (!codes.length) return empty("No request has failed.");
  const failing = store.totals(REQUESTS, "code", { status: isError });
  return bars("Errors by code", codes, (code) => (failing.has(code) ? "bad" : "warn"));
}

function readiness() {
  const told = known();
  if (!told) return empty("Not known yet.");
  return [
    isReady(told) ? null : h("p.notice.bad", {}, `Not ready: ${told.detail ?? ""}`),
    h("ul", {}, (told.checks ?? []).map(dependency)),
  ];
}

function dependency(check) {
  const { state, since, last_error: error } = check;
  return h(
    "li.gauge",
    {},
    h(
      "div.row",
      {},
      h("span", {}, check.name),
      h(`span.pill.${state === "ready" ? "good" : "bad"}`, {}, state.replace("_", " ")),
    ),
    h("p.dim", {}, `since ${format.moment(since)}`),
    error && h("p.dim.break", {}, `last error ${format.time(error.at)}: ${error.why}`),
  );
}
