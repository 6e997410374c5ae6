/**
 * Histories: a connection of chanx.js, or a topic of topics.js, that gets what it missed when it comes back.
 *
 *     import { Chanx } from "/chanx/chanx.js";
 *     import { resume } from "/chanx/history.js";
 *     const socket = new Chanx("/chat");
 *     const places = resume(socket, { onlost: (stream) => reload(stream) });
 *     socket.on("said", ({ text }) => show(text));
 *
 * Rules: of each stream, listeners hear every push once, in order. One that comes before its turn is not heard yet: it
 * comes again with what was missed. Where that cannot be had, `onlost` is called, and what is new goes on.
 */
import { safely } from "./chanx.js";

/**
 * @typedef {{seq: number, epoch: string}} Place the last push that was heard, and the life of the count
 * @typedef {import("./chanx.js").Endpoint & {request: Function}} End
 */

/**
 * Follow the streams of a connection or topic. Call it before the connection opens, so right after it was made.
 * @param {End} end
 * @param {{onlost?: (stream: string) => void, from?: {[stream: string]: Place}, discriminator?: string}} options
 *   `onlost`: something of this stream cannot be had; `from`: where an earlier page stood, as `places()` told it
 * @returns {() => {[stream: string]: Place}} where each stream stands, for `from`
 */
export function resume(end, { onlost, from = {}, discriminator = "action" } = {}) {
  const places = new Map(Object.entries(from).map(([name, { seq, epoch }]) => [name, { seq, epoch }]));
  const missing = new Set(); // the streams that wait for what they missed
  const push = end._push.bind(end);
  let asking = false;

  const lost = (name) => safely(onlost, name);
  const put = (name, { seq, epoch }) => places.set(name, { seq, epoch });

  end._push = (frame, tag) => {
    const name = frame.stream;
    if (typeof name !== "string" || !Number.isInteger(frame.seq)) return push(frame, tag);
    const place = places.get(name), told = typeof frame.epoch === "string"; // `joined` or `position`
    if (told && tag === "joined") join(name, frame, place);
    else if (missing.has(name)) return take(name, frame, tag, told, place);
    else if (told && frame.recovered === false) {
      const behind = place !== undefined && place.epoch === frame.epoch && frame.seq <= place.seq;
      if (!behind) { put(name, frame); lost(name); }
    } else return take(name, frame, tag, told, place);
    return undefined;
  };

  function join(name, frame, place) {
    missing.delete(name); // an answer to what was asked before the connection broke does not come any more
    if (place === undefined) put(name, frame);
    else if (place.epoch !== frame.epoch || place.seq < frame.seq) ask(name);
  }

  function take(name, frame, tag, told, place) {
    if (place === undefined) put(name, { seq: frame.seq, epoch: frame.epoch ?? "" }); // joined before we looked
    else if (told && frame.recovered !== false && frame.seq === place.seq) place.epoch = frame.epoch; // it goes on so
    else if (frame.seq <= place.seq || (told && frame.recovered === false)) return;
    else if (frame.seq === place.seq + 1 && (!told || frame.epoch === place.epoch)) place.seq = frame.seq;
    else return void (missing.has(name) || ask(name));
    if (!told) push(frame, tag);
  }

  function ask(name) {
    missing.add(name);
    if (!asking) recover();
  }

  async function recover() {
    const asked = [...missing];
    asking = true;
    let again = true;
    try {
      const streams = Object.fromEntries(asked.map((name) => [name, places.get(name)]));
      const answer = await end.request({ [discriminator]: "recover", streams });
      for (const name of asked) settle(name, answer?.streams?.[name]);
    } catch (error) {
      again = error?.code !== "closed"; // else `joined` begins anew
      if (again) for (const name of asked) settle(name);
    }
    asking = false;
    if (again && missing.size > 0) recover(); // what was found missing meanwhile
  }

  function settle(name, told) {
    if (!missing.delete(name)) return;
    if (told?.recovered) return void (places.get(name).epoch = told.epoch);
    if (Number.isInteger(told?.seq)) put(name, told);
    else places.delete(name);
    lost(name);
  }

  return () => Object.fromEntries([...places].map(([name, place]) => [name, { ...place }]));
}
