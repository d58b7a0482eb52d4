// What the stream has said so far: five minutes of metrics, and questions about them.
"use strict";

/** Seconds that are kept and drawn. */
export const KEPT = 300;

/** A quantile is taken over so many seconds: few enough to follow, enough not to jump. */
const SMOOTH = 10;

/**
 * @typedef {{name: string, labels: Object<string, string>}} Series
 * @typedef {{count: number, at: number, leftOut: number,
 *   families: Map<string, Array<[Series, number]>>}} Beat
 */
export class Store {
  constructor() {
    /** @type {Series[]} */
    this.series = [];
    /** @type {Beat[]} */
    this.beats = [];
  }

  /** Takes names of series. Those from 0 begin anew: the process may be another one. */
  name({ from, names }) {
    if (from === 0) {
      this.series = [];
      this.beats = [];
    }
    names.forEach((text, at) => {
      this.series[from + at] = parse(text);
    });
  }

  /** Takes what a second has brought. */
  beat({ count, at, left_out: leftOut, values }) {
    const families = new Map();
    for (let place = 0; place < values.length; place += 2) {
      const series = this.series[values[place]];
      if (!series) continue;
      if (!families.has(series.name)) families.set(series.name, []);
      families.get(series.name).push([series, values[place + 1]]);
    }
    this.beats.push({ count, at, leftOut, families });
    if (this.beats.length > KEPT) this.beats.shift();
  }

  /** For each beat what `read` makes of a family's samples. */
  each(name, read) {
    return this.beats.map((beat) => read(beat.families.get(name) ?? []));
  }

  /** For each beat the sum of the series with these labels. */
  sums(name, labels = {}) {
    const wanted = matcher(labels);
    return this.each(name, (samples) => sum(samples, wanted));
  }

  /** The present value of a gauge. */
  now(name, labels = {}) {
    const beat = this.beats.at(-1);
    return sum(beat?.families.get(name) ?? [], matcher(labels));
  }

  /** What a counter has grown by in the last seconds. */
  total(name, labels = {}, last = KEPT) {
    return this.sums(name, labels)
      .slice(-last)
      .reduce((a, b) => a + b, 0);
  }

  /** The same for each value of a label; those that did not grow are left out. */
  totals(name, label, labels = {}, last = KEPT) {
    const wanted = matcher(labels);
    const totals = new Map();
    for (const beat of this.beats.slice(-last)) {
      for (const [series, value] of beat.families.get(name) ?? []) {
        const key = series.labels[label];
        if (key !== undefined && wanted(series)) totals.set(key, (totals.get(key) ?? 0) + value);
      }
    }
    return totals;
  }

  /** For each beat the quantiles of a histogram, in seconds; `null` where nothing happened. */
  quantiles(name, wanted, labels = {}) {
    const isWanted = matcher(labels);
    const bounds = this.bounds(name);
    const recent = [];
    return this.each(`${name}_bucket`, (samples) => {
      recent.push(samples.filter(([series]) => isWanted(series)));
      if (recent.length > SMOOTH) recent.shift();
      return quantilesOf(recent.flat(), bounds, wanted);
    });
  }

  /** The quantiles over the last seconds. */
  quantile(name, wanted, labels = {}, last = 60) {
    const isWanted = matcher(labels);
    const samples = this.beats
      .slice(-last)
      .flatMap((beat) =>
        (beat.families.get(`${name}_bucket`) ?? []).filter(([series]) => isWanted(series)),
      );
    return quantilesOf(samples, this.bounds(name), [wanted])?.[0] ?? null;
  }

  /** The upper bounds of a histogram's buckets, in order. */
  bounds(name) {
    const buckets = this.series.filter((series) => series?.name === `${name}_bucket`);
    return [...new Set(buckets.map((series) => bound(series)))].sort((a, b) => a - b);
  }

  /** Whether a family has ever been there, whatever its values. */
  knows(name) {
    return this.series.some((series) => series?.name === name);
  }
}

/** `name{label="value"}` as the page of metrics writes it. */
function parse(text) {
  const [, name, inner] = /^([^{]+)(?:\{(.*)\})?$/.exec(text) ?? [null, text, ""];
  const labels = {};
  for (const [, label, value] of (inner ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    labels[label] = value.replace(/\\(.)/g, (_, escaped) => (escaped === "n" ? "\n" : escaped));
  }
  return { name, labels };
}

/** A wanted label is a value, or a function that judges one. */
function matcher(labels) {
  const wanted = Object.entries(labels);
  return (series) =>
    wanted.every(([label, value]) => {
      const found = series.labels[label] ?? "";
      return typeof value === "function" ? value(found) : found === value;
    });
}

function sum(samples, wanted) {
  let total = 0;
  for (const [series, value] of samples) if (wanted(series)) total += value;
  return total;
}

function bound(series) {
  return series.labels.le === "+Inf" ? Infinity : Number(series.labels.le);
}

/** Between the bounds of a bucket observations count as evenly spread. */
function quantilesOf(samples, bounds, wanted) {
  const counts = new Map();
  let total = 0;
  for (const [series, value] of samples) {
    counts.set(bound(series), (counts.get(bound(series)) ?? 0) + value);
    total += value;
  }
  if (total === 0) return null;
  return wanted.map((quantile) => {
    let before = 0;
    for (const [at, upper] of bounds.entries()) {
      const lower = at === 0 ? 0 : bounds[at - 1];
      const count = counts.get(upper) ?? 0;
      if (count > 0 && before + count >= quantile * total) {
        // Nobody knows how far beyond the last bound it was.
        if (upper === Infinity) return lower;
        return lower + (upper - lower) * Math.max(0, (quantile * total - before) / count);
      }
      before += count;
    }
    return bounds.at(-2) ?? null;
  });
}
