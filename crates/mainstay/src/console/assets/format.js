// Numbers and times as people read them.
"use strict";

const SPACE = "\u202f";

/** Three significant digits at most: `0.25`, `12.3`, `940`. */
function digits(value) {
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return String(Number(value.toFixed(size >= 10 ? 1 : 2)));
}

/** A count or a rate: `1.2 k`. */
export function count(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  for (const [size, unit] of [
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ]) {
    if (Math.abs(value) >= size) return digits(value / size) + SPACE + unit;
  }
  return digits(value);
}

/** A duration from seconds: `3.4 ms`. */
export function seconds(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value === 0) return `0${SPACE}ms`;
  if (value < 0.001) return digits(value * 1e6) + SPACE + "µs";
  if (value < 1) return digits(value * 1000) + SPACE + "ms";
  if (value < 120) return digits(value) + SPACE + "s";
  return span(value);
}

/** The same from milliseconds. */
export const millis = (value) => seconds(value === null ? null : value / 1000);

/** A long time in its two largest units: `3 d 4 h`. */
export function span(value) {
  const units = [
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
    [1, "s"],
  ];
  const at = Math.max(
    0,
    units.findIndex(([size]) => value >= size),
  );
  const parts = [];
  let rest = Math.floor(value);
  for (const [size, unit] of units.slice(at, at + 2)) {
    if (rest >= size) parts.push(Math.floor(rest / size) + SPACE + unit);
    rest %= size;
  }
  return parts.join(" ") || `0${SPACE}s`;
}

/** Bytes: `12.5 MB`. */
export function bytes(value) {
  for (const [size, unit] of [
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
  ]) {
    if (value >= size) return digits(value / size) + SPACE + unit;
  }
  return digits(value) + SPACE + "B";
}

/** A part of one: `1.25 %`. */
export const percent = (value) => (value === null ? "–" : digits(value * 100) + SPACE + "%");

/** The time of day of a moment, to the millisecond where `exact`. */
export function time(moment, exact = false) {
  const date = new Date(moment);
  if (Number.isNaN(date.getTime())) return "–";
  const text = date.toLocaleTimeString(undefined, { hour12: false });
  return exact ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/** Day and time. */
export function moment(value) {
  const date = new Date(value);
  if (Number.isNaN(date.getTime())) return "–";
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time(value)}`;
}
