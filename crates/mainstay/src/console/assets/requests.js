// Requests that are kept: failures, refusals, the slowest and a sample, and one by its id.
"use strict";

import { card, empty, h, replace, table } from "./dom.js";
import * as format from "./format.js";
import { Refused, getJson } from "./link.js";
import { tone } from "./tail.js";
import { stepsTable, waterfall } from "./waterfall.js";

const KINDS = [
  ["failure", "Failures"],
  ["refusal", "Refusals"],
  ["slow", "Slow"],
  ["sample", "Sample"],
];
const LIMIT = 100;

/** @param {import("./main.js").Context} context */
export function open({ parameters, go }) {
  const kept = parameters.get("kept") ?? "failure";
  const id = h("input", {
    type: "search",
    id: "request-id",
    placeholder: "Request id or trace id",
    "aria-label": "Request id or trace id",
    value: parameters.get("id") ?? "",
    spellcheck: "false",
  });
  const route = h("input", {
    type: "search",
    placeholder: "Route, such as /users/{id}",
    "aria-label": "Route",
    value: parameters.get("route") ?? "",
  });
  const find = h(
    "form.controls",
    {
      onsubmit: (event) => {
        event.preventDefault();
        go("requests", { id: id.value.trim() });
      },
    },
    id,
    h("button.main", {}, "Find"),
  );
  const filter = h(
    "form.controls",
    {
      onsubmit: (event) => {
        event.preventDefault();
        go("requests", { kept, route: route.value.trim() });
      },
    },
    KINDS.map(([kind, text]) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(kind === kept && !parameters.get("id")),
          onclick: () => go("requests", { kept: kind, route: route.value.trim() }),
        },
        text,
      ),
    ),
    route,
  );
  const found = h("div", { id: "found" }, empty("Looking …"));
  const element = h("div", {}, find, filter, found);
  const looking = parameters.get("id")
    ? showOne(found, parameters.get("id"))
    : showList(found, kept, parameters.get("route") ?? "");
  looking.catch((error) => replace(found, trouble(error)));
  return { element };
}

function trouble(error) {
  if (error instanceof Refused && error.status === 404 && error.code === "ROUTE_NOT_FOUND") {
    return empty("This build keeps no requests.");
  }
  if (error instanceof Refused && error.status === 404) {
    return empty(
      "No request with this id is kept.",
      "Kept are failures, refusals, the slowest and a sample. The log has the rest.",
    );
  }
  return h("p.notice.bad", {}, error.message);
}

async function showOne(host, id) {
  const { records } = await getJson(`/requests/${encodeURIComponent(id)}`);
  if (!records.length) return replace(host, empty("No request with this id is kept."));
  return replace(
    host,
    records.map((record) => oneRecord(record, host.clientWidth)),
  );
}

function oneRecord(record, width) {
  const steps = h("details", {}, h("summary", {}, "Steps as a table"), stepsTable(record, table));
  return card(
    `${record.method} ${record.route}`,
    `${record.status}${record.code ? ` ${record.code}` : ""}`,
    record.cause &&
      h(
        "p.notice.bad",
        {},
        record.meaning && `${record.meaning}: `,
        h("code.break", {}, record.cause),
      ),
    waterfall(record, Math.max(300, Math.min(width, 1280) - 36)),
    facts(record),
    steps,
  );
}

function facts(record) {
  const rows = [
    ["Outcome", h(`strong${tone(record.status)}`, {}, `${record.status} ${record.code ?? ""}`)],
    ["Meaning", record.cause ? null : record.meaning],
    ["Took", format.millis(record.ms)],
    ["Arrived", format.moment(record.time)],
    ["Request", h("code", {}, record.id)],
    ["Trace", record.trace_id && h("code", {}, record.trace_id)],
    ["User", record.user_id && h("code", {}, record.user_id)],
    [
      "Body",
      `${format.bytes(record.bytes_in ?? 0)} in, ${format.bytes(record.bytes_out ?? 0)} out`,
    ],
    ["Answered by", [record.module, record.release, record.instance].filter(Boolean).join(" · ")],
    ["Kept as", record.kept],
  ];
  return h(
    "dl.facts.wide",
    {},
    rows
      .filter(([, value]) => value)
      .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  );
}

async function showList(host, kept, route) {
  const query = new URLSearchParams({ kept, limit: String(LIMIT) });
  if (route) query.set("route", route);
  const { records } = await getJson(`/requests?${query}`);
  if (!records.length)
    return replace(host, empty("There are none.", "What happens from now on is kept."));
  const number = (text) => ({ text, number: true });
  return replace(
    host,
    h(
      "section.card",
      {},
      table(
        "Requests that are kept",
        ["Arrived", "Status", "Route", number("Took"), "Code", "Cause"],
        records.map((record) => [
          h(
            "a.nowrap",
            { href: `#requests?id=${encodeURIComponent(record.id)}`, title: "Timeline" },
            format.time(record.time, true),
          ),
          h(`span.status${tone(record.status)}`, {}, record.status),
          h("span.mono.nowrap", {}, `${record.method} ${record.route}`),
          format.millis(record.ms),
          record.code ?? "",
          h("span.break", {}, record.cause ?? ""),
        ]),
      ),
    ),
  );
}
