// The page: what it shows, and what its reader does. The connection is chanx.js, and its topics are topics.js.

import { Chanx } from "/chanx/chanx.js";
import { Topic } from "/chanx/topics.js";

const STATES = { connecting: "Connecting…", open: "Connected", waiting: "Reconnecting…", closed: "Not connected" };
const KEPT_LINES = 200;

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const stored = (key, otherwise) => JSON.parse(sessionStorage.getItem(key)) ?? otherwise;
const store = (key, value) => sessionStorage.setItem(key, JSON.stringify(value));

let me = stored("me", null); // who came in, and in which role
let socket = null;
let titles = new Map(); // of the incidents, by the name of their topic
const widgets = new Map(); // what is open, by the name of the topic

// --- coming and going ----------------------------------------------------------------------------------

function enter() {
  const query = new URLSearchParams({ name: me.name, on_call: me.onCall });
  const mine = socket = new Chanx(`/dashboard?${query}`, {
    backoff: { max: 10_000 },
    onstatus: showState,
    onclose: ({ code, reason }, again) => {
      if (socket !== mine) return; // the visitor has left
      if (!again) leave(reason || `The server refused the connection (${code}).`);
      else if ($("dashboard").hidden) showReason("The server cannot be reached. Trying again…");
    },
  });
  socket.on("welcome", (frame) => {
    me = { name: frame.you, onCall: frame.on_call };
    store("me", me);
    $("door").hidden = true;
    $("dashboard").hidden = false;
    showMenu("services", frame.services.map((name) => [`service:${name}`, name]));
    showMenu("logs", frame.services.map((name) => [`logs:${name}`, name]));
    showIncidents(frame);
    for (const name of stored("open", [])) if (!widgets.has(name)) open(name);
  });
  socket.on("incidents", showIncidents);
  socket.on("present", ({ people }) => showPeople(people));
}

function leave(reason) {
  const last = socket;
  socket = null;
  last?.close();
  for (const { card } of widgets.values()) card.remove();
  widgets.clear();
  sessionStorage.clear();
  $("dashboard").hidden = true;
  $("door").hidden = false;
  showReason(reason);
  $("name").setAttribute("aria-invalid", String(reason !== ""));
  $("name").focus();
}

// --- widgets: each shows one topic ---------------------------------------------------------------------

const KINDS = { service: showService, logs: showLogs, incident: showIncident };

function open(name) {
  const card = element("section", "", "card widget");
  const heading = element("h2", titleOf(name));
  const close = button("Close", () => shut(name));
  const note = element("p", "", "note");
  heading.id = `title-of-${name}`;
  close.setAttribute("aria-label", `Close ${titleOf(name)}`);
  card.setAttribute("aria-labelledby", heading.id);
  note.setAttribute("role", "alert");
  card.dataset.topic = name;
  card.append(element("div", "", "head"), note);
  card.firstChild.append(heading, close);
  widgets.set(name, { card, note, close, topic: null });
  begin(name);
  $("widgets").append(card);
  remember();
}

function begin(name) {
  const widget = widgets.get(name), kind = name.slice(0, name.indexOf(":"));
  widget.note.replaceChildren();
  widget.topic = new Topic(socket, name, {
    onstatus: (status) => { widget.card.dataset.state = status; },
    onend: ({ message }) => {
      widget.card.querySelector(".body").inert = true;
      widget.note.append(message, " ", button("Try again", () => begin(name)));
    },
  });
  widget.card.dataset.state = widget.topic.status;
  const body = element("div", "", "body");
  body.append($(kind === "logs" ? "log" : kind).content.cloneNode(true));
  widget.card.querySelector(".body")?.remove();
  widget.card.insertBefore(body, widget.note);
  KINDS[kind](widget, (selector) => body.querySelector(selector));
}

function shut(name) {
  const { card, topic } = widgets.get(name);
  topic.unsubscribe();
  widgets.delete(name);
  card.remove();
  remember();
}

function remember() {
  store("open", [...widgets.keys()]);
  showOpen();
}

function showOpen() {
  $("hint").hidden = widgets.size > 0;
  for (const one of document.querySelectorAll("aside button[data-topic]")) {
    one.setAttribute("aria-pressed", String(widgets.has(one.dataset.topic)));
  }
}

function complain({ note }, error) {
  // What ends with the topic or the connection is told there.
  if (!["closed", "not_subscribed", "declined"].includes(error.code)) note.textContent = error.message;
}

