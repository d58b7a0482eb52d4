// Charts of the last five minutes, drawn as SVG. Colours are classes of the style sheet.
"use strict";

import { h, replace, s } from "./dom.js";
import { KEPT } from "./store.js";
import * as format from "./format.js";

const HEIGHT = 168;
const MARGIN = { top: 10, right: 8, bottom: 22, left: 52 };

/** Values for the marks of an axis: about four, round in base ten. */
function marks(max) {
  const rough = max / 3;
  const base = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * base).find((size) => size >= rough);
  const count = Math.ceil(max / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, at) => at * step);
}

/**
 * A chart over time with a legend that shows the present values, or those under the pointer.
 */
export class TimeChart {
  /**
   * @param {{label: string, unit: (value: number) => string, stacked?: boolean,
   *   least?: number}} options
   *   `least` is the smallest top of the axis, so that noise does not look like a load
   */
  constructor(options) {
    this.options = options;
    this.lines = [];
    this.pointed = null;
    this.picture = h("div.plot", {
      onpointermove: (event) => this.point(event),
      onpointerleave: () => {
        this.pointed = null;
        this.render();
      },
    });
    this.legend = h("ul.legend");
    this.element = h("figure.chart", {}, this.picture, this.legend);
  }

  /**
   * Shows these lines; their values end now, one a second, `null` for a gap.
   * @param {Array<{name: string, tone: string, values: Array<number|null>}>} lines
   */
  draw(lines) {
    this.lines = lines;
    this.render();
  }

  point(event) {
    const box = this.picture.getBoundingClientRect();
    const part =
      (event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right);
    this.pointed = part >= 0 && part <= 1 ? Math.round((1 - part) * (KEPT - 1)) : null;
    this.render();
  }

  render() {
    const width = Math.max(240, this.picture.clientWidth || 600);
    const layers = this.options.stacked ? stack(this.lines) : this.lines.map(plain);
    const top = Math.max(
      this.options.least ?? 0,
      ...layers.flatMap((layer) => layer.upper.filter((value) => value !== null)),
    );
    const ticks = marks(top || 1);
    const scale = scales(width, ticks.at(-1));
    replace(
      this.picture,
      s(
        "svg",
        {
          viewBox: `0 0 ${width} ${HEIGHT}`,
          width,
          height: HEIGHT,
          role: "img",
          "aria-label": `${this.options.label}: ${this.spoken()}`,
        },
        this.axes(ticks, scale, width),
        layers.map((layer) => drawn(layer, scale, this.options.stacked)),
        this.cursor(scale),
      ),
    );
    this.renderLegend();
  }

  axes(ticks, scale, width) {
    const minutes = [300, 240, 180, 120, 60, 0].filter(
      (ago) => width > 420 || ago % 120 === 60 || !ago,
    );
    return s(
      "g.axes",
      {},
      ticks.map((tick) => [
        s("line", {
          x1: MARGIN.left,
          x2: width - MARGIN.right,
          y1: scale.y(tick),
          y2: scale.y(tick),
        }),
        s(
          "text",
          { x: MARGIN.left - 8, y: scale.y(tick) + 4, "text-anchor": "end" },
          this.options.unit(tick),
        ),
      ]),
      minutes.map((ago) =>
        s(
          "text",
          {
            x: scale.x(Math.min(ago, KEPT - 1)),
            y: HEIGHT - 5,
            "text-anchor": ago === 0 ? "end" : ago === 300 ? "start" : "middle",
          },
          ago === 0 ? "now" : `−${ago / 60}\u202fmin`,
        ),
      ),
    );
  }

  cursor(scale) {
    if (this.pointed === null) return null;
    const x = scale.x(this.pointed);
    return s("line.cursor", { x1: x, x2: x, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom });
  }

  /** The value of a line now, or under the pointer. */
  shown({ values }) {
    return values.at(-1 - (this.pointed ?? 0)) ?? null;
  }

  spoken() {
    return this.lines
      .map((line) => `${line.name} ${this.options.unit(this.shown(line))}`)
      .join(", ");
  }

