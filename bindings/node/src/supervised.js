'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const { classes } = require('./errors.js');

const { StargateError } = classes;

// Between a failure and the next attempt.
const PAUSE_MS = 500;
// What has failed needs no time for its close, but its handlers may.
const DISCARD_MS = 1000;

/** A producer, consumer or reader of a supervisor: it is opened, watched, and opened again after a permanent error. */
class Supervised {
  #what;
  #maxRestarts;
  #maxSeconds;
  #open;
  #handle = null;
  #failure = null;
  #restarts = [];
  #stopping = new AbortController();

  /** `open(waiting, onFailed)` opens it, and tells `onFailed` what ends it. */
  constructor(what, { maxRestarts, maxSeconds }, open) {
    this.#what = what;
    this.#maxRestarts = maxRestarts;
    this.#maxSeconds = maxSeconds;
    this.#open = open;
  }

  /** Opens it for the first time, and watches it from then on. */
  async start(waiting) {
    const { failed } = await this.#attempt(waiting);
    this.#watch(failed);
  }

  /** What is open now; throws the error that it ended with. */
  get handle() {
    if (this.#failure !== null) throw this.#failure;
    return this.#handle;
  }

  /** Whether it was given up, or closed by the application. */
  get isOver() {
    return this.#stopping.signal.aborted || (this.#failure === null && this.#handle._closed); // a restart closes it too
  }

  /** Opens it no more. */
  stop() {
    this.#stopping.abort();
  }

  /** Opens it no more, and closes it. */
  async discard() {
    this.stop();
    await this.#handle.close({ timeout: DISCARD_MS }).catch(() => {});
  }

  /** Opens it. The result, in an object, is a promise of what ends it. */
  async #attempt(waiting) {
    let fail;
    const failed = new Promise((resolve) => {
      fail = resolve;
    });
    this.#handle = await this.#open(waiting, fail);
    this.#failure = null;
    return { failed };
  }

  async #watch(failed) {
    while (failed !== undefined) failed = (await this.#reopen(await failed))?.failed;
  }

  /** As #attempt, after it has failed; undefined once it has failed too often, or was stopped. */
  async #reopen(error) {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#failure = error;
      if (!this.#mayRestart()) {
        warn(`${this.#what} was given up after ${this.#restarts.length} restarts: ${error.message}`);
        this.stop();
        return undefined;
      }
      warn(`${this.#what} failed, and is opened again: ${error.message}`);
      try {
        await sleep(PAUSE_MS, undefined, { signal });
        await this.#handle.close({ timeout: DISCARD_MS, signal }).catch(() => {});
        return await this.#attempt({ signal });
      } catch (again) {
        if (again instanceof StargateError) error = again;
        else if (!signal.aborted) throw again;
      }
    }
    return undefined;
  }

  /** Counts a restart; false if there were too many. */
  #mayRestart() {
    const now = performance.now();
    this.#restarts = this.#restarts.filter((at) => now - at < this.#maxSeconds * 1000);
    return this.#restarts.length < this.#maxRestarts && this.#restarts.push(now) > 0;
  }
}

function warn(text) {
  process.emitWarning(text, 'StargateSupervisorWarning');
}

module.exports = { Supervised };
