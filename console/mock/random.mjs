/** Numbers that look random and are the same every time: hashes of what they are for. */

/** FNV-1a over text, finished by an avalanche; 0 ≤ result < 2^32. */
export function hash(text) {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return mix(value);
}

/** Spread the bits of an integer. */
export function mix(value) {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** A generator of numbers in [0, 1) for one seed. */
export function generator(seed) {
  let state = mix(seed + 1);
  return () => {
    state = (state + 0x9e3779b9) | 0;
    return mix(state) / 2 ** 32;
  };
}

/** Short name for an identity. */
export function digest(text) {
  return hash(text).toString(36) + hash(`${text}#`).toString(36);
}
