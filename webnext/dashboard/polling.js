// When requests go out: within the tab's budget, not while the edge limits, not while the tab is hidden.

import { AnswerError } from "./api.js";

export const REQUESTS_A_MINUTE = 12;
const MINUTE = 60_000;
const LONGEST_BACKOFF = 60;

/** Milliseconds that never go back while the page is open, whatever is done to the computer's clock. */
const time = () => performance.now() + performance.timeOrigin;

/** What must outlive a reload of the tab. A browser that keeps nothing, or nonsense, counts as empty. */
const memory = {
  load(name) {
    try {
      const numbers = JSON.parse(sessionStorage.getItem(`dashboard.${name}`));
      return Array.isArray(numbers) ? numbers.filter(Number.isFinite) : [];
    } catch {
      return [];
    }
  },
  save(name, numbers) {
    try {
      sessionStorage.setItem(`dashboard.${name}`, JSON.stringify(numbers));
    } catch {
      // Storage is full or forbidden: then a reload forgets.
    }
  },
};

/** The requests of the last minute, whatever they were for. */
class Budget {
  #sent = memory.load("sent").map((at) => Math.min(at, time()));

  /** Milliseconds until one more may go out. */
  wait(now) {
    this.#sent = this.#sent.filter((at) => now - at < MINUTE);
    return this.#sent.length < REQUESTS_A_MINUTE ? 0 : this.#sent[0] + MINUTE - now;
  }

  spend(now) {
    this.#sent.push(now);
    memory.save("sent", this.#sent);
  }
}

/** The edge's limit: it ends when the edge said, later where that was too soon before. */
class Limit {
  #strikes = 0;
  #until = 0;

  constructor() {
    const [from = 0, until = 0] = memory.load("limit");
    this.#until = until - Math.max(0, from - time());
  }

  /** Milliseconds until the limit ends. */
  wait(now) {
    return Math.max(0, this.#until - now);
  }

  /** Whether the next request must show first that the limit is over. */
  get doubted() {
    return this.#strikes > 0;
  }

  hit(now, seconds) {
    if (!this.wait(now)) this.#strikes += 1;
    const backoff = Math.min(2 ** (this.#strikes - 1), LONGEST_BACKOFF);
    this.#until = Math.max(this.#until, now + 1000 * Math.max(seconds, backoff));
    memory.save("limit", [now, this.#until]);
  }

  lift() {
    this.#strikes = 0;
  }
}

/**
 * Asks sources in turn. A source has `everySeconds`, `show(answer)` and `fail(error)`, and is left out while `idle`; `ask(source)` resolves to an
 * answer or rejects with an AnswerError. `ticked(held)` is called each second that the tab is visible: `held` says
 * why sources have to wait ({by: "limit" | "budget", seconds, traceId}); it is null where none has to.
 */
export class Poller {
  #budget = new Budget();
  #limit = new Limit();
  #limitedTrace = null;

  constructor(sources, ask, ticked) {
    this.sources = sources;
    this.ask = ask;
    this.ticked = ticked;
  }

  start() {
    for (const source of this.sources) Object.assign(source, { due: 0, busy: false });
    document.addEventListener("visibilitychange", () => this.#tick());
    setInterval(() => this.#tick(), 1000);
    this.#tick();
  }

  /** Sends at once what a person asked for. Rejects with AnswerError, also while requests have to wait. */
  async act(request) {
    const now = time();
    const held = this.#held(now);
    if (held) throw new AnswerError(`requests have to wait for ${held.seconds} s`, held.traceId);
    this.#budget.spend(now);
    try {
      return await this.ask(request);
    } catch (error) {
      if (error.retrySeconds) this.#limit.hit(time(), error.retrySeconds);
      throw error;
    }
  }

  /** Sources, all of them by default, are due at once; the budget decides when each is asked. */
  refresh(sources = this.sources) {
    const now = time();
    for (const source of sources) if (!source.busy) source.due = Math.min(source.due, now);
    this.#tick();
  }

  #tick() {
    if (document.hidden) return;
    const now = time();
    const due = this.sources
      .filter((source) => !source.busy && !source.idle && source.due <= now)
      .sort((a, b) => a.due - b.due);
    while (due.length && !this.#held(now) && !this.#probing()) this.#send(due.shift(), now);
    this.ticked(due.length ? this.#held(now) : this.#limited(now));
  }

  /** After a limit one request goes first; the others wait for its answer. */
  #probing() {
    return this.#limit.doubted && this.sources.some((source) => source.busy);
  }

  #limited(now) {
    const wait = this.#limit.wait(now);
    return wait ? { by: "limit", seconds: Math.ceil(wait / 1000), traceId: this.#limitedTrace } : null;
  }

  #held(now) {
    const wait = this.#budget.wait(now);
    return this.#limited(now) ?? (wait ? { by: "budget", seconds: Math.ceil(wait / 1000), traceId: null } : null);
  }

  async #send(source, now) {
    this.#budget.spend(now);
    source.busy = true;
    source.due = now + 1000 * source.everySeconds;
    try {
      const answer = await this.ask(source);
      this.#limit.lift();
      source.show(answer);
    } catch (error) {
      if (error.retrySeconds) {
        this.#limit.hit(time(), error.retrySeconds);
        this.#limitedTrace = error.traceId;
        source.due = now;
      } else {
        source.fail(error);
      }
    }
    source.busy = false;
    this.#tick();
  }
}
