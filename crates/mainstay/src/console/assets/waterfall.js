// One request as a timeline: what was done for it, when, and what it waited for.
"use strict";

import { h, s } from "./dom.js";
import * as format from "./format.js";

const ROW = 26;
const TOP = 24;

/** How deep a step is below the request. */
function depth(steps, step) {
  let levels = 0;
  // A parent began before its parts, so this ends.
  for (let parent = step.parent; parent !== undefined && parent !== null; levels += 1) {
    parent = steps[parent]?.parent;
  }
  return levels;
}

/** What a step is called. */
function title(step) {
  return step.name ? `${step.kind}  ${step.name}` : step.kind;
}

/**
 * @param {any} record as `GET /requests/{id}` tells it
 * @param {number} width in pixels
 */
export function waterfall(record, width) {
  const steps = record.steps ?? [];
  const total = Math.max(record.ms, 0.001, ...steps.map((step) => step.at_ms + (step.ms ?? 0)));
  const left = Math.min(320, Math.max(110, width * 0.34));
  const right = width - 68;
  const x = (ms) => left + (ms / total) * (right - left);
  const height = TOP + (steps.length + 1) * ROW + 6;
  const whole = {
    kind: `${record.method} ${record.route}`,
    name: "",
    at_ms: 0,
    waited_ms: 0,
    ms: record.ms,
    outcome: String(record.status),
    failed: record.status >= 500,
  };
  const rows = [
    { step: whole, level: 0 },
    ...steps.map((step) => ({ step, level: depth(steps, step) + 1 })),
  ];
  return h(
    "figure.waterfall",
    {},
    s(
      "svg",
      {
        viewBox: `0 0 ${width} ${height}`,
        width,
        height,
        role: "img",
        "aria-label": `Timeline of ${steps.length} steps in ${format.millis(record.ms)}`,
      },
      grid(total, x, height),
      rows.map(({ step, level }, at) =>
        row(step, level, TOP + at * ROW, { x, left, right, width, total }),
      ),
    ),
    h("ul.legend", {}, key("a", "work"), key("warn", "waiting for a turn"), key("bad", "failed")),
    record.omitted
      ? h("figcaption.dim", {}, `${record.omitted} more steps were not recorded`)
      : null,
  );
}

const key = (tone, text) => h("li", {}, h(`span.key.${tone}`), text);

function grid(total, x, height) {
  return s(
    "g.axes",
    {},
    [0, 0.25, 0.5, 0.75, 1].map((part) => [
      s("line", { x1: x(part * total), x2: x(part * total), y1: TOP - 6, y2: height }),
      s(
        "text",
        {
          x: x(part * total),
          y: 12,
          "text-anchor": part === 1 ? "end" : part ? "middle" : "start",
        },
        format.millis(part * total),
      ),
    ]),
  );
}

function row(step, level, y, { x, left, right, width, total }) {
  const [from, waited] = [x(step.at_ms), step.waited_ms ?? 0];
  const end = step.ms === null ? right : x(step.at_ms + step.ms);
  const tone = step.failed ? "bad" : level === 0 ? "quiet" : "a";
  // Whatever takes no visible time is still there.
  const size = (a, b) => Math.max(2, b - a);
  const indent = 4 + Math.min(level, 6) * 12;
  const room = Math.floor((left - indent - 8) / 7);
  const name = title(step);
  return s(
    "g.step",
    {},
    s(
      "title",
      {},
      `${name}: ${step.outcome || "not ended"}, ${format.millis(step.ms)}` +
        (waited ? `, of which ${format.millis(waited)} waiting` : "") +
        (step.number === undefined || step.number === null ? "" : `, ${step.number}`),
    ),
    s(
      "text",
      { x: indent, y: y + 17 },
      name.length > room ? `${name.slice(0, Math.max(4, room - 1))}…` : name,
    ),
    s(`rect.${tone}${step.ms === null ? ".open" : ""}`, {
      x: from,
      y: y + 6,
      width: size(from, end),
      height: 14,
      rx: 2,
    }),
    waited > 0 &&
      s("rect.waited", {
        x: from,
        y: y + 6,
        width: size(from, x(step.at_ms + Math.min(waited, total))),
        height: 14,
        rx: 2,
      }),
    s(
      step.failed ? "text.took.bad" : "text.took",
      { x: width - 2, y: y + 17, "text-anchor": "end" },
      step.ms === null ? "open" : format.millis(step.ms),
    ),
  );
}

/** The same in words, for who does not see it and for who wants to copy it. */
export function stepsTable(record, table) {
  const rows = (record.steps ?? []).map((step) => [
    `${"\u2003".repeat(depth(record.steps, step))}${step.kind}`,
    step.name,
    format.millis(step.at_ms),
    format.millis(step.waited_ms ?? 0),
    format.millis(step.ms),
    step.outcome || "–",
    step.number ?? "",
  ]);
  const number = (text) => ({ text, number: true });
  return table(
    "Steps of the request",
    [
      "step",
      "name",
      number("began"),
      number("waited"),
      number("took"),
      "outcome",
      number("number"),
    ],
    rows,
  );
}
