// --8<-- [start:connect]
import { Chanx, ChanxError } from "/chanx/chanx.js";

const socket = new Chanx("/notes", {
  onstatus: (status) => show("status", status), // "connecting", "open", "waiting" or "closed"
  onopen: (reconnected) => show("times", reconnected ? "again" : "first"),
  onclose: ({ code, reason }, willRetry) => { if (!willRetry) show("status", reason || `closed with ${code}`); },
});
socket.on("count", ({ lines }) => show("lines", lines)); // what the server pushes
// --8<-- [end:connect]

// --8<-- [start:request]
export async function add(text) {
  try {
    const { lines } = await socket.request({ action: "add", text }, { timeout: 5_000 });
    return `saved, ${lines} in all`;
  } catch (error) {
    if (!(error instanceof ChanxError)) throw error;
    return error.message; // error.code is for programs: "unauthorized", "closed", "timeout", ...
  }
}
// --8<-- [end:request]

// --8<-- [start:stream]
export async function find(word, most, signal) {
  const found = [];
  for await (const { text } of socket.stream({ action: "find", word }, { signal })) {
    found.push(text);
    if (found.length === most) break; // the server's handler is cancelled
  }
  return found;
}
// --8<-- [end:stream]

// --8<-- [start:upload]
export async function fill(file) {
  async function* chunks() {
    for (const text of (await file.text()).split("\n")) yield { action: "line", text };
  }
  const { lines } = await socket.upload({ action: "fill" }, chunks());
  return lines;
}
// --8<-- [end:upload]

// --8<-- [start:answer]
socket.answer("confirm", ({ text }) => ({ action: "confirmed", yes: window.confirm(text) }));

export const clear = () => socket.request({ action: "clear" });
// --8<-- [end:answer]

function show(id, text) {
  document.getElementById(id).textContent = text;
}
