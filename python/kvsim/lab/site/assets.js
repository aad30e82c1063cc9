// Where the page's files come from: from beside this module, from the single HTML file that holds
// them all, or from whoever hosts the instruments (a notebook).

/** @type {((name: string) => Promise<Uint8Array>) | null} */
let provider = null;

/**
 * Lets a host that has no files hand them over.
 * @param {(name: string) => Promise<Uint8Array>} get
 */
export function provideAssets(get) {
  provider = get;
}

/**
 * @param {string} name a path from the site's folder, such as "data/models.json"
 * @returns {Promise<Uint8Array>}
 */
export async function asset(name) {
  const embedded = globalThis.document?.getElementById(`asset:${name}`);
  if (embedded) return inflate(embedded.textContent ?? "");
  if (provider) return provider(name);
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}

/**
 * An address to load a script or an image from.
 * @param {string} name
 * @returns {Promise<string>}
 */
export async function assetUrl(name) {
  if (!provider && !globalThis.document?.getElementById(`asset:${name}`)) {
    return new URL(name, import.meta.url).href;
  }
  const bytes = /** @type {BlobPart} */ (await asset(name));
  return URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
}

/**
 * @param {string} name
 * @returns {Promise<string>}
 */
export async function assetText(name) {
  return new TextDecoder().decode(await asset(name));
}

/** @param {string} text base64 of a gzip stream */
export function inflate(text) {
  return unpacked(Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0)));
}

/**
 * What a gzip stream holds; anything else as it is: the single file and some hosts have it unpacked
 * already.
 * @param {Uint8Array} bytes
 * @returns {Promise<Uint8Array>}
 */
export async function unpacked(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const blob = new Blob([/** @type {BlobPart} */ (bytes)]);
  const stream = blob.stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
