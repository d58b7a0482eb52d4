// Routes: each endpoint in one line, sorted by any column.
"use strict";

import { sparkline } from "./charts.js";
import { empty, h, isHeld, replace } from "./dom.js";
import * as format from "./format.js";

const REQUESTS = "mainstay_requests_total";
const BUCKETS = "mainstay_request_duration_seconds_bucket";
const DURATION = "mainstay_request_duration_seconds";

const COLUMNS = [
  { key: "route", text: "Route", of: (row) => row.route },
  { key: "rate", text: "Requests/s", number: true, of: (row) => row.rate },
  { key: "spark", text: "Five minutes", of: (row) => row.count },
  { key: "p50", text: "p50", number: true, of: (row) => row.p50 ?? -1 },
  { key: "p99", text: "p99", number: true, of: (row) => row.p99 ?? -1 },
  { key: "refused", text: "4xx", number: true, of: (row) => row.refused },
  { key: "failed", text: "5xx", number: true, of: (row) => row.failed },
  { key: "count", text: "Requests", number: true, of: (row) => row.count },
];

/** @param {import("./main.js").Context} context */
export function open({ store }) {
  let sorted = { key: "count", down: true };
  let wanted = "";
  const body = h("tbody");
  const heads = new Map(
    COLUMNS.map((column) => [
      column.key,
      h(
        column.number ? "th.number" : "th",
        { scope: "col" },
        h(
          "button",
          { type: "button", onclick: () => sort(column.key) },
          column.text,
          " ",
          h("span", { "aria-hidden": "true" }),
        ),
      ),
    ]),
  );
  const search = h("input", {
    type: "search",
    placeholder: "Filter routes",
    "aria-label": "Filter routes",
    oninput: () => {
      wanted = search.value.toLowerCase();
      update(true);
    },
  });
  const element = h(
    "div",
    {},
    h("div.controls", {}, search),
    h(
      "section.card",
      {},
      h(
        "div.scroll",
        { tabindex: 0, role: "region", "aria-label": "Routes" },
        h(
          "table",
          {},
          h("caption.hidden", {}, "Requests by route in the last five minutes"),
          h("thead", {}, h("tr", {}, [...heads.values()])),
          body,
        ),
      ),
    ),
  );

  function sort(key) {
    sorted = { key, down: sorted.key === key ? !sorted.down : key !== "route" };
    update(true);
  }

  /** A row that somebody points at stays, unless another order is asked for. */
  function update(isAsked = false) {
    for (const [key, head] of heads) {
      const is = key === sorted.key;
      if (is) head.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
      head.querySelector("span").textContent = is ? (sorted.down ? "↓" : "↑") : "";
    }
    const { of } = COLUMNS.find((column) => column.key === sorted.key);
    const sign = sorted.down ? -1 : 1;
    const rows = measure(store)
      .filter((row) => row.name.toLowerCase().includes(wanted))
      .sort(
        (a, b) =>
          sign * (of(a) > of(b) ? 1 : of(a) < of(b) ? -1 : 0) || a.name.localeCompare(b.name),
      );
    if (!isAsked && isHeld(body)) return;
    replace(
      body,
      rows.length
        ? rows.map(line)
        : h(
            "tr",
            {},
            h("td", { colspan: COLUMNS.length }, empty("No request in the last five minutes.")),
          ),
    );
  }
  return { element, update: () => update() };
}

function line(row) {
  return h(
    "tr",
    {},
    h(
      "td.nowrap",
      {},
      h("a.mono", { href: `#requests?route=${encodeURIComponent(row.route)}` }, row.name),
    ),
    h("td.number", {}, format.count(row.rate)),
    h("td", {}, sparkline(row.values)),
    h("td.number", {}, format.seconds(row.p50)),
    h("td.number", {}, format.seconds(row.p99)),
    h(row.refused ? "td.number.warn-text" : "td.number.dim", {}, format.count(row.refused)),
    h(row.failed ? "td.number.bad-text" : "td.number.dim", {}, format.count(row.failed)),
    h("td.number", {}, format.count(row.count)),
  );
}

/** One row for each route and method that was asked. One pass over the beats serves all of them. */
function measure(store) {
  const rows = new Map();
  const size = store.beats.length;
  store.beats.forEach((beat, at) => {
    for (const [{ labels }, value] of beat.families.get(REQUESTS) ?? []) {
      const row = of(labels);
      row.count += value;
      row.values[at] += value;
      if (labels.status.startsWith("4")) row.refused += value;
      if (labels.status.startsWith("5") || labels.status === "other") row.failed += value;
    }
  });
  const recent = store.beats.some((beat) => beat.families.has(BUCKETS));
  for (const row of rows.values()) {
    row.rate = row.values.slice(-10).reduce((a, b) => a + b, 0) / Math.min(10, size);
    const quantile = (part) =>
      recent
        ? store.quantile(DURATION, part, { route: row.route, method: row.method }, size)
        : null;
    [row.p50, row.p99] = [quantile(0.5), quantile(0.99)];
  }
  return [...rows.values()];

  function of({ route, method }) {
    const name = route === "-" ? `${method} (no route)` : `${method} ${route}`;
    if (!rows.has(name)) {
      rows.set(name, {
        name,
        route,
        method,
        count: 0,
        refused: 0,
        failed: 0,
        values: Array(size).fill(0),
      });
    }
    return rows.get(name);
  }
}
