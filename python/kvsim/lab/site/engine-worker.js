// One instance of the engine in a worker. A classic script without imports: it is started from a
// blob, so that the page also works from a file. The protocol is in engine.js.

/** @typedef {{kind: string, message: string}} EngineFailure */

const KINDS = ["config", "infeasible", "livelock", "invariant", "deadline", "cancelled"];
/** @type {Record<string, (buffer: ArrayBuffer, address: number, rows: number) => ArrayLike<number>>} */
const READERS = {
  float64: (b, a, n) => new Float64Array(b, a, n).slice(),
  int32: (b, a, n) => new Int32Array(b, a, n).slice(),
  uint8: (b, a, n) => new Uint8Array(b, a, n).slice(),
  // Nanoseconds are whole and below 2^53 for runs of up to 104 days; beyond, they are rounded.
  int64: (b, a, n) => Float64Array.from(new BigInt64Array(b, a, n), Number),
  uint64: (b, a, n) => Float64Array.from(new BigUint64Array(b, a, n), Number),
};

/** @type {WebAssembly.Module} */
let module;
/** @type {Array<{call: string, texts: Uint8Array[]}>} what every new instance is told */
let inputs = [];
/** @type {any} exports of the instance, null where a new one is needed */
let engine = null;
/** @type {EngineFailure | null} */
let failure = null;

/** The part of WASI that libc asks for; the engine reads no files, clocks or environment. */
const wasi = {
  /** @param {number} code */
  proc_exit(code) {
    throw new Error(`the engine ended with ${code}`);
  },
  /** @param {number} count @param {number} size */
  environ_sizes_get(count, size) {
    const view = new DataView(engine.memory.buffer);
    view.setUint32(count, 0, true);
    view.setUint32(size, 0, true);
    return 0;
  },
  environ_get: () => 0,
  clock_time_get: () => 52, // ENOSYS
  fd_close: () => 8, // EBADF, and so on: there are no files
  fd_read: () => 8,
  fd_write: () => 8,
  fd_seek: () => 8,
  fd_fdstat_get: () => 8,
  fd_prestat_get: () => 8,
  fd_prestat_dir_name: () => 8,
};

function start() {
  const missing = () => 52;
  engine = new WebAssembly.Instance(module, {
    env: {
      /** @param {number} kind @param {number} address @param {number} size */
      kvsim_host_error(kind, address, size) {
        failure = { kind: KINDS[kind] ?? "unknown", message: text(address, size) };
      },
    },
    wasi_snapshot_preview1: /** @type {any} */ (
      new Proxy(wasi, { get: (calls, name) => Reflect.get(calls, name) ?? missing })
    ),
  }).exports;
  engine._initialize();
  for (const { call, texts } of inputs) invoke(call, ...texts);
}

/** @param {number} address @param {number} size */
function text(address, size) {
  return new TextDecoder().decode(new Uint8Array(engine.memory.buffer, address, size));
}

/** @param {string} name @param {...Uint8Array} texts */
function invoke(name, ...texts) {
  const places = texts.map((bytes) => {
    const address = engine.kvsim_alloc(bytes.length);
    if (address === 0 && bytes.length > 0) throw new Error("the engine is out of memory");
    new Uint8Array(engine.memory.buffer).set(bytes, address);
    return [address, bytes.length];
  });
  engine[name](...places.flat());
  for (const [address] of places) engine.kvsim_free(address);
}

/** @param {string} name @param {...Uint8Array} texts */
function ask(name, ...texts) {
  invoke(name, ...texts);
  return text(engine.kvsim_output(), engine.kvsim_output_size());
}

/**
 * Replaces where a column lies by the column.
 * @param {Record<string, Record<string, [string, number, number]>>} tables
 */
function copied(tables) {
  return Object.fromEntries(
    Object.entries(tables).map(([table, columns]) => [
      table,
      Object.fromEntries(
        Object.entries(columns).map(([name, [type, address, rows]]) => [
          name,
          READERS[type](engine.memory.buffer, address, rows),
        ]),
      ),
    ]),
  );
}

/** @param {Record<string, Record<string, {buffer: ArrayBuffer}>>} tables */
function buffers(tables) {
  return Object.values(tables).flatMap((table) => Object.values(table).map((c) => c.buffer));
}

/** @param {{op: string, text?: string}} request */
function answer(request) {
  const bytes = new TextEncoder().encode(request.text ?? "");
  switch (request.op) {
    case "version":
      return ask("kvsim_version");
    case "run": {
      const run = JSON.parse(ask("kvsim_run", bytes));
      run.columns = copied(run.columns);
      return run;
    }
    case "canonical":
      return ask("kvsim_canonical", bytes);
    case "theory":
      return JSON.parse(ask("kvsim_theory", bytes));
    default:
      throw new Error(`unknown request ${request.op}`);
  }
}

self.onmessage = (event) => {
  const request = event.data;
  if (request.op === "init") {
    module = request.module;
    inputs = request.inputs;
    engine = null;
    return;
  }
  if (request.op === "dataset") {
    inputs.push({ call: "kvsim_add_dataset", texts: request.texts });
    if (engine) invoke("kvsim_add_dataset", ...request.texts);
    return;
  }
  failure = null;
  try {
    if (!engine) start();
    const begin = performance.now();
    const value = answer(request);
    const reply = { id: request.id, value, elapsed_ms: performance.now() - begin };
    self.postMessage(reply, { transfer: buffers(value?.columns ?? {}) });
  } catch (error) {
    engine = null; // after a trap the memory is in no known state
    const message = error instanceof Error ? error.message : String(error);
    const full = message.includes("memory") || error instanceof RangeError;
    self.postMessage({
      id: request.id,
      failure: failure ?? { kind: full ? "memory" : "crash", message },
    });
  }
};
