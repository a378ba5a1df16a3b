/** The palettes of the page, written by `simulation/drawing/palette.py`. */

import palettes from "./palette.json";

export type Palette = typeof palettes.light;

/** Colour of a share of the score scale: 0 at its lower end, 1 at its upper end. */
export function scoreColor(colors: Palette, share: number): string {
  return mixed(colors.scores, share);
}

export const RARITY_STOPS = palettes.rarity_stops;

/** Colour of an agent of a rarity; of the ground for agents without one. */
export function rarityColor(colors: Palette, rarity: number | undefined): string {
  if (rarity === undefined) return colors.ground;
  const last = RARITY_STOPS.length - 2;
  let stop = 0;
  while (stop < last && rarity > RARITY_STOPS[stop + 1]) stop++;
  const [low, high] = [RARITY_STOPS[stop], RARITY_STOPS[stop + 1]];
  return mixed(colors.rarity, (stop + (rarity - low) / (high - low)) / (last + 1));
}

function mixed(scale: string[], share: number): string {
  const position = Math.min(Math.max(share, 0), 1) * (scale.length - 1);
  const low = Math.min(Math.floor(position), scale.length - 2);
  const [from, to] = [scale[low], scale[low + 1]].map((text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16)));
  return `rgb(${from.map((value, i) => Math.round(value + (to[i] - value) * (position - low))).join(", ")})`;
}

export function kindColor(colors: Palette, kind: string): string {
  return (colors.kinds as Record<string, string>)[kind] ?? colors.kinds.generic_object;
}

export function palette(isDark: boolean): Palette {
  return isDark ? palettes.dark : palettes.light;
}
