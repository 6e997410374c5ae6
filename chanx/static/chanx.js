/**
 * The browser's end of a chanx channel: requests, streams, uploads, questions, and a connection that comes back.
 *
 *     import { Chanx } from "/chanx/chanx.js";
 *     const socket = new Chanx("/chat", { queue: 10 });
 *     const said = await socket.request({ action: "say", text: "hello" });
 *
 * Rules: a message is sent once, never again after a lost connection. A call settles once: with the server's final
 * answer, or with an error. After `close()`, or a close code that is final, nothing is sent, received or opened.
 */
/** @typedef {{[key: string]: any}} Message what the channel receives or sends, without the keys of the envelope */
/** @typedef {{[key: string]: any}} Frame a message as it came, with `ref`, `topic`, `seq`, ... where it has them */
/** @typedef {"connecting" | "open" | "waiting" | "closed"} Status `waiting` is the time before the next attempt */
/** @typedef {Iterable<Message> | AsyncIterable<Message>} Chunks what follows a message as its stream */
/** @typedef {{signal?: AbortSignal, timeout?: number, chunks?: Chunks}} Options `timeout`: ms until the final answer */

/** Delays in milliseconds. `steady`: a connection that lasted so long was a good one, and the delays start anew. */
const BACKOFF = { first: 500, max: 30_000, restart: 3_000, busy: 5_000, steady: 5_000 };
const DEFAULTS = { discriminator: "action", protocols: [], queue: 0, connectTimeout: 10_000, random: Math.random };
const HIGH_WATER = 1 << 20; // an upload waits while the browser holds more bytes, and looks every 20 ms: nothing tells

/** Come again: broken, going away, restarting, overloaded. 4011 to 4013 are 1011 to 1013 where those cannot be sent. */
const TEMPORARY = new Set([1001, 1005, 1006, 1011, 1012, 1013, 1014, 4011, 4012, 4013, 4408, 4425, 4429]);
/** Whether the same would happen again after this close code. @param {number} code @returns {boolean} */
export const isFinal = (code) => !(TEMPORARY.has(code) || (code >= 4500 && code <= 4599));

/** The delay of an attempt, the first being 0, with full jitter: pages cut off together must not come back together. */
export function delayBefore(attempt, code, backoff = BACKOFF, random = Math.random) {
  const ceiling = Math.min(backoff.max, backoff.first * 2 ** attempt);
  if ([1001, 1012, 4012].includes(code)) return random() * Math.max(ceiling, backoff.restart);
  return ([1013, 4013, 4429, 4503].includes(code) ? backoff.busy : 0) + random() * ceiling;
}

/** The server's error frame; or `closed`, where there is no connection any more, and `timeout`, that of the call. */
export class ChanxError extends Error {
  /** @param {string} code @param {string} detail @param {object[]} errors @param {{cause?: any}} [options] */
  constructor(code, detail = "", errors = [], options) {
    super(detail || code, options);
    Object.assign(this, { name: "ChanxError", code, detail, errors });
  }
}

export class Chanx {
  #url; #options; #tag; #socket = null; #status = "connecting";
  #timer; #attempt = 0; // of the attempt under way, or until the next
  #openedAt = null; #gone = new AbortController(); #known = false; // of the one that is open; has one been before?
  #ref = 0; #calls = new Map(); #queue = []; // by ref, what waits for an answer; what waits for a connection
  #listeners = new Map(); #answers = new Map([["heartbeat", (frame) => frame]]); // by tag

  /** @param {string | URL | (() => string | URL | Promise<string | URL>)} url a function is called before each attempt
   * @param {{discriminator?: string, protocols?: string[], queue?: number, connectTimeout?: number,
   *   backoff?: Partial<typeof BACKOFF>, isFinal?: (code: number) => boolean, random?: () => number,
   *   onopen?: (reconnected: boolean) => void, onstatus?: (status: Status) => void, onmessage?: (frame: Frame) => void,
   *   onclose?: (event: {code: number, reason: string}, willRetry: boolean) => void}} options `queue`: so many messages
   *   wait for a connection; the hooks may also be set later */
  constructor(url, options = {}) {
    this.#url = typeof url === "function" ? url : absolute(url);
    this.#options = { ...DEFAULTS, isFinal, ...options, backoff: { ...BACKOFF, ...options.backoff } };
    this.#tag = this.#options.discriminator;
    for (const hook of ["onopen", "onclose", "onmessage", "onstatus"]) this[hook] = options[hook] ?? null;
    globalThis.addEventListener?.("online", this.retry);
    this.#open();
  }

