// The page: what it shows, and what its reader does. The connection is chanx.js.

import { Chanx, ChanxError } from "/chanx/chanx.js";

const PIECE = 16_384; // characters of an upload in one frame
const STATES = { connecting: "Connecting…", open: "Connected", waiting: "Reconnecting…", closed: "Not connected" };

const $ = (id) => document.getElementById(id);
const turns = new Map(); // turn -> its <li>
const papers = new Map(); // name -> its <li>
let answering = null; // what stops the answer that is being written for this tab

// The session's name is in the address, so that a reload, or another tab, finds it again.
if (location.hash.length < 2) {
  const bytes = crypto.getRandomValues(new Uint8Array(10));
  history.replaceState(null, "", "#" + [...bytes].map((byte) => (byte % 36).toString(36)).join(""));
}
$("again").href = location.href;
window.addEventListener("hashchange", () => location.reload());

const socket = new Chanx(`/sessions/${encodeURIComponent(location.hash.slice(1))}`, {
  onstatus: showStatus,
  onclose: ({ code, reason }, willRetry) => {
    if (!willRetry) complain(reason || `The server refused the connection (${code}).`);
  },
});

// --- what the server tells ---------------------------------------------------------------------------

socket.on("welcome", (frame) => {
  turns.clear();
  papers.clear();
  $("turns").replaceChildren();
  $("documents").replaceChildren();
  for (const { id, question, answer, state } of frame.turns) {
    showAsked({ turn: id, text: question });
    if (state === "writing") showWord({ turn: id, text: answer });
    else showFinished({ turn: id, answer, state });
  }
  frame.documents.forEach(showDocument);
  complain("");
});
socket.on("asked", showAsked);
socket.on("word", showWord);
socket.on("finished", showFinished);
socket.on("document", showDocument);
socket.on("removed", ({ name }) => {
  papers.get(name)?.remove();
  papers.delete(name);
  $("none").hidden = papers.size > 0;
});
socket.on("tabs", ({ count }) => { showStatus("open", count > 1 ? ` · ${count} tabs` : ""); });

socket.answer("confirm", async ({ text, yes, no }, { signal }) => {
  const chosen = await choice(text, [yes, no], signal);
  return { action: "confirmed", yes: chosen === yes };
});
socket.answer("choose", async ({ text, options }, { signal }) => {
  return { action: "chosen", option: await choice(text, options, signal) };
});

// --- asking ------------------------------------------------------------------------------------------

$("ask").onsubmit = async (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text === "" || answering !== null) return;
  $("text").value = "";
  suggest("");
  answering = new AbortController();
  showAnswering();
  try {
    for await (const frame of socket.stream({ action: "question", text }, { signal: answering.signal })) {
      if (frame.action === "asked") showAsked(frame);
      else showWord(frame);
    }
    complain("");
  } catch (error) {
    if (!answering.signal.aborted) complain(error.message);
  }
  answering.abort(); // a question that is still open will not be answered any more
  answering = null;
  showAnswering();
};

$("stop").onclick = () => answering?.abort();

$("text").oninput = () => suggest($("text").value);

// Each request makes the server give up the one before; so only the last one is answered.
async function suggest(text) {
  if (text.trim().length < 2) return showSuggestions([]);
  try {
    const { texts } = await socket.request({ action: "suggest", text });
    if ($("text").value === text) showSuggestions(texts.filter((one) => one !== text));
  } catch (error) {
    if (!(error instanceof ChanxError)) throw error; // "cancelled", mostly; a suggestion is not worth a word
  }
}

