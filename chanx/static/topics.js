/**
 * Topics: several streams on the connection of one chanx.js, each with pushes, calls and questions of its own.
 *
 *     import { Chanx } from "/chanx/chanx.js";
 *     import { Topic } from "/chanx/topics.js";
 *     const discussion = new Topic(new Chanx("/hub"), "discussion:5");
 *     discussion.on("said", ({ text }) => show(text));
 *     await discussion.ready; // it throws where the server refuses
 *
 * Rules: those of chanx.js. A topic is subscribed as soon as there is a connection, and again on each that follows,
 * before anything else is sent within it. When it has ended, nothing is sent or heard within it, and it does not come
 * back: make another one.
 */
import { ChanxError, Endpoint, safely } from "./chanx.js";

/**
 * @typedef {import("./chanx.js").Message} Message
 * @typedef {import("./chanx.js").Frame} Frame
 * @typedef {import("./chanx.js").Chunks} Chunks
 * @typedef {import("./chanx.js").Options} Options
 * @typedef {import("./chanx.js").Status} Status here `connecting` is the time until the server has answered
 */

export class Topic extends Endpoint {
  #socket; #name; #status = "waiting"; #known = false; // has it been open before?
  #deaf = false; #left; // what still comes is for the one before, or for nobody; settles when no more of it comes
  #resolve; #reject;

  /** Settles with the first answer of the server's, or with the end. @type {Promise<void>} */
  ready = new Promise((resolve, reject) => { this.#resolve = resolve; this.#reject = reject; });

  /** @param {import("./chanx.js").Chanx} socket
   * @param {string} name of the topic; a socket has one `Topic` for each at a time
   * @param {{onopen?: (again: boolean) => void, onend?: (error: ChanxError) => void,
   *   onstatus?: (status: Status) => void, onmessage?: (frame: Frame) => void}} hooks `onend`: it has ended, and not by
   *   `unsubscribe()`; the error is the refusal, or `closed`, whose cause has code and reason; may also be set later */
  constructor(socket, name, hooks = {}) {
    super();
    const before = socket._topics.get(name);
    if (before !== undefined && before.status !== "closed") throw new Error(`share the Topic that ${name} has already`);
    this.#socket = socket;
    this.#name = name;
    this._keys = { topic: name };
    for (const hook of ["onopen", "onend", "onmessage", "onstatus"]) this[hook] = hooks[hook] ?? null;
    this.ready.catch(() => {}); // who does not wait for it is told by `onend`
    this.#deaf = before !== undefined;
    if (this.#deaf) before.#left.then(() => { this.#deaf = this.#status === "closed"; });
    socket._topics.set(name, this);
    this._opened();
    if (socket.status === "closed") queueMicrotask(() => this.#end(closed("the connection is closed")));
  }

  /** @returns {string} */ get name() { return this.#name; }
  /** @returns {Status} */ get status() { return this.#status; }

  /** As that of the socket. @param {Message} message @returns {boolean} false, too, where the topic has ended */
  send(message) { return this.#status !== "closed" && this.#socket.send(message, this); }

  /** As that of the socket. @param {Message} message @param {Options} options @returns {Promise<Frame | null>} */
  async request(message, options = {}) { return this.#socket.request(message, this.#within(options)); }

  /** As that of the socket. @param {Message} message @param {Options} options @returns {AsyncGenerator<Frame, void>} */
  async *stream(message, options = {}) { yield* this.#socket.stream(message, this.#within(options)); }

  /** As that of the socket. @param {Message} message @param {Chunks} chunks @param {Options} options */
  upload(message, chunks = {}, options = {}) { return this.request(message, { ...options, chunks }); }

  /** End it: calls under way are rejected with `closed`, and nothing more is heard. A new `Topic` may follow at once.
   * @returns {Promise<void>} when the server has left it, too, or the connection is lost */
  unsubscribe() {
    const told = this.#status === "open" || this.#status === "connecting";
    if (told && this.#socket._writable) this.#left = this.#control("unsubscribe").then(() => {}, () => {});
    this.#over(closed("the page has unsubscribed"));
    return this.#left ?? Promise.resolve();
  }

  async _opened() {
    if (this.#status !== "waiting" || !this.#socket._writable) return;
    const { signal } = (this._gone = new AbortController());
    const answer = this.#control("subscribe");
    this.#become("connecting");
    try {
      await answer;
    } catch (error) { return signal.aborted ? undefined : this.#end(error); }
    if (signal.aborted) return;
    this.#become("open");
    this.#resolve();
    safely(this.onopen, this.#known);
    this.#known = true;
  }

  _lost(error, final) {
    this._gone.abort();
    if (final) this.#end(error);
    else if (this.#status !== "closed") this.#become("waiting");
  }

  _push(frame, tag) {
    const { code, reason } = frame.payload ?? {};
    if (this.#deaf) return;
    if (tag === "unsubscribed") this.#end(closed(reason || `ended with ${code}`, { cause: frame.payload }));
    else super._push(frame, tag);
  }

  async _question(...values) { if (!this.#deaf) await super._question(...values); }

  #control(word) { return this.#socket.request({ [this.#socket._tag]: word, topic: this.#name }); }
  #become(status) { if (this.#status !== status) safely(this.onstatus, (this.#status = status)); }

  #within(options) {
    if (this.#status === "closed") throw closed("the topic has ended");
    return { ...options, within: this };
  }

  #end(error) { if (this.#over(error)) safely(this.onend, error); }

  #over(error) {
    if (this.#status === "closed") return false;
    const { _topics } = this.#socket, gone = () => _topics.get(this.#name) === this && _topics.delete(this.#name);
    this.#deaf = true;
    this._gone.abort();
    this.#left === undefined ? gone() : this.#left.then(gone); // until then it takes what still comes
    this.#socket._settle((one) => one.within === this, error);
    this.#reject(error);
    this.#become("closed");
    return true;
  }
}

const closed = (detail, options) => new ChanxError("closed", detail, [], options);
