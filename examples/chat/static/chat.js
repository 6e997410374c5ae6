// The page: what it shows, and what its reader does. The connection, which comes back by itself, is in chanx.js.

import { Chanx } from "/chanx/chanx.js";

const ROOMS = ["lobby", "help", "random"];
const TYPING_EVERY = 2_000; // while somebody types, it is said again this often
const TYPING_LASTS = 5_000; // and believed this long
const STATES = { connecting: "Connecting…", connected: "Connected", reconnecting: "Reconnecting…" };

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

let me = sessionStorage.getItem("name") ?? "";
let room = null; // the room in view
let socket = null; // the connection to it
const rooms = new Map(); // every room seen since the page was opened, by name

// --- what is known of a room, kept while another one is in view ----------------------------------

class Room {
  constructor(name) {
    this.name = name;
    this.list = document.createElement("ol");
    this.items = new Map(); // message id -> its <li>
    this.unanswered = new Map(); // message id -> what to send, and to send again after a lost connection
    this.typing = new Map(); // who -> the timer that ends it
  }

  // A message is shown when it is written, and settled when the server has said it. The same one may
  // come again (after a reconnect, in `recent`): its id says so.
  show({ id, who, text, at }, state) {
    const key = `${who}\n${id}`;
    let item = this.items.get(key);
    if (item !== undefined && state !== "said") return;
    if (item === undefined) {
      item = document.createElement("li");
      item.append(element("bdi", who, "who"), element("time"), element("span", text, "text"));
      this.items.set(key, item);
    }
    item.classList.toggle("mine", who === me);
    item.dataset.state = state;
    item.dataset.at = at;
    const time = item.querySelector("time");
    time.dateTime = new Date(at).toISOString();
    time.textContent = state === "said" ? clock.format(at) : "sending…";
    let before = this.list.lastElementChild;
    while (before !== null && (before === item || Number(before.dataset.at) > at)) before = before.previousElementSibling;
    if (item.parentNode !== this.list || item.previousElementSibling !== before) {
      this.list.insertBefore(item, before === null ? this.list.firstElementChild : before.nextElementSibling);
    }
    if (this === room) scrollDown();
  }

  fail({ id }, detail) {
    const item = this.items.get(`${me}\n${id}`);
    if (item === undefined) return;
    item.dataset.state = "failed";
    item.querySelector("time").textContent = `not sent: ${detail}`;
  }

  types(who, active) {
    clearTimeout(this.typing.get(who));
    this.typing.delete(who);
    if (active) this.typing.set(who, setTimeout(() => this.types(who, false), TYPING_LASTS));
    if (this === room) showTyping();
  }
}

// --- coming and going ------------------------------------------------------------------------------

function enter(name) {
  hangUp();
  room?.typing.forEach((_, who) => room.types(who, false));
  const here = rooms.get(name) ?? new Room(name);
  rooms.set(name, here);
  room = here;
  const query = me === "" ? "" : `?${new URLSearchParams({ name: me })}`;
  const mine = new Chanx(`/rooms/${encodeURIComponent(name)}${query}`, {
    backoff: { max: 10_000 },
    onmessage: (frame) => receive(here, frame),
    // An open socket is not yet the room: a refusal that tells its reason opens the socket too.
    onstatus: (status) => { if (status !== "open" && socket === mine) showState("reconnecting"); },
    onclose: ({ code, reason }, again) => {
      if (!again && socket === mine) leave(reason || `The server refused the connection (${code}).`);
    },
  });
  socket = mine;
  showState("connecting");
}

// chanx.js sends nothing twice. This page does, so that nothing is lost when the server restarts: it may arrive twice,
// and the message's own id lets the server notice.
async function deliver(here, message) {
  here.unanswered.set(message.id, message);
  try {
    await socket.request(message);
  } catch (error) {
    if (error.code === "closed") return; // until the next welcome
    here.fail(message, error.message);
  }
  here.unanswered.delete(message.id);
}

function hangUp() {
  stopTyping();
  const last = socket;
  socket = null;
  last?.close();
}

function receive(here, frame) {
  switch (frame.action) {
    case "welcome":
      me = frame.you;
      sessionStorage.setItem("name", me);
      showChat();
      frame.recent.forEach((said) => here.show(said, "said"));
      showPeople(frame.people);
      showState("connected");
      here.unanswered.forEach((message) => deliver(here, message));
      break;
    case "said":
      here.types(frame.who, false);
      here.show(frame, "said");
      break;
    case "is_typing":
      here.types(frame.who, frame.active);
      break;
    case "present":
      for (const who of [...here.typing.keys()]) if (!frame.people.includes(who)) here.types(who, false);
      showPeople(frame.people);
      break;
  }
}

