// A WebSocket that comes back: the connection of one page to one room.
//
// Every frame that `ask` sends carries a `ref`, and the server gives exactly one final answer to each.
// What has no answer yet is kept, and is sent again when a new connection is ready. So nothing is lost
// when the server restarts; it may arrive twice, and the message's own id lets the server notice.

const FIRST_DELAY = 400;
const LONGEST_DELAY = 10_000;
const CONNECT_TIMEOUT = 10_000;
const STEADY = 5_000; // a connection that lasted this long was a good one

// Half of the delay is random: pages that were cut off together must not all come back together.
export function delayBefore(attempt) {
  const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempt);
  return ceiling / 2 + (Math.random() * ceiling) / 2;
}

// A refusal says 4000 + an HTTP status: one of the client's own faults will be the same next time,
// except "timeout" and "too many". So will a broken policy (1008) and a frame too large (1009).
export function isFinal(code) {
  if (code === 1008 || code === 1009) return true;
  return code >= 4400 && code < 4500 && code !== 4408 && code !== 4429;
}

export class Line {
  #url;
  #on;
  #unanswered;
  #socket = null;
  #timer = null;
  #attempt = 0;
  #ready = false;
  #ended = false;

  // `on` is told of `state(name)`, `frame(frame)`, `answer(sent, frame)` and `refused(code, reason)`.
  constructor(url, unanswered, on) {
    this.#url = url;
    this.#unanswered = unanswered;
    this.#on = on;
    this.#open();
  }

  // The page calls this at the server's first frame. An open socket is not enough: a refusal that
  // tells its reason opens the socket too.
  ready() {
    this.#ready = true;
    this.#on.state("connected");
    for (const frame of this.#unanswered.values()) this.#socket.send(JSON.stringify(frame));
  }

  ask(message) {
    const frame = { ...message, ref: crypto.randomUUID?.() ?? String(Math.random()) };
    this.#unanswered.set(frame.ref, frame);
    if (this.#ready) this.#socket.send(JSON.stringify(frame));
  }

  // Only of use now: dropped while there is no connection, and not answered.
  tell(message) {
    if (this.#ready) this.#socket.send(JSON.stringify(message));
  }

  retryNow() {
    if (this.#timer === null || this.#socket !== null) return;
    clearTimeout(this.#timer);
    this.#open();
  }

  end() {
    this.#ended = true;
    this.#ready = false;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
  }

  #open() {
    this.#on.state(this.#attempt === 0 ? "connecting" : "reconnecting");
    const socket = new WebSocket(this.#url);
    const opening = Date.now();
    this.#socket = socket;
    this.#timer = setTimeout(() => { if (!this.#ready) socket.close(); }, CONNECT_TIMEOUT);

    socket.onmessage = (event) => {
      if (this.#ended) return;
      const frame = JSON.parse(event.data);
      const sent = this.#unanswered.get(frame.ref);
      if (sent === undefined) return this.#on.frame(frame);
      this.#unanswered.delete(frame.ref);
      this.#on.answer(sent, frame);
    };

    socket.onclose = ({ code, reason }) => {
      clearTimeout(this.#timer);
      this.#socket = null;
      if (this.#ended) return;
      if (this.#ready && Date.now() - opening > STEADY) this.#attempt = 0;
      this.#ready = false;
      if (isFinal(code)) {
        this.#ended = true;
        return this.#on.refused(code, reason);
      }
      this.#on.state("reconnecting");
      this.#timer = setTimeout(() => this.#open(), delayBefore(this.#attempt));
      this.#attempt += 1;
    };
  }
}