  renderLegend() {
    const when = this.pointed === null ? "now" : `${this.pointed}\u202fs ago`;
    replace(
      this.legend,
      this.lines.map((line) =>
        h(
          "li",
          {},
          h(`span.key.${line.tone}`),
          h("span", {}, line.name),
          h("strong", {}, this.options.unit(this.shown(line))),
        ),
      ),
      h("li.dim", {}, when),
    );
  }
}

function scales(width, top) {
  const [right, bottom] = [width - MARGIN.right, HEIGHT - MARGIN.bottom];
  return {
    x: (ago) => right - (ago / (KEPT - 1)) * (right - MARGIN.left),
    y: (value) => bottom - (value / top) * (bottom - MARGIN.top),
  };
}

const plain = (line) => ({ ...line, upper: line.values, lower: null });

/** Each line on top of those before it. */
function stack(lines) {
  let below = null;
  return lines.map((line) => {
    const lower = below ?? line.values.map(() => 0);
    const upper = line.values.map((value, at) => (value ?? 0) + lower[at]);
    below = upper;
    return { ...line, upper, lower };
  });
}

function drawn({ values, upper, lower, tone }, scale, filled) {
  // What was never there would still cover what it is stacked on.
  if (!upper.length || (filled && !values.some((value) => value > 0))) return null;
  const x = (at) => scale.x(upper.length - 1 - at).toFixed(1);
  let path = "";
  let joined = false;
  upper.forEach((value, at) => {
    if (value !== null) path += `${joined ? "L" : "M"}${x(at)} ${scale.y(value).toFixed(1)}`;
    joined = value !== null;
  });
  if (!filled) return s(`path.line.${tone}`, { d: path });
  const back = lower
    .map((value, at) => `L${x(at)} ${scale.y(value).toFixed(1)}`)
    .reverse()
    .join("");
  return s(`path.area.stacked.${tone}`, { d: `${path}${back}Z` });
}

/** A line without axes, for a row of a table or a tile. */
export function sparkline(values, tone = "a", { width = 120, height = 28 } = {}) {
  const top = Math.max(1e-9, ...values.map((value) => value ?? 0));
  const step = width / (KEPT - 1);
  const at = (place) => (width - (values.length - 1 - place) * step).toFixed(1);
  const y = (value) => (height - 2 - (value / top) * (height - 4)).toFixed(1);
  const path = values.map((value, place) => `${place ? "L" : "M"}${at(place)} ${y(value ?? 0)}`);
  return s(
    "svg.spark",
    { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    values.length > 1 &&
      s(`path.area.${tone}`, { d: `${path.join("")}L${width} ${height}L${at(0)} ${height}Z` }),
    s(`path.line.${tone}`, { d: path.join("") }),
  );
}

/**
 * How much of something is in use, with a bar where there is a limit.
 * @param {string} name @param {number} used @param {number|null} max @param {string} [note]
 */
export function gauge(name, used, max, note = "", unit = format.count) {
  const part = max ? Math.min(1, used / max) : null;
  const tone = part === null || part < 0.7 ? "a" : part < 0.9 ? "warn" : "bad";
  return h(
    "div.gauge",
    {},
    h(
      "div.row",
      {},
      h("span", {}, name),
      h("span", {}, h("strong", {}, unit(used)), max ? h("span.dim", {}, ` / ${unit(max)}`) : null),
    ),
    part !== null &&
      s(
        "svg.meter",
        {
          viewBox: "0 0 100 4",
          preserveAspectRatio: "none",
          role: "img",
          "aria-label": `${name}: ${format.percent(part)} in use`,
        },
        s("rect.track", { width: 100, height: 4 }),
        s(`rect.${tone}`, { width: part * 100, height: 4 }),
      ),
    note && h("p.dim", {}, note),
  );
}

/** Horizontal bars of counts, the largest first. */
export function bars(label, entries, tone = () => "a") {
  const top = Math.max(1, ...entries.map(([, value]) => value));
  return h(
    "ul.bars",
    { "aria-label": label },
    entries.map(([name, value]) =>
      h(
        "li",
        {},
        h("span.name", {}, name),
        s(
          "svg",
          { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
          s(`rect.${tone(name)}`, { width: (value / top) * 100, height: 8, rx: 0 }),
        ),
        h("strong", {}, format.count(value)),
      ),
    ),
  );
}
