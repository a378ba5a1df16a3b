/** The palettes of the page, written by `simulation/drawing/palette.py`. */

import palettes from "./palette.json";

export type Palette = typeof palettes.light;

/** Colour of a share of the score scale: 0 at its lower end, 1 at its upper end. */
export function scoreColor(colors: Palette, share: number): string {
  const position = Math.min(Math.max(share, 0), 1) * (colors.scores.length - 1);
  const low = Math.min(Math.floor(position), colors.scores.length - 2);
  const [from, to] = [colors.scores[low], colors.scores[low + 1]].map((text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16)));
  return `rgb(${from.map((value, i) => Math.round(value + (to[i] - value) * (position - low))).join(", ")})`;
}

export function kindColor(colors: Palette, kind: string): string {
  return (colors.kinds as Record<string, string>)[kind] ?? colors.kinds.generic_object;
}

export function palette(isDark: boolean): Palette {
  return isDark ? palettes.dark : palettes.light;
}