// The reader's decision. Leaving it open, by Escape or by stopping the answer, declines.
function choice(text, options, signal) {
  return new Promise((resolve, reject) => {
    const card = element("fieldset");
    const buttons = options.map((option) => {
      const button = element("button", option);
      button.type = "button";
      button.onclick = () => { end(); resolve(option); };
      return button;
    });
    const later = element("button", "Not now", "quiet");
    later.type = "button";
    later.onclick = () => decline();
    card.append(element("legend", text), ...buttons, later);
    card.onkeydown = (event) => { if (event.key === "Escape") decline(); };
    const ends = [signal, answering?.signal].filter(Boolean);
    const decline = () => { end(); reject(new ChanxError("declined", "the user did not want to answer")); };
    function end() {
      ends.forEach((one) => one.removeEventListener("abort", decline));
      const focused = card.contains(document.activeElement);
      card.remove();
      if (focused) $("text").focus();
    }
    ends.forEach((one) => one.addEventListener("abort", decline));
    $("asked").append(card);
    scrollDown();
    card.tabIndex = -1;
    card.focus(); // none of the buttons: one key too many must not delete anything
  });
}

// --- documents ---------------------------------------------------------------------------------------

$("file").onchange = async () => {
  const [file] = $("file").files;
  $("file").value = "";
  if (file === undefined) return;
  $("upload").classList.add("busy");
  try {
    show(await socket.upload({ action: "upload", name: file.name.slice(0, 80) }, pieces(file)));
  } catch (error) {
    complain(error.message);
  }
  $("upload").classList.remove("busy");
};

async function* pieces(file) {
  const reader = file.stream().pipeThrough(new TextDecoderStream()).getReader();
  for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
    for (let from = 0; from < value.length; from += PIECE) {
      yield { action: "piece", text: value.slice(from, from + PIECE) };
    }
  }
}

function show(frame) {
  if (frame.action === "problem") complain(frame.detail);
  else { complain(""); showDocument(frame); }
}

// --- showing -----------------------------------------------------------------------------------------

function element(tag, text = "", className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function showAsked({ turn, text }) {
  if (turns.has(turn)) return;
  const item = element("li");
  const answer = element("p", "", "answer");
  answer.setAttribute("aria-busy", "true"); // it is read out when it is finished, not word by word
  item.append(element("p", text, "question"), answer);
  item.dataset.state = "writing";
  turns.set(turn, item);
  $("turns").append(item);
  $("hint").hidden = true;
  scrollDown();
}

function showWord({ turn, text }) {
  const answer = turns.get(turn)?.querySelector(".answer");
  answer?.append(text);
  scrollDown();
}

function showFinished({ turn, answer, state }) {
  const item = turns.get(turn);
  if (item === undefined) return;
  item.dataset.state = state;
  const text = item.querySelector(".answer");
  text.textContent = answer;
  text.removeAttribute("aria-busy");
  if (state === "stopped") text.append(element("span", " (stopped)", "quiet"));
  scrollDown();
}

function showDocument({ name, words, summary }) {
  let item = papers.get(name);
  if (item === undefined) {
    item = element("li");
    const button = element("button", "Shorten");
    button.type = "button";
    button.setAttribute("aria-label", `Shorten the summary of ${name}`);
    button.onclick = async () => {
      try {
        show(await socket.request({ action: "shorten", document: name }));
      } catch (error) {
        complain(error.message);
      }
    };
    item.append(element("h3", name), element("p", "", "size quiet"), element("p", "", "summary"), button);
    papers.set(name, item);
    $("documents").append(item);
  }
  item.querySelector(".size").textContent = `${words.toLocaleString("en")} words`;
  item.querySelector(".summary").textContent = summary;
  $("none").hidden = true;
}

function showSuggestions(texts) {
  $("suggestions").replaceChildren(...texts.map((text) => {
    const button = element("button", text);
    button.type = "button";
    button.onclick = () => {
      $("text").value = text;
      showSuggestions([]);
      $("text").focus();
    };
    const item = element("li");
    item.append(button);
    return item;
  }));
}

function showAnswering() {
  $("send").hidden = answering !== null;
  $("stop").hidden = answering === null;
}

function showStatus(status, more = "") {
  $("state").dataset.state = status;
  $("state").textContent = STATES[status] + more;
}

function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = text === "";
}

function scrollDown() {
  $("log").scrollTop = $("log").scrollHeight;
}
