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

/** One that hears and answers the server: a connection, or one of its topics. Names with `_` are for topics.js only. */
export class Endpoint {
  #listeners = new Map(); #answers = new Map([["heartbeat", (frame) => frame]]); // by tag
  _keys = {}; _gone = new AbortController(); onmessage = null; // what all its frames have; aborts with its life; a hook

  /** Hear what is pushed. @param {string} tag @param {(frame: Frame) => void} listener @returns {() => void} to stop */
  on(tag, listener) {
    const listeners = this.#listeners.get(tag) ?? new Set();
    this.#listeners.set(tag, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** Answer the server's questions with this tag; to throw is to decline. The signal aborts with the connection.
   * @param {string} tag @param {(question: Frame, life: {signal: AbortSignal}) => Message | Promise<Message>} answer */
  answer(tag, answer) { this.#answers.set(tag, answer); }
  _push(frame, tag) { // what no call waits for: to keep `seq` and `epoch` of a stream, begin here
    safely(this.onmessage, frame);
    for (const listener of [...(this.#listeners.get(tag) ?? [])]) safely(listener, frame);
  }

  async _question(frame, tag, discriminator, write) {
    const { signal } = this._gone;
    let reply;
    try {
      if (tag === "error") throw failure(frame); // our answer was invalid, and the server still waits
      if (!this.#answers.has(tag)) throw new ChanxError("declined", `nobody here answers ${tag}`);
      reply = await this.#answers.get(tag)(frame, { signal });
    } catch (error) {
      const code = error instanceof ChanxError ? error.code : "declined";
      reply = { [discriminator]: "error", payload: { code, detail: String(error?.message ?? error) } };
    }
    if (!signal.aborted) write({ ...reply, ...this._keys, ask: frame.ask });
  }
}

export class Chanx extends Endpoint {
  #url; #options; #socket = null; #status = "connecting"; _tag; _topics = new Map(); // the discriminator; by name
  #timer; #attempt = 0; #openedAt = null; #known = false; // of this attempt; has one been open before?
  #ref = 0; #calls = new Map(); #queue = []; // by ref, what waits for an answer; what waits for a connection

  /** @param {string | URL | (() => string | URL | Promise<string | URL>)} url a function is called before each attempt
   * @param {{discriminator?: string, protocols?: string[], queue?: number, connectTimeout?: number,
   *   backoff?: Partial<typeof BACKOFF>, isFinal?: (code: number) => boolean, random?: () => number,
   *   onopen?: (reconnected: boolean) => void, onstatus?: (status: Status) => void, onmessage?: (frame: Frame) => void,
   *   onclose?: (event: {code: number, reason: string}, willRetry: boolean) => void}} options hooks may be set later */
  constructor(url, options = {}) {
    super();
    this.#url = typeof url === "function" ? url : absolute(url);
    this.#options = { ...DEFAULTS, isFinal, ...options, backoff: { ...BACKOFF, ...options.backoff } };
    this._tag = this.#options.discriminator;
    for (const hook of ["onopen", "onclose", "onmessage", "onstatus"]) this[hook] = options[hook] ?? null;
    globalThis.addEventListener?.("online", this.retry);
    this.#open();
  }

  /** @returns {Status} */ get status() { return this.#status; }
  get _writable() { return this.#socket?.readyState === 1; } // not yet, or not any more, at either end of `open`
  /** Send, and expect no answer. @param {Message} message @returns {boolean} false: no connection, no room to wait */
  send(message, within = this) { return this.#post({ within, text: JSON.stringify({ ...message, ...within._keys }) }); }

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

  /** `request` with the option `chunks`. @param {Message} message @param {Chunks} chunks @param {Options} options */
  upload(message, chunks = {}, options = {}) { return this.request(message, { ...options, chunks }); }
  /** Wait no longer for the next attempt. */ retry = () => { if (this.#status === "waiting") this.#open(); };

  /** End it for good. @param {number} code 1000, or 3000 to 4999 @param {string} reason */
  close(code = 1000, reason = "") {
    if (this.#status === "closed") return;
    this.#socket?.close(code, reason);
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
      if (socket !== this.#socket) return; // closed by the page
      clearTimeout(this.#timer);
      this.#openedAt = Date.now();
      this._gone = new AbortController();
      for (const topic of this._topics.values()) topic._opened(); // before all that is sent within them
      this.#become("open");
      safely(this.onopen, this.#known); // before what waits: it may have to restore something first
      this.#known = true;
      while (this.#queue.length > 0 && socket.readyState === 1) this.#post(this.#queue.shift());
    };
    socket.onmessage = ({ data }) => { if (socket === this.#socket) this.#receive(JSON.parse(data)); };
    socket.onclose = (event) => { if (socket === this.#socket) this.#lost(event); };
  }

  #lost(event, final = this.#options.isFinal(event.code)) {
    const { backoff, random } = this.#options, opened = this.#openedAt;
    clearTimeout(this.#timer);
    if (opened !== null && Date.now() - opened >= backoff.steady) this.#attempt = 0;
    this.#openedAt = this.#socket = null;
    this._gone.abort();
    if (final) globalThis.removeEventListener?.("online", this.retry);
    else this.#timer = setTimeout(() => this.#open(), delayBefore(this.#attempt++, event.code, backoff, random));
    const error = new ChanxError("closed", event.reason || `closed with ${event.code}`, [], { cause: event });
    this._settle((call) => final || call.sent, error);
    this.#become(final ? "closed" : "waiting");
    for (const topic of [...this._topics.values()]) topic._lost(error, final);
    safely(this.onclose, event, this.#status !== "closed");
  }

  #become(status) { if (this.#status !== status) safely(this.onstatus, (this.#status = status)); }
  #write(frame) { if (this._writable) this.#socket.send(JSON.stringify(frame)); }
  #post(one) {
    if (this._writable) {
      this.#socket.send(one.text);
      one.sent = true;
      if (one.chunks !== undefined) this.#pump(one);
    } else if (this.#status === "closed" || this.#queue.length >= this.#options.queue) return false;
    else this.#queue.push(one);
    return true;
  }

  #call(message, { signal, timeout, chunks, within = this }, { item, end }) {
    const ref = ++this.#ref, keys = { ...within._keys, ref };
    const settle = (error) => {
      if (!this.#calls.delete(ref)) return;
      clearTimeout(call.timer);
      signal?.removeEventListener("abort", abort);
      end(error);
    };
    const stop = (error) => {
      if (call.sent && this.#calls.has(ref)) this.#write({ [this._tag]: "cancel", ...keys });
      this._settle((one) => one === call, error);
    };
    const abort = () => stop(signal.reason);
    const text = JSON.stringify({ ...message, ...keys }), call = { within, keys, text, chunks, item, settle, stop };
    this.#calls.set(ref, call);
    signal?.addEventListener("abort", abort);
    if (timeout !== undefined) call.timer = setTimeout(stop, timeout, new ChanxError("timeout", "no answer in time"));
    if (signal?.aborted) abort();
    else if (!this.#post(call)) settle(new ChanxError("closed", "there is no connection, and no room to wait for one"));
    return call;
  }

  async #pump({ keys, chunks, stop }) {
    const socket = this.#socket, going = () => this.#calls.has(keys.ref) && this.#socket === socket;
    try {
      for await (const chunk of chunks) {
        if (!going()) return; // answered before its end
        this.#write({ ...chunk, ...keys });
        while (going() && socket.bufferedAmount > HIGH_WATER) await new Promise((after) => setTimeout(after, 20));
      }
      if (going()) this.#write({ [this._tag]: "complete", ...keys });
    } catch (error) { stop(error); }
  }

  #receive(frame) {
    const tag = frame[this._tag], call = this.#calls.get(frame.ref);
    const end = (frame.topic ?? null) === null ? this : this._topics.get(frame.topic); // undefined: it was left
    if (frame.ask !== undefined) end?._question(frame, tag, this._tag, (reply) => this.#write(reply));
    else if (!Number.isInteger(frame.ref)) end?._push(frame, tag); // our refs are numbers; late answers are dropped
    else if (["error", "ack", "complete"].includes(tag)) call?.settle(tag === "error" ? failure(frame) : undefined);
    else call?.item(frame);
  }
  _settle(meant, error) { // of what waits in the queue, or for an answer
    this.#queue = this.#queue.filter((one) => !meant(one));
    for (const call of [...this.#calls.values()]) if (meant(call)) call.settle(error);
  }
}

const failure = ({ payload = {} }) => new ChanxError(payload.code, payload.detail, payload.errors);
const late = (ms) => new Promise((_, fail) => setTimeout(fail, ms, new ChanxError("timeout", "no address in time")));
const absolute = (url) => new URL(url ?? "missing:", globalThis.location?.href).href.replace(/^http/, "ws");
/** Call a function of the page's: what it raises is the page's, and does not stop the connection. */
export function safely(hook, ...values) {
  try { hook?.(...values); } catch (error) { queueMicrotask(() => { throw error; }); }
}
