// Elements from data. Every text becomes a text node, so nothing that is shown can be markup.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element.
 * @param {string} tag a name, with classes after dots: `p.dim`
 * @param {Object<string, any>} [attributes] `on…` are listeners; `null` and `false` leave one out
 * @param {...(Node|string|number|null|undefined|Array)} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  return fill(document.createElement(name), classes, attributes, children);
}

/** The same for SVG. @returns {SVGElement} */
export function s(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  return fill(document.createElementNS(SVG, name), classes, attributes, children);
}

function fill(element, classes, attributes, children) {
  if (classes.length) element.setAttribute("class", classes.join(" "));
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children
    .flat(3)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

/** Puts these children in place of those that are there; a table stays scrolled as it was. */
export function replace(element, ...children) {
  const before = element.querySelector(".scroll");
  const [left, isFocused] = [before?.scrollLeft ?? 0, before && before === document.activeElement];
  element.replaceChildren(...nodes(children));
  const after = element.querySelector(".scroll");
  if (after && left) after.scrollLeft = left;
  if (after && isFocused) after.focus({ preventScroll: true });
}

/** Whether somebody is about to use what is in there, so that it should stay where it is. */
export function isHeld(element) {
  const isPointed = matchMedia("(hover: hover)").matches && element.matches(":hover");
  return isPointed || element.contains(document.activeElement);
}

/**
 * A part of a page with a heading.
 * @param {string} title
 * @param {string|null} hint what the numbers mean, in a few words
 * @param {...any} children
 */
export function card(title, hint, ...children) {
  return h(
    "section.card",
    { "aria-label": title },
    h("header", {}, h("h2", {}, title), hint && h("p.dim", {}, hint)),
    children,
  );
}

/** What is shown where there is nothing to show. */
export function empty(text, more) {
  return h("p.empty", {}, text, more && h("span.dim", {}, " ", more));
}

/**
 * A table whose cells are nodes or texts.
 * @param {string} caption for those who do not see it
 * @param {Array<string|{text: string, number?: boolean}>} columns
 * @param {Array<Array<any>>} rows
 */
export function table(caption, columns, rows) {
  const of = (column) => (typeof column === "string" ? { text: column } : column);
  return h(
    "div.scroll",
    { tabindex: 0, role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption.hidden", {}, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          columns.map((column) =>
            h(of(column).number ? "th.number" : "th", { scope: "col" }, of(column).text),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            row.map((cell, at) => h(of(columns[at]).number ? "td.number" : "td", {}, cell)),
          ),
        ),
      ),
    ),
  );
}
