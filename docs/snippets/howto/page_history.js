// --8<-- [start:resume]
import { Chanx } from "/chanx/chanx.js";
import { resume } from "/chanx/history.js";

export function follow(url, show, reload) {
  const socket = new Chanx(url);
  resume(socket, { onlost: reload });
  socket.on("said", ({ text }) => show(text));
  return socket;
}
// --8<-- [end:resume]
