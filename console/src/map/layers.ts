/**
 * Which layer things belong to, left to right: what is come to from elsewhere, then by distance from there, and last what
 * calls nobody. Few layers, unlike the longest path, so that a namespace stays compact.
 */

export type Link = readonly [source: string, dest: string];

/** Distance from the entries; things in circles that nothing enters count as entries. */
function distances(ids: readonly string[], links: readonly Link[], entries: ReadonlySet<string>): Map<string, number> {
  const next = new Map<string, string[]>();
  const entered = new Set<string>();
  for (const [source, dest] of links) {
    next.set(source, [...(next.get(source) ?? []), dest]);
    entered.add(dest);
  }
  const found = new Map<string, number>();
  const walk = (start: readonly string[]): void => {
    const queue = start.filter((id) => !found.has(id));
    for (const id of queue) found.set(id, 0);
    for (const id of queue) {
      for (const dest of next.get(id) ?? []) {
        if (found.has(dest)) continue;
        found.set(dest, (found.get(id) ?? 0) + 1);
        queue.push(dest);
      }
    }
  };
  walk(ids.filter((id) => entries.has(id) || !entered.has(id)));
  walk(ids);
  return found;
}

/** Layers of `ids`. `entries` are come to from outside of the group. */
export function layersOf(ids: readonly string[], links: readonly Link[], entries: ReadonlySet<string>): Map<string, number> {
  const distance = distances(ids, links, entries);
  const calls = new Set(links.map(([source]) => source));
  const called = new Set(links.map(([, dest]) => dest));
  const last = Math.max(0, ...ids.filter((id) => calls.has(id)).map((id) => distance.get(id) ?? 0)) + 1;
  return new Map(ids.map((id) => [id, !calls.has(id) && called.has(id) ? last : (distance.get(id) ?? 0)]));
}

/** Sort every layer by the mean place of its neighbours in the others, a few times over, so that links cross less. */
export function uncrossed(layers: ReadonlyMap<string, number>, links: readonly Link[]): string[] {
  const near = new Map<string, string[]>();
  for (const [a, b] of links) {
    near.set(a, [...(near.get(a) ?? []), b]);
    near.set(b, [...(near.get(b) ?? []), a]);
  }
  let order = [...layers.keys()].sort();
  for (let round = 0; round < 4; round += 1) {
    const place = new Map<string, number>();
    const filled = new Map<number, number>();
    for (const id of order) {
      const layer = layers.get(id) ?? 0;
      const at = filled.get(layer) ?? 0;
      place.set(id, at);
      filled.set(layer, at + 1);
    }
    const mean = (id: string): number => {
      const places = (near.get(id) ?? []).filter((other) => layers.get(other) !== layers.get(id)).map((other) => (place.get(other) ?? 0) / (filled.get(layers.get(other) ?? 0) ?? 1));
      return places.length ? places.reduce((sum, one) => sum + one, 0) / places.length : (place.get(id) ?? 0) / (filled.get(layers.get(id) ?? 0) ?? 1);
    };
    const wish = new Map(order.map((id) => [id, mean(id)]));
    order = [...order].sort((a, b) => (wish.get(a) ?? 0) - (wish.get(b) ?? 0));
  }
  return order;
}
