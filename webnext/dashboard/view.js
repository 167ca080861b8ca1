// What panels are made of: elements, times, figures, trace-id chips, the toast. Texts become text nodes, never markup.

const TOAST_MS = 4_000;
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 2 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short" });

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const icon = (name) => element("span", { class: `icon icon-${name}`, "aria-hidden": "true" });

/** A share as a percentage: 0.15 is 15%. */
export const asPercent = (share) => percent.format(share);

/** maxDrawdown, MAX_DRAWDOWN and max-drawdown are all "Max drawdown". */
export function asWords(name) {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/[_-]+/g, " ").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Seconds in the largest two units that say something. */
export function asAge(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3_600)}h ${Math.floor((whole % 3_600) / 60)}m`;
  return `${Math.floor(whole / 86_400)}d ${Math.floor((whole % 86_400) / 3_600)}h`;
}

/** Local time, with the day where it is not today's, and UTC as its title. What is no time stays as it came. */
export function asTime(given, attributes = {}) {
  const at = new Date(given);
  if (Number.isNaN(at.getTime())) return element("span", attributes, String(given));
  const today = at.toDateString() === new Date().toDateString();
  const utc = at.toISOString();
  const title = `${utc.slice(0, 10)} ${utc.slice(11, 23)} UTC`;
  const shown = today ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`;
  return element("time", { ...attributes, datetime: utc, title }, shown);
}

/** A name and its value, for a <dl>. */
export function pair(name, value, note = "") {
  return element("div", { class: note }, element("dt", {}, name), element("dd", {}, value));
}

const keys = new WeakMap();

/**
 * Makes the rows of a table body those of `wanted`, a Map from a key to what makes the row. A row whose key stays is
 * left where it is, so that it keeps the focus; where the focused row goes, the body's table is focused.
 */
export function keepRows(body, wanted) {
  const kept = new Map();
  for (const row of [...body.children]) {
    const key = keys.get(row);
    if (wanted.has(key)) kept.set(key, row);
    else drop(row, body);
  }
  let next = body.firstElementChild;
  for (const [key, make] of wanted) {
    const row = kept.get(key) ?? make();
    keys.set(row, key);
    if (row === next) next = next.nextElementSibling;
    else body.insertBefore(row, next);
  }
}

function drop(row, body) {
  const focused = row.contains(document.activeElement);
  row.remove();
  if (focused) body.closest("section").focus();
}

/** A button that shows a trace id and copies it. */
export function traceChip(traceId) {
  const label = element("span", { class: "unseen" }, "Copy trace id ");
  const shown = element("span", { class: "trace-id" }, traceId);
  const chip = element("button", { type: "button", class: "trace", title: traceId }, label, shown, icon("copy"));
  chip.addEventListener("click", async () => {
    const copied = await copy(traceId);
    toast(copied ? "Trace id copied" : "Copying is not allowed here. The trace id is", traceId);
  });
  return chip;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

/** Copying without navigator.clipboard, which plain http and some policies take away. */
function copySelected(text) {
  const focused = document.activeElement;
  const field = element("textarea", { class: "unseen", readonly: "", tabindex: "-1" });
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return copied;
}

let toastTimer;

export function toast(text, traceId, mark = "ok") {
  clearTimeout(toastTimer);
  byId("toast").replaceChildren(element("p", {}, icon(mark), `${text} `, element("code", {}, traceId)));
  toastTimer = setTimeout(() => byId("toast").replaceChildren(), TOAST_MS);
}

/** Says something once to those who do not see the page. */
export function announce(text) {
  byId("announcer").textContent = text;
}
