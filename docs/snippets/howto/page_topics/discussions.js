// --8<-- [start:subscribe]
import { Chanx } from "/chanx/chanx.js";
import { Topic } from "/chanx/topics.js";

const socket = new Chanx("/ws?name=bob", { queue: 10 });

export async function enter(number) {
  const discussion = new Topic(socket, `discussion:${number}`, {
    onstatus: (status) => show("status", status), // "waiting", "connecting", "open" or "closed"
    onend: (error) => show("status", error.message), // ended by the server, or refused
  });
  discussion.on("said", ({ who, text }) => show("said", `${who}: ${text}`));
  await discussion.ready; // a ChanxError where it is refused: "unauthorized", "unknown_topic", ...
  return discussion;
}
// --8<-- [end:subscribe]

// --8<-- [start:talk]
const market = new Topic(socket, "market");

export async function talk(discussion) {
  await discussion.request({ action: "say", text: "hello" });
  const { value } = await market.request({ action: "say", value: 21 }); // another `say`: it is another topic
  return value;
}
// --8<-- [end:talk]

// --8<-- [start:leave]
export const leave = (discussion) => discussion.unsubscribe();
// --8<-- [end:leave]

function show(id, text) {
  document.getElementById(id).textContent = text;
}
