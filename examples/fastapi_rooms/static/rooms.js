// The page. Four connections: the room, jobs, notices, and one that carries all topics.

const RETRY_FIRST = 500; // ms; twice as long after each failure
const RETRY_MOST = 10_000;

const $ = (id) => document.getElementById(id);
const shown = { jobs: new Map(), tally: -1, typing: 0 };
let sockets = {};

class Socket {
  constructor(path, handlers, onopen = () => {}) {
    this.path = path;
    this.handlers = handlers;
    this.onopen = onopen;
    this.wait = RETRY_FIRST;
    this.open();
  }

  open() {
    const url = new URL(`${this.path}?${new URLSearchParams({ token: $("token").value })}`, location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const ws = (this.ws = new WebSocket(url));
    ws.onopen = () => {
      this.wait = RETRY_FIRST;
      this.onopen();
      if (Object.values(sockets).every((socket) => socket.isOpen)) showState("Connected");
    };
    ws.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      this.handlers[frame.action]?.(frame.payload, frame);
    };
    ws.onclose = ({ code }) => {
      if (this.ended) return;
      if (code >= 4400 && code < 4500) {
        showState(`Refused (${code})`);
        return;
      }
      showState("Reconnecting…");
      this.timer = setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(this.wait * 2, RETRY_MOST);
    };
  }

  get isOpen() {
    return this.ws.readyState === WebSocket.OPEN;
  }

  send(action, payload = null, beside = {}) {
    if (!this.isOpen) return false;
    this.ws.send(JSON.stringify({ action, payload, ...beside }));
    return true;
  }

  close() {
    this.ended = true;
    clearTimeout(this.timer);
    this.ws.close();
  }
}

function enter() {
  Object.values(sockets).forEach((socket) => socket.close());
  $("jobs").replaceChildren();
  shown.jobs.clear();
  shown.tally = -1;
  sockets = {
    room: new Socket(`/ws/rooms/${encodeURIComponent($("room").value)}`, {
      history: ({ recent }) => {
        $("log").replaceChildren();
        recent.forEach(({ who, text }) => line(`${who}: ${text}`));
      },
      said: ({ who, text }) => {
        $("typing").textContent = "";
        line(`${who}: ${text}`);
      },
      joined: ({ who }) => line(`${who} has come`, "aside"),
      left: ({ who }) => line(`${who} has left`, "aside"),
      announced: ({ text }) => line(text, "aside"),
      is_typing: ({ who }) => {
        $("typing").textContent = `${who} is writing…`;
        clearTimeout(shown.typing);
        shown.typing = setTimeout(() => ($("typing").textContent = ""), 4_000);
      },
      error: (payload) => line(`Not sent: ${JSON.stringify(payload)}`, "aside"),
    }),
    jobs: new Socket("/ws/jobs", { job_state: showJob }),
    notices: new Socket("/ws/notices", {
      notice: ({ title, sent_by: by }) => item("notices", `${title} (${by})`),
      maintenance: ({ minutes }) => item("notices", `Down for maintenance in ${minutes} minutes`),
    }),
    live: new Socket(
      "/ws/live",
      {
        // A tally that comes late is older than what is shown. The one that a subscription begins with has no `seq`.
        tally: ({ yes, no }, { seq }) => {
          if (seq !== undefined && seq < shown.tally) return;
          shown.tally = seq ?? shown.tally;
          $("yes").value = yes;
          $("no").value = no;
        },
        activity: ({ room }) => ($("activity").textContent = room),
      },
      () => ["poll:lunch", "activity"].forEach((topic) => sockets.live.send("subscribe", null, { topic })),
    ),
  };
}

function showState(text) {
  $("state").textContent = text;
}

function line(text, kind = "") {
  const log = $("log");
  item("log", text).className = kind;
  log.scrollTop = log.scrollHeight;
}

function item(list, text) {
  const made = document.createElement("li");
  made.textContent = text;
  $(list).append(made);
  return made;
}

function showJob({ jobId, state, result }) {
  if (!shown.jobs.has(jobId)) shown.jobs.set(jobId, item("jobs", ""));
  shown.jobs.get(jobId).textContent = result ?? state;
}

function onsubmit(form, act) {
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
}

onsubmit("enter", enter);
onsubmit("say", () => {
  if (sockets.room?.send("say", { text: $("text").value })) $("text").value = "";
});
onsubmit("job", () => sockets.jobs?.send("start_job", { text: $("job-text").value, maxWords: Number($("job-words").value) }));
onsubmit("notify", async () => {
  const answer = await fetch("/api/notices", {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${$("token").value}` },
    body: JSON.stringify({ title: $("notice").value }),
  });
  if (answer.ok) $("notice").value = "";
});

let said = 0;
$("text").addEventListener("input", () => {
  if (Date.now() - said > 2_000 && sockets.room?.send("typing")) said = Date.now();
});
for (const button of document.querySelectorAll(".vote")) {
  button.addEventListener("click", () => sockets.live?.send("vote", { choice: button.value }, { topic: "poll:lunch" }));
}
