// What does not change by the second: the discipline matrix, the configuration, what runs.
"use strict";

import { card, empty, h, replace, table } from "./dom.js";
import * as format from "./format.js";
import { getJson, sendJson } from "./link.js";

const number = (text) => ({ text, number: true });

/** The columns of the matrix, in the order in which a request meets them. */
const COLUMNS = [
  "access",
  "limit",
  "outage",
  "deadline",
  "body",
  "input",
  "idempotency",
  "errors",
  "cache",
  "personal",
  "documented",
];

/** Shows what an address answers, or why it does not. */
function asked(path, show) {
  const host = h("div", {}, empty("Asking …"));
  getJson(path).then(
    (told) => replace(host, show(told)),
    (error) => replace(host, h("p.notice.bad", {}, error.message)),
  );
  return host;
}

/** The discipline matrix. */
export function discipline() {
  return {
    element: asked("/discipline", ({ endpoints, findings, green }) => {
      const known = Object.keys(endpoints[0]?.cells ?? {});
      const columns = [
        ...COLUMNS.filter((name) => known.includes(name)),
        ...known.filter((name) => !COLUMNS.includes(name)),
      ];
      const found = findings.map((finding) =>
        h(
          "p.notice.bad",
          {},
          `${finding.method} ${finding.path}, ${finding.column}: ${finding.sentence}`,
        ),
      );
      return [
        green ? h("p.notice.good", {}, "Everything is decided about every endpoint.") : found,
        h(
          "section.card",
          {},
          table(
            "What is decided about every endpoint",
            ["Endpoint", ...columns],
            endpoints.map((endpoint) => [
              h(
                "span.mono.nowrap",
                { title: `${endpoint.file}:${endpoint.line}` },
                `${endpoint.method} ${endpoint.path}`,
              ),
              ...columns.map((column) => cell(endpoint.cells[column])),
            ]),
          ),
        ),
      ];
    }),
  };
}

function cell(decision) {
  const says = (decision?.says ?? "").replace(" (default)", "");
  return h(
    decision?.decided ? "span.nowrap" : "span.undecided",
    { title: decision?.reason ?? null },
    says.length > 28 ? h("span", { title: says }, `${says.slice(0, 27)}…`) : says,
  );
}

/** The configuration in effect. */
export function configuration() {
  return {
    element: asked("/console/about", (about) => {
      const body = h("div");
      const search = h("input", {
        type: "search",
        placeholder: "Filter settings",
        "aria-label": "Filter settings",
        oninput: show,
      });
      const only = h("input", { type: "checkbox", onchange: show });
      function show() {
        const wanted = search.value.toLowerCase();
        const rows = about.settings.filter(
          (setting) =>
            (setting.key.includes(wanted) || setting.value.toLowerCase().includes(wanted)) &&
            !(only.checked && setting.origin === "default"),
        );
        replace(
          body,
          rows.length
            ? table(
                "Settings in effect",
                ["Setting", "Value", "From"],
                rows.map((setting) => [
                  h("span.mono", {}, setting.key),
                  h("code.break", {}, setting.value || "–"),
                  h(setting.origin === "default" ? "span.dim" : "strong", {}, setting.origin),
                ]),
              )
            : empty("No setting is like that."),
        );
      }
      show();
      return [
        about.warnings.map((warning) => h("p.notice", {}, warning)),
        h("div.controls", {}, search, h("label", {}, only, "changed only")),
        h("section.card", {}, body),
        h(
          "p.dim",
          {},
          about.file
            ? `Read from ${about.file} and the environment, once, at the start.`
            : "Read from the environment, once, at the start.",
        ),
      ];
    }),
  };
}

/** What runs. */
export function about({ store }) {
  const runtime = h("div");
  const element = h(
    "div.grid",
    {},
    half(card("Build", null, asked("/console/about", build))),
    half(card("Process", "now", runtime)),
    half(card("Migrations", "of the database", asked("/console/about", migrations))),
    half(card("Log level", "until the process ends", asked("/loglevel", logLevel))),
  );
  const update = () => {
    const now = (name) => store.now(name);
    replace(
      runtime,
      facts([
        ["Running for", format.span(Date.now() / 1000 - now("process_start_time_seconds"))],
        ["Memory in RAM", format.bytes(now("process_resident_memory_bytes"))],
        [
          "Threads",
          `${now("process_threads")}, of which ${now("mainstay_runtime_workers")} run tasks`,
        ],
        ["Tasks", format.count(now("mainstay_runtime_tasks"))],
        [
          "Open files",
          `${format.count(now("process_open_fds"))} of ${format.count(now("process_max_fds"))}`,
        ],
        ["Metrics", `${store.series.length} series`],
      ]),
    );
  };
  return { element, update };
}

const half = (element) => (element.classList.add("half"), element);
const facts = (rows) =>
  h(
    "dl.facts",
    {},
    rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  );

function build(about) {
  return facts([
    ["Service", `${about.service} ${about.version}`],
    ["Mainstay", about.mainstay],
    [
      "Build",
      about.build === "release"
        ? "release"
        : h("strong.warn-text", {}, "debug: not for production"),
    ],
    ["Platform", about.platform],
    ["Process", about.process],
    ["Started", format.moment(about.since)],
    ["Database", about.database],
  ]);
}

function migrations({ migrations: all }) {
  if (!all) return h("p.notice.bad", {}, "The database did not answer.");
  return table(
    "Migrations",
    [number("No."), "Name", "State", "Applied"],
    all.map((migration) => [
      migration.number,
      h("span.mono", {}, migration.name),
      h(migration.state === "applied" ? "span" : "strong.bad-text", {}, migration.state),
      migration.at ? format.moment(migration.at) : "–",
    ]),
  );
}

function logLevel(told) {
  const host = h("div");
  const change = (method, body) =>
    sendJson(method, "/loglevel", body).then(show, (error) => {
      replace(note, h("span.bad-text", {}, error.message));
    });
  const input = h("input", { type: "text", "aria-label": "Directives", spellcheck: "false" });
  const note = h("p.dim");
  function show({ directives, configured }) {
    input.value = directives;
    note.textContent = directives === configured ? "As configured." : `Configured: ${configured}`;
  }
  show(told);
  replace(
    host,
    h(
      "form.controls",
      {
        onsubmit: (event) => {
          event.preventDefault();
          change("PUT", { directives: input.value });
        },
      },
      input,
      h("button", {}, "Set"),
      h("button", { type: "button", onclick: () => change("DELETE") }, "As configured"),
    ),
    note,
  );
  return host;
}
