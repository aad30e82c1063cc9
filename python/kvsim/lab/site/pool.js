// Workers that each hold one instance of the engine, and the tasks that wait for them.

/**
 * @typedef {{op: string, text?: string, dataset?: string}} Request
 * @typedef {{value: any, elapsed_ms: number}} Answer
 * @typedef {{
 *   request: Request, resolve: (answer: Answer) => void, reject: (error: Error) => void,
 *   job: Job | null,
 * }} Task
 * @typedef {{worker: Worker, task: Task | null, datasets: Set<string>}} Seat
 */

// A stale run may end by itself for so long; then its worker is ended, and a new one started.
const GRACE_MS = 120;

/** What the engine refused, or why it ended. */
export class EngineError extends Error {
  /** @param {string} kind as in core/error.hpp, or "memory" or "crash" @param {string} message */
  constructor(kind, message) {
    super(message);
    this.name = "EngineError";
    this.kind = kind;
  }
}

/** Everything that one call of the engine asked for, so that it can be dropped together. */
export class Job {
  stale = false;
}

/** @returns {DOMException} */
export function aborted() {
  return new DOMException("a newer run took this one's place", "AbortError");
}

export class Pool {
  /** @type {Seat[]} */
  #seats = [];
  /** @type {Task[]} */
  #waiting = [];
  /** @type {Map<string, Uint8Array>} */
  #datasets = new Map();
  #next = 0;
  #closed = false;
  #source;
  #init;

  /**
   * @param {number} size
   * @param {string} source the worker's script
   * @param {{module: WebAssembly.Module, inputs: Array<{call: string, texts: Uint8Array[]}>}} init
   */
  constructor(size, source, init) {
    this.#source = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.#init = init;
    for (let i = 0; i < size; ++i) this.#seats.push(this.#seat());
  }

  /** @returns {Seat} */
  #seat() {
    const worker = new Worker(this.#source);
    /** @type {Seat} */
    const seat = { worker, task: null, datasets: new Set() };
    worker.onmessage = (event) => this.#finish(seat, event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#replace(seat, new EngineError("crash", event.message || "a worker did not start"));
    };
    worker.postMessage({ op: "init", ...this.#init });
    return seat;
  }

  get size() {
    return this.#seats.length;
  }

  /** @param {string} name @param {Uint8Array} bytes columns as cpp/wasm/session.hpp has them */
  addDataset(name, bytes) {
    this.#datasets.set(name, bytes);
  }

  /**
   * @param {Request} request
   * @param {Job | null} job
   * @returns {Promise<Answer>}
   */
  ask(request, job = null) {
    if (this.#closed || job?.stale) return Promise.reject(aborted());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject, job });
      this.#dispatch();
    });
  }

  /** Ends a job: what waits is dropped at once, what runs is ended if it takes long. @param {Job} job */
  drop(job) {
    job.stale = true;
    const kept = this.#waiting.filter((task) => task.job !== job);
    for (const task of this.#waiting) if (task.job === job) task.reject(aborted());
    this.#waiting = kept;
    for (const seat of this.#seats) {
      const task = seat.task;
      if (task?.job !== job) continue;
      task.reject(aborted());
      setTimeout(() => {
        if (seat.task === task) this.#replace(seat, aborted());
      }, GRACE_MS);
    }
  }

  close() {
    this.#closed = true;
    for (const task of this.#waiting) task.reject(aborted());
    this.#waiting = [];
    for (const seat of this.#seats) {
      seat.worker.terminate();
      seat.task?.reject(aborted());
    }
    URL.revokeObjectURL(this.#source);
  }

  #dispatch() {
    for (const seat of this.#seats) {
      if (seat.task) continue;
      const task = this.#waiting.shift();
      if (!task) return;
      seat.task = task;
      this.#send(seat, task.request);
    }
  }

  /** @param {Seat} seat @param {Request} request */
  #send(seat, request) {
    const { op, text, dataset } = request;
    const bytes = dataset === undefined ? undefined : this.#datasets.get(dataset);
    if (dataset !== undefined && bytes && !seat.datasets.has(dataset)) {
      const texts = [new TextEncoder().encode(dataset), bytes];
      seat.worker.postMessage({ op: "dataset", texts });
      seat.datasets.add(dataset);
    }
    seat.worker.postMessage({ id: ++this.#next, op, text });
  }

  /** @param {Seat} seat @param {any} reply */
  #finish(seat, reply) {
    const task = seat.task;
    seat.task = null;
    this.#dispatch();
    if (!task) return;
    if (reply.failure) {
      task.reject(new EngineError(reply.failure.kind, reply.failure.message));
    } else {
      task.resolve(reply);
    }
  }

  /** @param {Seat} seat @param {Error} why */
  #replace(seat, why) {
    seat.worker.terminate();
    seat.task?.reject(why);
    seat.task = null;
    const index = this.#seats.indexOf(seat);
    if (this.#closed || index < 0) return;
    this.#seats[index] = this.#seat();
    this.#dispatch();
  }
}
