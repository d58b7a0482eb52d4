// Live: requests as they end, and which of them to show.
"use strict";

import { empty, h, isHeld, replace } from "./dom.js";
import * as format from "./format.js";

/** Rows that are drawn: two screens. More would cost the browser and be read by nobody. */
const ROWS = 100;

const CLASSES = ["2xx", "3xx", "4xx", "5xx"];

/** How a status is marked. */
export const tone = (status) => (status >= 500 ? ".bad-text" : status >= 400 ? ".warn-text" : "");

/** @param {import("./main.js").Context} context */
export function open({ store, requests }) {
  const chosen = new Set(CLASSES);
  let frozen = null;
  const route = h(
    "select",
    { "aria-label": "Route", onchange: show },
    h("option", { value: "" }, "every route"),
  );
  const code = h("input", {
    type: "search",
    placeholder: "Code, such as RATE_LIMITED",
    "aria-label": "Code",
    oninput: show,
  });
  const pause = h(
    "button",
    {
      type: "button",
      "aria-pressed": "false",
      onclick: () => {
        frozen = frozen ? null : [...requests];
        pause.setAttribute("aria-pressed", String(frozen !== null));
        pause.textContent = frozen ? "Go on" : "Pause";
        show();
      },
    },
    "Pause",
  );
  const statuses = CLASSES.map((name) =>
    h(
      "button",
      {
        type: "button",
        "aria-pressed": "true",
        onclick: (event) => {
          if (!chosen.delete(name)) chosen.add(name);
          event.currentTarget.setAttribute("aria-pressed", String(chosen.has(name)));
          show();
        },
      },
      name,
    ),
  );
  const note = h("p.dim", { role: "status" });
  const body = h("tbody");
  const element = h(
    "div",
    {},
    h("div.controls", {}, statuses, route, code, pause),
    h(
      "section.card.tail",
      {},
      h(
        "div.scroll",
        { tabindex: 0, role: "region", "aria-label": "Requests as they end" },
        h(
          "table",
          { id: "tail" },
          h("caption.hidden", {}, "Requests as they end, the latest first"),
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ["Time", "Status", "Method", "Route", "Code", "Request"].map((text) =>
                h("th", { scope: "col" }, text),
              ),
              h("th.number", { scope: "col" }, "Took"),
              h("th.number", { scope: "col" }, "Bytes"),
            ),
          ),
          body,
        ),
      ),
      note,
    ),
  );

  function show() {
    offerRoutes();
    const all = frozen ?? requests;
    const found = all.filter(
      (line) =>
        chosen.has(`${String(line.status)[0]}xx`) &&
        (!route.value || line.route === route.value) &&
        (line.code ?? "").includes(code.value.trim().toUpperCase()),
    );
    replace(
      body,
      found.length
        ? found.slice(-ROWS).reverse().map(row)
        : h(
            "tr",
            {},
            h("td", { colspan: 8 }, empty("Nothing yet.", "Requests appear here as they end.")),
          ),
    );
    const left = store.beats.slice(-10).reduce((sum, beat) => sum + beat.leftOut, 0);
    note.textContent = left
      ? `${format.count(left)} more in 10 s; each second shows 30 successes and 30 failures`
      : "";
  }

  function offerRoutes() {
    const known = new Set([...route.options].map((option) => option.value));
    const fresh = new Set(requests.map((line) => line.route).filter((name) => !known.has(name)));
    [...fresh].sort().forEach((name) => route.append(h("option", { value: name }, name)));
  }
  /** What somebody points at does not move away. */
  function follow() {
    if (!frozen && !isHeld(body)) show();
    else if (!frozen) note.textContent = "Held while you point at it.";
  }
  return { element, update: follow, isLive: true };
}

function row(line) {
  return h(
    "tr",
    {},
    h("td.nowrap.dim", {}, format.time(line.time, true)),
    h(`td.status${tone(line.status)}`, {}, line.status),
    h("td", {}, line.method),
    h("td.mono.nowrap", {}, line.route),
    h("td.nowrap", {}, line.code ?? ""),
    h(
      "td",
      {},
      h("a.mono.nowrap", { href: `#requests?id=${encodeURIComponent(line.id)}` }, short(line.id)),
    ),
    h("td.number", {}, format.millis(line.ms)),
    h("td.number.dim", {}, format.bytes(line.bytes_out)),
  );
}

/** The end of an id tells two that were made in one moment apart. */
function short(id) {
  return id.length > 20 ? `…${id.slice(-12)}` : id;
}
