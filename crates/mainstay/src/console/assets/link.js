// The way to the operators' listener: the token, JSON, and the stream of events.
"use strict";

/** Where the token is kept: for this tab, until it is closed. */
const TOKEN = "mainstay.token";

/** Waits between attempts to get the stream back, in seconds; the last one is repeated. */
const BACKOFF = [1, 2, 4, 8, 15];

/** Without a beat for so long the stream counts as lost, in milliseconds: there is one a second. */
const SILENCE = 8000;

/** The listener wants a token, or another one. */
export class Locked extends Error {}

/** An answer that is a problem document. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `status ${status}`);
    this.status = status;
    this.code = problem.code || "";
    this.problem = problem;
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (text) => sessionStorage.setItem(TOKEN, text),
  clear: () => sessionStorage.removeItem(TOKEN),
};

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token.get()) headers.authorization = `Bearer ${token.get()}`;
  const answer = await fetch(path, { ...options, headers, credentials: "omit", cache: "no-store" });
  if (answer.status === 401) throw new Locked(token.get() ? "refused" : "asked");
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => ({})));
  return answer;
}

/** A `GET` whose answer is JSON. */
export const getJson = async (path) => (await ask(path)).json();

/** A change whose answer is JSON. */
export async function sendJson(method, path, body) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  return (await ask(path, { method, headers, body: body && JSON.stringify(body) })).json();
}

/**
 * Follows the stream for as long as the page is open.
 * @param {(kind: string, data: any) => void} onEvent
 * @param {(state: string, detail?: string) => void} onState `live`, `lost` or `locked`
 */
export async function follow(onEvent, onState) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await readStream(
        (kind, data) => {
          if (kind === "beat") attempt = 0;
          onEvent(kind, data);
        },
        () => onState("live"),
      );
      onState("lost", "the service ended the stream");
    } catch (error) {
      if (error instanceof Locked) {
        await onState("locked", error.message);
        attempt = -1;
        continue;
      }
      onState("lost", error instanceof Refused ? error.message : "the listener does not answer");
    }
    const wait = BACKOFF[Math.min(attempt, BACKOFF.length - 1)];
    await new Promise((resolve) => setTimeout(resolve, wait * 1000));
  }
}

/** An `EventSource` cannot send a token, so the stream is read by `fetch`. */
async function readStream(onEvent, onOpen) {
  const abort = new AbortController();
  const answer = await ask("/console/events", { signal: abort.signal });
  onOpen();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  let watch = 0;
  try {
    for (;;) {
      watch = setTimeout(() => abort.abort(), SILENCE);
      const { done, value } = await reader.read();
      clearTimeout(watch);
      if (done) return;
      const events = (waiting + value).split("\n\n");
      waiting = events.pop();
      events.forEach((text) => deliver(text, onEvent));
    }
  } finally {
    clearTimeout(watch);
    abort.abort();
  }
}

function deliver(text, onEvent) {
  const field = (name) => text.split("\n").find((line) => line.startsWith(`${name}: `));
  const [kind, data] = [field("event"), field("data")];
  if (kind && data) onEvent(kind.slice(7), JSON.parse(data.slice(6)));
}
