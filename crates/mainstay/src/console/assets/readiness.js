// Whether the service is ready: in the corner of every part, and in full on the overview.
"use strict";

import { getJson } from "./link.js";

let latest = null;

/** What was found last: `/readyz?verbose`, or `null` while nobody knows. */
export const known = () => latest;

/** Asks, and shows it in the corner. */
export async function ask() {
  // What is not ready says so in a problem document, with the same list in it.
  latest = await getJson("/readyz?verbose").catch((error) => error.problem ?? null);
  const pill = document.getElementById("ready");
  pill.hidden = latest === null;
  pill.className = `pill ${isReady(latest) ? "good" : "bad"}`;
  pill.textContent = isReady(latest) ? "ready" : "not ready";
}

/** Whether an answer says so. */
export const isReady = (told) => told?.status === "ok";