  /** @returns {Status} */ get status() { return this.#status; }

  /** Send, and expect no answer. @param {Message} message @returns {boolean} false: no connection, no room to wait */
  send(message) { return this.#post({ text: JSON.stringify(message) }); }

  /** Send, and wait for the answer; null where the handler returns nothing. Of several frames it is the first.
   * @param {Message} message @param {Options} options @returns {Promise<Frame | null>} */
  request(message, options = {}) {
    return new Promise((resolve, reject) => {
      const end = (error) => (error === undefined ? resolve(null) : reject(error));
      const call = this.#call(message, options, { item: (frame) => { resolve(frame); call.settle(); }, end });
    });
  }

  /** Send when the loop begins, and iterate over the frames until `complete`. Leaving the loop cancels the stream.
   * @param {Message} message @param {Options} options @returns {AsyncGenerator<Frame, void>} */
  async *stream(message, options = {}) {
    let items = [], over = false, wrong, wake;
    const call = this.#call(message, options, {
      item: (frame) => { items.push(frame); wake?.(); },
      end: (error) => { over = true; wrong = error; wake?.(); },
    });
    try {
      while (items.length > 0 || !over) {
        options.signal?.throwIfAborted();
        if (items.length > 0) yield items.shift();
        else await new Promise((resolve) => { wake = resolve; });
      }
      if (wrong !== undefined) throw wrong;
    } finally { call.stop(); }
  }

  /** Send a message and the stream that belongs to it, and wait for the answer.
   * @param {Message} message @param {Chunks} chunks @param {Options} options @returns {Promise<Frame | null>} */
  upload(message, chunks = {}, options = {}) { return this.request(message, { ...options, chunks }); }

