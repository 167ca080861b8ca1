// The page: its panels, its polling, its notices.

import { ask } from "./api.js";
import { panels } from "./panels.js";
import { Poller } from "./polling.js";
import { announce, byId, traceChip } from "./view.js";

let heldBy = null;

function ticked(held) {
  for (const panel of panels) panel.tick();
  const notice = byId("notice");
  notice.hidden = !held;
  if (heldBy === "limit" && held?.by !== "limit") announce("Requests go out again");
  if (held?.by === "limit" && heldBy !== "limit") announce(`Limited, next try in ${held.seconds} seconds`);
  heldBy = held?.by ?? null;
  if (!held) return;
  const text = {
    limit: `Limited, next try in ${held.seconds} s`,
    budget: `Next refresh in ${held.seconds} s: this tab sends at most 12 requests a minute`,
  }[held.by];
  byId("notice-text").textContent = text;
  const chip = notice.querySelector(".trace");
  if (chip?.title === held.traceId || (!chip && !held.traceId)) return;
  chip?.remove();
  if (held.traceId) notice.append(traceChip(held.traceId));
}

const poller = new Poller(panels, ask, ticked);
byId("refresh").addEventListener("click", () => poller.refresh());
byId("boot").remove();
poller.start();
