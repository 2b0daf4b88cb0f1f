/** The map as a picture of its own: an SVG built from the layout, in the colours of the page. */
import { plainName } from "../format/words";
import { edgeMark } from "./FlowEdge";
import { edgeLabel, type Drawing } from "./graph";
import type { Box, Placed } from "./layout";

const MARGIN = 24;
const PNG_SCALE = 2;

const escaped = (text: string): string => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function palette(): (name: string) => string {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

function curve(from: Box, to: Box): { path: string; x: number; y: number } {
  const [x1, y1, x2, y2] = [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2];
  const bend = Math.max(40, Math.abs(x2 - x1) / 2);
  return { path: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, x: (x1 + x2) / 2, y: (y1 + y2) / 2 };
}

/** The SVG's text. */
export function svgOf(drawing: Drawing, place: Placed, colour: (name: string) => string): string {
  const boxes = [...place.nodes.values(), ...place.spaces.values()];
  const width = Math.max(0, ...boxes.map((box) => box.x + box.width)) + 2 * MARGIN;
  const height = Math.max(0, ...boxes.map((box) => box.y + box.height)) + 2 * MARGIN;
  const rect = (box: Box, fill: string): string => `<rect x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" rx="6" fill="${fill}" stroke="${colour("line")}"/>`;
  const text = (x: number, y: number, words: string, fill: string, more = ""): string => `<text x="${x}" y="${y}" fill="${fill}" ${more}>${escaped(words)}</text>`;
  const spaces = [...place.spaces].map(([name, box]) => rect(box, colour("raised")) + text(box.x + 12, box.y + 19, name, colour("dim")));
  const ways = drawing.edges.flatMap((edge) => {
    const [from, to] = [place.nodes.get(edge.source), place.nodes.get(edge.dest)];
    if (!from || !to) return [];
    const { path, x, y } = curve(from, to);
    const mark = edgeMark(edge);
    return [`<path d="${path}" fill="none" stroke="${colour(mark)}" stroke-width="1.5"${mark === "allow" ? "" : ' stroke-dasharray="6 4"'}/>${drawing.edges.length > 40 ? "" : text(x, y - 4, edgeLabel(edge), colour("dim"), 'text-anchor="middle" font-size="11"')}`];
  });
  const nodes = drawing.nodes.flatMap((node) => {
    const box = place.nodes.get(node.id);
    return box ? [rect(box, colour("page")) + text(box.x + 12, box.y + box.height / 2 + 5, plainName(node.name), colour("ink"), 'font-weight="600"')] : [];
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="${-MARGIN} ${-MARGIN} ${width} ${height}" font-family="sans-serif" font-size="13"><rect x="${-MARGIN}" y="${-MARGIN}" width="${width}" height="${height}" fill="${colour("page")}"/>${spaces.join("")}${ways.join("")}${nodes.join("")}</svg>`;
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function saveSvg(drawing: Drawing, place: Placed): void {
  save(new Blob([svgOf(drawing, place, palette())], { type: "image/svg+xml" }), "map.svg");
}

export async function savePng(drawing: Drawing, place: Placed): Promise<void> {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svgOf(drawing, place, palette())], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width * PNG_SCALE;
  canvas.height = image.height * PNG_SCALE;
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  canvas.toBlob((blob) => blob && save(blob, "map.png"));
}
