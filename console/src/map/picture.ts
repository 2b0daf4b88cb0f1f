/** The map as a picture of its own: an SVG built from the layout, in the colours of the page. */
import { plainName } from "../format/words";
import { edgeMark } from "./FlowEdge";
import { edgeLabel, type Drawing } from "./graph";
import type { Box, Placed } from "./layout";
import type { Way } from "./ways";

const MARGIN = 24;
const PNG_SCALE = 2;

const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function palette(): (name: string) => string {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

/** The SVG's text. */
export function svgOf(drawing: Drawing, place: Placed, ways: ReadonlyMap<string, Way>, colour: (name: string) => string): string {
  const boxes = [...place.nodes.values(), ...place.spaces.values()];
  const width = Math.max(0, ...boxes.map((box) => box.x + box.width)) + 2 * MARGIN;
  const height = Math.max(0, ...boxes.map((box) => box.y + box.height)) + 2 * MARGIN;
  const rect = (box: Box, fill: string): string => `<rect x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" rx="6" fill="${fill}" stroke="${colour("line")}"/>`;
  const text = (x: number, y: number, words: string, fill: string, more = ""): string => `<text x="${x}" y="${y}" fill="${fill}" ${more}>${escaped(words)}</text>`;
  const spaces = [...place.spaces].map(([name, box]) => rect(box, colour("raised")) + text(box.x + 12, box.y + 19, name, colour("dim")));
  const lines = drawing.edges.flatMap((edge) => {
    const way = ways.get(edge.id);
    if (!way) return [];
    const { path, x, y } = way;
    const mark = edgeMark(edge);
    return [`<path d="${path}" fill="none" stroke="${colour(mark)}" stroke-width="1.5"${mark === "allow" ? "" : ' stroke-dasharray="6 4"'}/>${drawing.edges.length > 40 ? "" : text(x, y - 4, edgeLabel(edge), colour("dim"), 'text-anchor="middle" font-size="11"')}`];
  });
  const nodes = drawing.nodes.flatMap((node) => {
    const box = place.nodes.get(node.id);
    return box ? [rect(box, colour("page")) + text(box.x + 12, box.y + box.height / 2 + 5, plainName(node.name), colour("ink"), 'font-weight="600"')] : [];
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="${-MARGIN} ${-MARGIN} ${width} ${height}" font-family="sans-serif" font-size="13"><rect x="${-MARGIN}" y="${-MARGIN}" width="${width}" height="${height}" fill="${colour("page")}"/>${spaces.join("")}${lines.join("")}${nodes.join("")}</svg>`;
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function saveSvg(drawing: Drawing, place: Placed, ways: ReadonlyMap<string, Way>): void {
  save(new Blob([svgOf(drawing, place, ways, palette())], { type: "image/svg+xml" }), "map.svg");
}

export async function savePng(drawing: Drawing, place: Placed, ways: ReadonlyMap<string, Way>): Promise<void> {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svgOf(drawing, place, ways, palette())], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width * PNG_SCALE;
  canvas.height = image.height * PNG_SCALE;
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  canvas.toBlob((blob) => blob && save(blob, "map.png"));
}