function leave(reason) {
  hangUp();
  room = null;
  rooms.clear();
  sessionStorage.removeItem("name");
  history.replaceState(null, "", location.pathname);
  document.title = "Chat";
  $("chat").hidden = true;
  $("door").hidden = false;
  showReason(reason);
  $("name").value = me;
  $("name").setAttribute("aria-invalid", String(reason !== ""));
  $("name").focus();
}

// --- showing ---------------------------------------------------------------------------------------

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function showChat() {
  const comingIn = $("chat").hidden;
  $("door").hidden = true;
  $("chat").hidden = false;
  showReason("");
  $("name").removeAttribute("aria-invalid");
  $("room").textContent = room.name;
  document.title = `#${room.name} · Chat`;
  if (location.hash !== `#${room.name}`) history.pushState(null, "", `#${room.name}`);
  if ($("log").firstChild !== room.list) {
    $("log").replaceChildren(room.list);
    scrollDown();
  }
  showRooms();
  showTyping();
  if (comingIn) $("text").focus();
}

function showRooms() {
  const names = [...new Set([...ROOMS, ...rooms.keys()])];
  $("rooms").replaceChildren(...names.map((name) => {
    const button = element("button", name);
    button.type = "button";
    if (name === room.name) button.setAttribute("aria-current", "true");
    button.onclick = () => { if (name !== room.name) enter(name); };
    const item = element("li");
    item.append(button);
    return item;
  }));
}

function showPeople(people) {
  $("people-count").textContent = people.length;
  $("people").replaceChildren(...people.map((who) => {
    const item = element("li");
    item.append(element("bdi", who));
    if (who === me) item.append(element("span", " (you)", "quiet"));
    return item;
  }));
}

function showTyping() {
  const who = [...room.typing.keys()];
  const several = who.length > 3 ? ["Several people"] : who;
  const names = new Intl.ListFormat("en").format(several);
  $("typing").textContent = who.length === 0 ? "" : `${names} ${who.length === 1 ? "is" : "are"} typing…`;
}

function showState(state) {
  $("state").dataset.state = state;
  $("state-text").textContent = STATES[state];
  $("retry").hidden = state !== "reconnecting";
  if (state === "reconnecting" && $("chat").hidden) showReason("The server cannot be reached. Trying again…");
}

function showReason(reason) {
  $("reason").textContent = reason;
  $("reason").hidden = reason === "";
}

function scrollDown() {
  $("log").scrollTop = $("log").scrollHeight;
}

// --- writing ---------------------------------------------------------------------------------------

let typingSince = 0;
let typingEnds = null;

function stillTyping() {
  clearTimeout(typingEnds);
  typingEnds = setTimeout(stopTyping, TYPING_LASTS);
  if (Date.now() - typingSince < TYPING_EVERY) return;
  typingSince = Date.now();
  socket.send({ action: "typing", active: true });
}

function stopTyping() {
  clearTimeout(typingEnds);
  if (typingSince !== 0) socket?.send({ action: "typing", active: false });
  typingSince = 0;
}

$("text").oninput = () => { $("text").value === "" ? stopTyping() : stillTyping(); };

$("say").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text === "") return;
  const id = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  room.show({ id, who: me, text, at: Date.now() }, "sending");
  deliver(room, { action: "say", id, text });
  $("text").value = "";
  stopTyping();
};

$("enter").onsubmit = (event) => {
  event.preventDefault();
  me = $("name").value.trim();
  enter(location.hash.slice(1) || ROOMS[0]);
};

$("other-room").oninput = () => { $("other-room").value = $("other-room").value.toLowerCase().replace(/\s+/g, "-"); };

$("other").onsubmit = (event) => {
  event.preventDefault();
  const name = $("other-room").value;
  $("other-room").value = "";
  if (name !== "" && name !== room.name) enter(name);
};

$("leave").onclick = () => leave("");
$("retry").onclick = () => socket.retry();
window.addEventListener("popstate", () => {
  const name = location.hash.slice(1) || ROOMS[0];
  if (room !== null && name !== room.name) enter(name);
});

// A reload comes back to where it was.
if (me !== "") enter(location.hash.slice(1) || ROOMS[0]);
