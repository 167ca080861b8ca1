// One request to the API: JSON in, JSON out, under a trace id of its own.

const TIMEOUT_MS = 10_000;
const LONGEST_RETRY = 3_600;

/** Why there is no answer, in a clause, and the trace id to look for; `retrySeconds` is set where the edge limits. */
export class AnswerError extends Error {
  constructor(why, traceId, retrySeconds = null) {
    super(why);
    this.traceId = traceId;
    this.retrySeconds = retrySeconds;
  }
}

/** Resolves to the answer's object and its trace id: {data, traceId}. Rejects with AnswerError and nothing else. */
export async function ask({ method = "GET", path, body }) {
  const traceId = newTraceId();
  const headers = { Accept: "application/json", "X-Trace-ID": traceId };
  if (body) headers["Content-Type"] = "application/json";
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), TIMEOUT_MS);
  let response, text;
  try {
    const sent = { method, headers, body: body && JSON.stringify(body), cache: "no-store", signal: timeout.signal };
    response = await fetch(path, sent);
    text = await response.text();
  } catch {
    throw new AnswerError(timeout.signal.aborted ? `no answer within ${TIMEOUT_MS / 1000} s` : "network failure", traceId);
  } finally {
    clearTimeout(timer);
  }
  return read(response, text, response.headers.get("X-Trace-ID") ?? traceId);
}

function read(response, text, traceId) {
  const data = parsed(text);
  if (response.status === 429) {
    throw new AnswerError("limited", traceId, retrySeconds(response.headers.get("Retry-After")));
  }
  if (!response.ok) {
    const why = typeof data?._err === "string" ? `: ${data._err.slice(0, 200)}` : "";
    throw new AnswerError(`HTTP ${response.status}${why}`, traceId);
  }
  if (data === null || typeof data !== "object") throw new AnswerError("answer is not JSON", traceId);
  return { data, traceId };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Seconds, from either form of Retry-After; 1 where it is missing or neither. */
function retrySeconds(header) {
  const seconds = /^\d+$/.test(header ?? "") ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return seconds > 0 ? Math.min(Math.ceil(seconds), LONGEST_RETRY) : 1;
}

/** 32 hexadecimal digits: also where crypto.randomUUID is not there, as on plain http. */
function newTraceId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
