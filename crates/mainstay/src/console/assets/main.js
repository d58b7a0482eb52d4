// The page: which part is shown, the token, the colours, and the beat that moves it all.
"use strict";

import { h, replace } from "./dom.js";
import { follow, getJson, token } from "./link.js";
import { Store } from "./store.js";
import * as about from "./about.js";
import * as readiness from "./readiness.js";
import * as overview from "./overview.js";
import * as requestsView from "./requests.js";
import * as routes from "./routes.js";
import * as shared from "./shared.js";
import * as tail from "./tail.js";

/**
 * What a view is given. It gives back `{element, update?, isLive?}`; `update` is called once a
 * second while the view is shown, and for requests as well if it is live.
 * @typedef {{store: Store, requests: any[], parameters: URLSearchParams,
 *   go: (view: string, parameters: Object<string, string>) => void}} Context
 */

const VIEWS = [
  { id: "overview", title: "Overview", open: overview.open },
  { id: "routes", title: "Routes", open: routes.open },
  { id: "live", title: "Live", open: tail.open },
  { id: "requests", title: "Requests", open: requestsView.open },
  { id: "pools", title: "Pools", open: shared.pools, group: "Shared" },
  { id: "caches", title: "Caches", open: shared.caches },
  { id: "limits", title: "Limits", open: shared.limits },
  { id: "discipline", title: "Discipline", open: about.discipline, group: "Service" },
  { id: "configuration", title: "Configuration", open: about.configuration },
  { id: "about", title: "About", open: about.about },
];

/** Requests of the tail that are remembered. */
const REQUESTS_KEPT = 1000;

/** Milliseconds: more often nobody could read it. */
const DRAWN_EVERY = 250;

/** Seconds: readiness is judged once a second, and read less often. */
const READINESS_EVERY = 5;

const THEME = "mainstay.theme";
const byId = (id) => document.getElementById(id);

const store = new Store();
const requests = [];
let shown = null;
let isLocked = false;
let isDrawing = false;

function place() {
  const [id, query] = location.hash.slice(1).split("?");
  return {
    view: VIEWS.find((view) => view.id === id) ?? VIEWS[0],
    parameters: new URLSearchParams(query),
  };
}

function go(view, parameters) {
  const given = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value));
  const query = new URLSearchParams(given).toString();
  location.hash = query ? `${view}?${query}` : view;
}

/** Opens the view that the address names. */
function show() {
  if (isLocked) return;
  const { view, parameters } = place();
  replace(
    byId("nav"),
    VIEWS.map(({ id, title, group }) => [
      group && h("p", {}, group),
      h("a", { href: `#${id}`, "aria-current": id === view.id ? "page" : null }, title),
    ]),
  );
  document.title = `${view.title} · ${byId("service").textContent}`;
  shown = view.open({ store, requests, parameters, go });
  replace(byId("view"), h("h1", {}, view.title), shown.element);
  shown.update?.();
}

/** At most every quarter of a second, and not at all while nobody looks. */
function draw() {
  if (isDrawing || isLocked) return;
  isDrawing = true;
  setTimeout(
    () =>
      requestAnimationFrame(() => {
        isDrawing = false;
        shown?.update?.();
      }),
    DRAWN_EVERY,
  );
}

function onEvent(kind, data) {
  if (kind === "series") store.name(data);
  if (kind === "beat") {
    store.beat(data);
    if (data.count % READINESS_EVERY === 0) readiness.ask();
    draw();
  }
  if (kind === "request") {
    requests.push(data);
    if (requests.length > REQUESTS_KEPT) requests.shift();
    if (shown?.isLive) draw();
  }
}

async function onState(state, detail) {
  const link = byId("link");
  link.className = `pill ${{ live: "good", lost: "bad", locked: "warn" }[state]}`;
  link.textContent = { live: "live", lost: "stream lost, trying again", locked: "locked" }[state];
  link.title = detail ?? "";
  if (state === "locked") await unlock(detail);
  if (state === "live") await greet();
}

/** Asks for the token, until there is one to try. */
function unlock(why) {
  isLocked = true;
  shown = null;
  token.clear();
  replace(byId("nav"));
  const input = h("input", {
    type: "password",
    id: "token",
    autocomplete: "off",
    required: true,
    "aria-label": "Token",
  });
  return new Promise((resolve) => {
    const form = h(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          token.set(input.value.trim());
          isLocked = false;
          resolve();
        },
      },
      input,
      h("button.main", {}, "Open"),
    );
    replace(
      byId("view"),
      h(
        "section.card.lock",
        { "aria-label": "Token" },
        h("h1", {}, "This listener asks for a token"),
        h("p.dim", {}, "It is the value of OPS_TOKEN, and is kept in this tab until you close it."),
        why === "refused" && h("p.notice.bad", { role: "alert" }, "That token was refused."),
        form,
      ),
    );
    input.focus();
  });
}

async function greet() {
  if (isLocked) return;
  await readiness.ask();
  if (!shown) show();
  const told = await getJson("/console/about").catch(() => null);
  if (!told) return;
  byId("service").textContent = told.service;
  byId("version").textContent = told.version;
  document.title = `${place().view.title} · ${told.service}`;
}

/** As the system has it, light, dark, and again. */
function toggleTheme() {
  const next = { "": "light", light: "dark", dark: "" }[localStorage.getItem(THEME) ?? ""];
  if (next) localStorage.setItem(THEME, next);
  else localStorage.removeItem(THEME);
  applyTheme();
}

function applyTheme() {
  const theme = localStorage.getItem(THEME) ?? "";
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  byId("theme").setAttribute("aria-label", `Colours: ${theme || "as the system"}`);
}

applyTheme();
byId("theme").addEventListener("click", toggleTheme);
addEventListener("hashchange", () => {
  show();
  byId("view").focus();
});
follow(onEvent, onState);