function showService(widget, find) {
  const { topic } = widget;
  let latencies = [];
  const show = (reading) => {
    const { up, load, requests, latency } = reading;
    const values = { load: `${load} %`, requests: `${requests} /s`, latency: `${latency} ms` };
    for (const [name, text] of Object.entries(values)) {
      find(`[data-value=${name}]`).textContent = up ? text : "–";
    }
    widget.card.classList.toggle("down", !up);
    latencies = [...latencies, latency].slice(-60);
    const top = Math.max(100, ...latencies);
    find("polyline").setAttribute("points", latencies.map((one, at) => `${at},${20 - (19 * one) / top}`).join(" "));
  };
  topic.on("readings", ({ readings }) => { // also after the connection was lost
    latencies = [];
    readings.forEach(show);
  });
  topic.on("reading", show);
  find(".restart").onclick = async () => {
    find(".restart").disabled = true;
    widget.note.textContent = "";
    try {
      await topic.request({ action: "restart" });
    } catch (error) {
      complain(widget, error);
    }
    find(".restart").disabled = false;
  };
  topic.answer("confirm", ({ text }, { signal }) => new Promise((resolve) => {
    const decide = (yes) => {
      find(".asked").hidden = true;
      resolve({ action: "confirmed", yes });
    };
    find(".asked legend").textContent = text;
    find(".yes").onclick = () => decide(true);
    find(".no").onclick = () => decide(false);
    signal.addEventListener("abort", () => decide(false)); // it is not sent any more
    find(".asked").hidden = false;
    find(".no").focus();
  }));
}

function showLogs(widget, find) {
  const { topic } = widget;
  let following = null;
  const follow = async () => {
    following?.abort();
    const control = (following = new AbortController());
    find(".pause").textContent = "Pause";
    find(".lines").replaceChildren();
    try {
      const message = { action: "follow", level: find("select").value };
      for await (const line of topic.stream(message, { signal: control.signal })) show(line);
    } catch (error) {
      if (!control.signal.aborted) complain(widget, error);
    }
  };
  const show = ({ at, level, text }) => {
    const lines = find(".lines"), line = element("li", "", level);
    const down = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 30;
    line.append(element("time", clock.format(at)), element("span", text));
    lines.append(line);
    if (lines.childElementCount > KEPT_LINES) lines.firstChild.remove();
    if (down) lines.scrollTop = lines.scrollHeight;
  };
  topic.onopen = follow; // also after the connection was lost
  find("select").onchange = follow;
  find(".pause").onclick = () => {
    if (following?.signal.aborted) return void follow();
    following?.abort();
    find(".pause").textContent = "Follow";
  };
}

function showIncident(widget, find) {
  const { topic } = widget;
  const show = ({ who, text, at }) => {
    const item = element("li");
    item.append(element("bdi", who, "who"), element("time", clock.format(at)), element("span", text, "text"));
    item.classList.toggle("mine", who === me.name);
    find(".said").append(item);
    find(".said").scrollTop = find(".said").scrollHeight;
  };
  topic.on("story", ({ said }) => {
    find(".said").replaceChildren();
    said.forEach(show);
  });
  topic.on("said", show);
  topic.on("present", ({ people }) => { find(".people").textContent = `Here: ${people.join(", ")}`; });
  find("form").onsubmit = async (event) => {
    event.preventDefault();
    const input = find("input"), text = input.value.trim();
    if (text === "") return;
    input.value = "";
    widget.note.textContent = "";
    try {
      await topic.request({ action: "say", text });
    } catch (error) {
      if (input.value === "") input.value = text; // it may have been said: the reader decides
      complain(widget, error);
      if (topic.status === "waiting") widget.note.textContent = "Not sent: there is no connection.";
    }
  };
  find(".resolve").hidden = !me.onCall;
  find(".resolve").onclick = () => topic.send({ action: "resolve" }); // the answer is the end of the topic
}

// --- the rest of the page ------------------------------------------------------------------------------

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function button(text, onclick) {
  const made = element("button", text);
  made.type = "button";
  made.onclick = onclick;
  return made;
}

function titleOf(name) {
  const [kind, rest] = name.split(":");
  return kind === "incident" ? titles.get(name) ?? `Incident ${rest}` : kind === "logs" ? `Log of ${rest}` : rest;
}

function showMenu(id, entries) {
  $(id).replaceChildren(...entries.map(([name, text]) => {
    const item = element("li"), one = button(text, () => (widgets.has(name) ? shut(name) : open(name)));
    one.dataset.topic = name;
    item.append(one);
    return item;
  }));
  showOpen();
}

function showIncidents({ incidents }) {
  titles = new Map([...titles, ...incidents.map(({ pk, title }) => [`incident:${pk}`, title])]);
  showMenu("incidents", incidents.map(({ pk, title }) => [`incident:${pk}`, title]));
}

function showPeople(people) {
  $("people").replaceChildren(...people.map((who) => {
    const item = element("li");
    item.append(element("bdi", who));
    if (who === me.name) item.append(element("span", " (you)", "quiet"));
    return item;
  }));
}

function showState(status) {
  $("state").dataset.state = status;
  $("state").textContent = STATES[status];
}

function showReason(reason) {
  $("reason").textContent = reason;
  $("reason").hidden = reason === "";
}

$("enter").onsubmit = (event) => {
  event.preventDefault();
  if (socket !== null) return;
  me = { name: $("name").value.trim().replace(/\s+/g, " "), onCall: $("on-call").checked };
  showReason("");
  enter();
};

$("leave").onclick = () => leave("");

$("report").onsubmit = async (event) => {
  event.preventDefault();
  const title = $("title").value.trim();
  $("title").value = "";
  if (title === "") return;
  try {
    const { pk } = await socket.request({ action: "report", title });
    open(`incident:${pk}`);
  } catch {
    $("title").value = title;
  }
};

// A reload comes back to where it was.
if (me !== null) enter();
