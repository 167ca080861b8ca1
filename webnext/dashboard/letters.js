// The dead letters: a page of them, and which of them a person wants delivered again.

import { asTime, byId, element, keepRows, traceChip } from "./view.js";

const PAGE = 10;
let offset = 0;

/** Where the page of dead letters that is shown comes from. */
export const path = () => `/api/alerts/dlq?limit=${PAGE}&offset=${offset}`;

export function letters({ total, items }) {
  if (!Number.isFinite(total)) throw new TypeError("total is no number");
  keepRows(byId("letters-rows"), new Map(items.map((item) => [JSON.stringify(item), () => row(item)])));
  byId("letters-range").textContent = items.length ? `${offset + 1}–${offset + items.length} of ${total}` : `0 of ${total}`;
  byId("letters-newer").disabled = offset === 0;
  byId("letters-older").disabled = offset + PAGE >= total;
  if (offset >= total) offset = 0; // the last page has gone
  picked();
}

function row({ id, title, attempts, lastError, diedAt, traceId }) {
  const cell = (name, ...children) => element("td", { role: "cell", class: name }, ...children);
  const box = element("input", { type: "checkbox", value: id, "aria-label": `Retry ${title}` });
  box.addEventListener("change", picked);
  return element(
    "tr",
    { role: "row" },
    cell("pick", box),
    cell("time", diedAt ? asTime(diedAt) : "–"),
    cell("action", title),
    cell("attempts", String(attempts)),
    cell("why", lastError ?? "–"),
    cell("trace-cell", traceId ? traceChip(traceId) : "–"),
  );
}

/** The ids that are ticked. */
const ticked = () => [...byId("letters-rows").querySelectorAll("input:checked")].map((box) => box.value);

function picked() {
  const count = ticked().length;
  byId("letters-some").disabled = count === 0;
  byId("letters-some").textContent = count ? `Retry selected (${count})` : "Retry selected";
}

/** Has the buttons work: `turn()` is called when another page is wanted, `retry(body)` when a person has confirmed. */
export function listen(turn, retry) {
  for (const [id, pages] of [["letters-newer", -1], ["letters-older", 1]]) {
    byId(id).addEventListener("click", () => {
      offset = Math.max(0, offset + pages * PAGE);
      turn();
    });
  }
  byId("letters-some").addEventListener("click", () => {
    const jobIds = ticked();
    confirm(`Retry ${jobIds.length} of the dead letters?`, (by) => retry({ action: "retry_some", jobIds, by }));
  });
  byId("letters-all").addEventListener("click", () => {
    confirm("Retry all dead letters?", (by) => retry({ action: "retry_all", by }));
  });
  byId("confirm-no").addEventListener("click", () => byId("confirm").close(""));
}

function confirm(question, confirmed) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = question;
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue === "yes") confirmed(byId("confirm-by").value);
  };
  dialog.showModal();
}
