// The page: several clients, each with a connection of its own. What they missed is asked for in history.js.

import { Chanx } from "/chanx/chanx.js";
import { resume } from "/chanx/history.js";

const CLIENTS = 4;
const SHOWN = 8; // pushes of each client
const BACKOFF = { first: 2_000, max: 2_000 }; // slowly enough for something to be missed
const STATES = { starting: "starting…", running: "running", down: "killed" };

const $ = (id) => document.getElementById(id);
const clients = [];
const unanswered = new Map(); // message id -> what to say, and to say again after a lost connection

// --- a client --------------------------------------------------------------------------------------

class Client {
  process = null; // who is at the other end
  #since = Infinity; // by the server's clock: what is older was missed
  #last = null; // the number of the last tick
  #counts = { heard: 0, recovered: 0, doubled: 0, missing: 0 };

  constructor(number) {
    this.item = element("li", "", "card client");
    this.where = element("span", "", "where");
    this.where.setAttribute("role", "status");
    const title = element("h3", `Client ${number}`);
    const counts = element("dl");
    this.numbers = {};
    for (const name of Object.keys(this.#counts)) {
      this.numbers[name] = element("dd", "0");
      this.numbers[name].dataset.count = name;
      const pair = element("div");
      pair.append(element("dt", name), this.numbers[name]);
      counts.append(pair);
    }
    this.list = element("ol");
    this.item.append(title, this.where, counts, this.list);
    this.#showWhere();

    this.socket = new Chanx("/clients", { backoff: BACKOFF });
    resume(this.socket, { onlost: () => this.#lost() });
    this.socket.onstatus = (status) => {
      if (status !== "open") this.#at(null);
    };
    this.socket.on("welcome", (frame) => { this.#since = frame.at; this.#at(frame); });
    this.socket.on("tick", (frame) => this.#tick(frame));
    this.socket.on("said", (frame) => this.#show(frame, `“${frame.text}”, handled by ${frame.process}`));
    this.socket.on("processes", (frame) => showProcesses(frame.processes));
  }

  #at(welcome) {
    this.process = welcome?.process ?? null;
    this.#showWhere();
    showCounts();
    if (welcome !== null) unanswered.forEach(deliver);
  }

  // The supervisor counts without a hole, so a client sees by itself whether history.js keeps its word.
  #tick(frame) {
    this.#counts.heard += 1;
    if (this.#last !== null && frame.number <= this.#last) this.#counts.doubled += 1;
    else if (this.#last !== null) this.#counts.missing += frame.number - this.#last - 1;
    this.#last = Math.max(this.#last ?? 0, frame.number);
    this.#show(frame, `tick ${frame.number}`);
  }

  #show(frame, text) {
    const missed = frame.at < this.#since;
    if (missed) this.#counts.recovered += 1;
    const item = element("li", missed ? `${text}, recovered` : text);
    item.dataset.process = this.process;
    item.dataset.seq = frame.seq;
    item.classList.toggle("missed", missed);
    this.list.append(item);
    while (this.list.childElementCount > SHOWN) this.list.firstElementChild.remove();
    for (const [name, count] of Object.entries(this.#counts)) this.numbers[name].textContent = count;
  }

  #lost() {
    this.#last = null;
    this.list.append(element("li", "too much was missed: it begins anew", "missed"));
  }

  #showWhere() {
    this.where.textContent = this.process === null ? "reconnecting…" : `at ${this.process}`;
    if (this.process === null) delete this.item.dataset.process;
    else this.item.dataset.process = this.process;
  }
}

// --- all of them -----------------------------------------------------------------------------------

const connected = () => clients.find((client) => client.process !== null);

// chanx.js sends nothing twice. This page does, and the message's own id lets the group hear it once.
async function deliver(message) {
  unanswered.set(message.id, message);
  const client = connected();
  if (client === undefined) return; // until a welcome
  try {
    const answer = await client.socket.request(message);
    $("answer").textContent = `answered by ${answer.process}`;
  } catch (error) {
    if (error.code === "closed") return void (connected() && deliver(message));
    $("answer").textContent = `not sent: ${error.message}`;
  }
  unanswered.delete(message.id);
}

function showProcesses(processes) {
  for (const { name, pid, state, back_in: backIn } of processes) {
    const item = $(`process-${name}`) ?? newProcess(name);
    item.dataset.state = state;
    item.querySelector(".state").textContent = state === "down" ? `killed, back in ${backIn} s` : STATES[state];
    item.querySelector(".pid").textContent = pid === null ? "" : `process ${pid}`;
    item.querySelector(".kill").hidden = state === "down";
    item.querySelector(".start").hidden = state !== "down";
  }
  showCounts();
}

function newProcess(name) {
  const item = element("li", "", "card process");
  item.id = `process-${name}`;
  item.dataset.process = name;
  item.append(element("h3", name), element("span", "", "state"), element("span", "", "pid quiet"), element("span", "", "of quiet"));
  for (const [action, text] of [["kill", `Kill ${name}`], ["start", `Start ${name}`]]) {
    const button = element("button", text, action);
    button.type = "button";
    button.onclick = () => connected()?.socket.send({ action, process: name });
    item.append(button);
  }
  $("processes").append(item);
  return item;
}

function showCounts() {
  for (const item of $("processes").children) {
    const count = clients.filter((client) => client.process === item.dataset.process).length;
    item.querySelector(".of").textContent = `${count} of ${CLIENTS} clients`;
  }
}

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

$("say").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text === "") return;
  $("text").value = "";
  deliver({ action: "say", id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, text });
};

for (let number = 1; number <= CLIENTS; number++) {
  const client = new Client(number);
  clients.push(client);
  $("clients").append(client.item);
}
