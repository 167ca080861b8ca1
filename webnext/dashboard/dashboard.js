// The page: its panels, its polling, its notices.

import { ask } from "./api.js";
import { listen } from "./letters.js";
import { panels } from "./panels.js";
import { Poller } from "./polling.js";
import { announce, byId, toast, traceChip } from "./view.js";

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
const queues = panels.filter(({ path }) => path.startsWith("/api/alerts/"));
const look = () => poller.refresh(queues);
listen(look, async (body) => {
  try {
    const { data, traceId } = await poller.act({ method: "POST", path: "/api/alerts/queue", body });
    toast(`Put back: ${data.moved}${data.left ? `, left: ${data.left}` : ""}`, traceId);
  } catch (error) {
    toast(`Not put back: ${error.message}`, error.traceId ?? "", "warn");
  }
  look();
});
byId("boot").remove();
poller.start();
