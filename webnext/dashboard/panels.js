// The panels: each shows its source's answers, and keeps the last one, marked as stale, while no new one comes.

import { AnswerError } from "./api.js";
import { letters, path } from "./letters.js";
import { announce, asAge, asPercent, asTime, asWords, byId, element, icon, keepRows, pair, traceChip } from "./view.js";

/** A part of the page over one source. `render(data)` throws on what it does not understand, before it shows any. */
class Panel {
  #name;
  #title;
  #render;
  #shownAt = null;
  #failure = null;

  constructor(name, title, everySeconds, request, render) {
    Object.assign(this, request, { everySeconds });
    this.#name = name;
    this.#title = title;
    this.#render = render;
  }

  show({ data, traceId }) {
    try {
      this.#render(data);
    } catch {
      this.fail(new AnswerError("answer has another form than this page knows", traceId));
      return;
    }
    if (this.#failure) announce(`${this.#title}: up to date again`);
    this.#shownAt = Date.now();
    this.#failure = null;
    byId("updated").replaceWith(asTime(this.#shownAt, { id: "updated" }));
    this.#part("waiting", (note) => (note.hidden = true));
    this.#part("body", (body) => (body.hidden = false));
    this.#part("mock", (chip) => (chip.hidden = data._mock !== true));
  }

  fail(error) {
    if (!this.#failure) announce(`${this.#title}: ${error.message}`);
    this.#failure = error;
    this.#part("waiting", (note) => (note.hidden = true));
  }

  /** Shows how old a stale answer is. One is stale when the next failed, or is overdue and not even under way. */
  tick() {
    const age = this.#shownAt === null ? null : (Date.now() - this.#shownAt) / 1000;
    const overdue = age > 2 * this.everySeconds && !this.busy;
    this.#part("stale", (note) => {
      note.hidden = !this.#failure && !overdue;
      if (note.hidden) return;
      const since = age === null ? "No answer yet" : `Stale, ${asAge(age)} old`;
      note.querySelector(".why").textContent = this.#failure ? `${since}: ${this.#failure.message}` : since;
      const chip = note.querySelector(".trace");
      if (chip?.title === this.#failure?.traceId) return;
      chip?.remove();
      if (this.#failure) note.append(traceChip(this.#failure.traceId));
    });
  }

  #part(part, change) {
    const found = byId(`${this.#name}-${part}`);
    if (found) change(found);
  }
}

/** Asked for while there are any. */
const dead = new Panel("letters", "Dead letters", 30, { idle: true }, letters);
Object.defineProperty(dead, "path", { get: path });

export const panels = [
  new Panel("actions", "Recent actions", 15, { method: "POST", path: "/api/audit/list", body: { limit: 20 } }, actions),
  new Panel("guardrails", "Guardrails", 30, { path: "/api/guardrails/read" }, guardrails),
  new Panel("queue", "Alert queue", 30, { path: "/api/alerts/queue" }, queue),
  dead,
  new Panel("process", "Process", 60, { path: "/api/healthz" }, process),
];

function actions({ items }) {
  const today = new Date().toDateString(); // the rows say what is not of today
  const rows = new Map(items.map((item) => [today + JSON.stringify(item), () => actionRow(item)]));
  keepRows(byId("actions-rows"), rows);
  byId("actions-none").hidden = items.length > 0;
  byId("actions-table").hidden = items.length === 0;
}

function actionRow({ ts, action, result, strategyId, traceId }) {
  const mark = result === "ok" ? ["ok", "ok"] : ["err", "error"];
  const cell = (name, ...children) => element("td", { role: "cell", class: name }, ...children);
  return element(
    "tr",
    { role: "row" },
    cell("time", asTime(ts)),
    cell("action", String(action)),
    cell(`result ${mark[0]}`, icon(mark[0]), mark[1]),
    cell("strategy", strategyId ?? "–"),
    cell("trace-cell", traceId ? traceChip(traceId) : "–"),
  );
}

function guardrails({ thresholds, lastBreach, strategies }) {
  const limits = Object.entries(thresholds).map(([name, share]) => pair(asWords(name), asPercent(share)));
  const counts = Object.entries(strategies ?? {}).map(([state, count]) => pair(asWords(state), String(count)));
  const breach = lastBreach ? breachNote(lastBreach) : [icon("ok"), "No breach"];
  byId("thresholds").replaceChildren(...limits);
  byId("breach").replaceChildren(...breach);
  byId("breach").className = lastBreach ? "breach" : "no-breach";
  byId("strategies").replaceChildren(...counts);
  byId("strategies-part").hidden = counts.length === 0;
}

function breachNote({ guardrail, value, threshold, at, strategyId }) {
  const where = strategyId ? `${strategyId} · ` : "";
  return [
    element("p", { class: "what" }, icon("warn"), element("strong", {}, asWords(guardrail))),
    element("p", {}, `${asPercent(value)}, threshold ${asPercent(threshold)}`),
    element("p", { class: "quiet" }, where, asTime(at)),
  ];
}

function queue({ pending, dlq, waiting, active, delayed, oldestSec }) {
  const count = (name, number, note = "") => {
    if (!Number.isFinite(number)) throw new TypeError(`${name} is no number`);
    return pair(name, String(number), note);
  };
  const letters = count("Dead letters", dlq, dlq ? "attention" : "");
  if (dlq) letters.querySelector("dd").prepend(icon("warn"));
  const oldest = Number.isFinite(oldestSec) ? asAge(oldestSec) : "–";
  byId("queue-body").replaceChildren(
    count("Pending", pending),
    letters,
    pair("Oldest", oldest),
    count("Waiting", waiting, "quiet"),
    count("Active", active, "quiet"),
    count("Delayed", delayed, "quiet"),
  );
  dead.idle = !dlq;
  byId("letters").hidden = !dlq;
}

function process({ ok, buildSha, environment, version, flags }) {
  const shown = Object.entries(flags).map(([name, value]) => {
    return pair(name, typeof value === "boolean" ? (value ? "on" : "off") : asPercent(value));
  });
  byId("flags").replaceChildren(...shown);
  byId("environment").textContent = environment;
  byId("build").textContent = buildSha;
  byId("version").textContent = version;
  byId("health").replaceChildren(...(ok ? [icon("ok"), "ok"] : [icon("err"), "not ok"]));
}