  /** Call back for what the server pushes with this tag; returns what ends that.
   * @param {string} tag @param {(frame: Frame) => void} listener @returns {() => void} */
  on(tag, listener) {
    const listeners = this.#listeners.get(tag) ?? new Set();
    this.#listeners.set(tag, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Answer the server's questions with this tag; to throw is to decline. The signal aborts with the connection.
   * @param {string} tag @param {(question: Frame, life: {signal: AbortSignal}) => Message | Promise<Message>} answer */
  answer(tag, answer) { this.#answers.set(tag, answer); }

  /** Do not wait for the next attempt any longer. */
  retry = () => { if (this.#status === "waiting") this.#open(); };

  /** End it for good. @param {number} code 1000, or 3000 to 4999 @param {string} reason */
  close(code = 1000, reason = "") {
    if (this.#status === "closed") return;
    const socket = this.#socket;
    socket?.close(code, reason);
    if (socket !== null) socket.onopen = socket.onmessage = socket.onclose = null;
    this.#lost({ code, reason }, true);
  }

  async #open() {
    clearTimeout(this.#timer);
    this.#become("connecting");
    let socket, url = this.#url;
    try {
      if (typeof url === "function") url = absolute(await Promise.race([url(), late(this.#options.connectTimeout)]));
      if (this.#status === "closed") return;
      socket = this.#socket = new WebSocket(url, this.#options.protocols);
    } catch (error) {
      if (this.#status === "closed") return;
      const fixed = typeof this.#url !== "function" || undefined; // it would fail in the same way each time: say so
      return void (this.#lost({ code: 1006, reason: String(error) }, fixed), safely(fixed && (() => { throw error; })));
    }
    this.#timer = setTimeout(() => socket.close(), this.#options.connectTimeout);
    socket.onopen = () => {
      clearTimeout(this.#timer);
      this.#openedAt = Date.now();
      this.#gone = new AbortController();
      this.#become("open");
      safely(this.onopen, this.#known); // before what waits: it may have to restore something first
      this.#known = true;
      while (this.#queue.length > 0 && socket.readyState === 1) this.#post(this.#queue.shift());
    };
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    socket.onclose = (event) => this.#lost(event);
  }

  #lost(event, final = this.#options.isFinal(event.code)) {
    const { backoff, random } = this.#options, opened = this.#openedAt;
    clearTimeout(this.#timer);
    if (opened !== null && Date.now() - opened >= backoff.steady) this.#attempt = 0;
    this.#openedAt = this.#socket = null;
    this.#gone.abort();
    if (final) globalThis.removeEventListener?.("online", this.retry);
    else this.#timer = setTimeout(() => this.#open(), delayBefore(this.#attempt++, event.code, backoff, random));
    const error = new ChanxError("closed", event.reason || `closed with ${event.code}`, [], { cause: event });
    for (const call of [...this.#calls.values()]) if (final || call.sent) call.settle(error);
    this.#become(final ? "closed" : "waiting");
    safely(this.onclose, event, this.#status !== "closed");
  }

  #become(status) { if (this.#status !== status) safely(this.onstatus, (this.#status = status)); }
  #post(one) {
    if (this.#write(one.text)) one.sent?.();
    else if (this.#status === "closed" || this.#queue.length >= this.#options.queue) return false;
    else this.#queue.push(one);
    return true;
  }

  #write(text) { return this.#socket?.readyState === 1 && (this.#socket.send(text), true); }

  #call(message, { signal, timeout, chunks }, { item, end }) {
    const ref = ++this.#ref, text = JSON.stringify({ ...message, ref });
    const one = { text, sent: () => { call.sent = true; if (chunks !== undefined) this.#pump(call, chunks); } };
    let timer;
    const settle = (error) => {
      if (!this.#calls.delete(ref)) return;
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      end(error);
    };
    const stop = (error) => {
      if (this.#calls.has(ref)) this.#write(JSON.stringify({ [this.#tag]: "cancel", ref }));
      this.#queue = this.#queue.filter((other) => other !== one);
      settle(error);
    };
    const abort = () => stop(signal.reason);
    const call = { ref, sent: false, item, settle, stop };
    this.#calls.set(ref, call);
    signal?.addEventListener("abort", abort);
    if (timeout !== undefined) timer = setTimeout(() => stop(new ChanxError("timeout", "no answer in time")), timeout);
    if (signal?.aborted) abort();
    else if (!this.#post(one)) settle(new ChanxError("closed", "there is no connection, and no room to wait for one"));
    return call;
  }

  async #pump(call, chunks) {
    const { ref } = call, socket = this.#socket, going = () => this.#calls.has(ref) && this.#socket === socket;
    try {
      for await (const chunk of chunks) {
        if (!going()) return; // answered before its end
        this.#write(JSON.stringify({ ...chunk, ref }));
        while (going() && socket.bufferedAmount > HIGH_WATER) await new Promise((after) => setTimeout(after, 20));
      }
      if (going()) this.#write(JSON.stringify({ [this.#tag]: "complete", ref }));
    } catch (error) { call.stop(error); }
  }

  #receive(frame) {
    const tag = frame[this.#tag], call = this.#calls.get(frame.ref);
    if (frame.ask !== undefined) this.#question(frame, tag);
    else if (!Number.isInteger(frame.ref)) this.#push(frame, tag); // our refs are numbers; late answers are dropped
    else if (tag === "error") call?.settle(failure(frame));
    else if (tag === "ack" || tag === "complete") call?.settle();
    else call?.item(frame);
  }

  /** What no call waits for. To keep `seq` and `epoch` of a stream, or to tell topics apart, begin here. */
  #push(frame, tag) {
    safely(this.onmessage, frame);
    for (const listener of [...(this.#listeners.get(tag) ?? [])]) safely(listener, frame);
  }

  async #question(frame, tag) {
    const { ask } = frame, socket = this.#socket, { signal } = this.#gone;
    let reply;
    try {
      if (tag === "error") throw failure(frame); // our answer was invalid, and the server still waits
      if (!this.#answers.has(tag)) throw new ChanxError("declined", `nobody here answers ${tag}`);
      reply = await this.#answers.get(tag)(frame, { signal });
    } catch (error) {
      const code = error instanceof ChanxError ? error.code : "declined";
      reply = { [this.#tag]: "error", payload: { code, detail: String(error?.message ?? error) } };
    }
    if (socket === this.#socket) this.#write(JSON.stringify({ ...reply, ask }));
  }
}

const failure = ({ payload = {} }) => new ChanxError(payload.code, payload.detail, payload.errors);
const late = (ms) => new Promise((_, fail) => setTimeout(fail, ms, new ChanxError("timeout", "no address in time")));
const absolute = (url) => new URL(url ?? "missing:", globalThis.location?.href).href.replace(/^http/, "ws");

/** Call a function of the page's: what it raises is the page's, and does not stop the connection. */
function safely(hook, ...values) {
  try { hook?.(...values); } catch (error) { queueMicrotask(() => { throw error; }); }
}
