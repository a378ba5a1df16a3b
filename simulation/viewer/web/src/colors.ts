/** Okabe and Ito's colours, which colour-blind eyes can tell apart; kinds also differ by shape, lights by dashes. */

export interface Palette {
  ground: string;
  road: string;
  junction: string;
  carpark: string;
  walkway: string;
  crosswalk: string;
  crosswalkLine: string;
  stopLine: string;
  boundary: string;
  lane: string;
  route: string;
  routeLine: string;
  goal: string;
  ghost: string;
  text: string;
  halo: string;
  edge: string;
  arrow: string;
  selected: string;
  measure: string;
  kinds: Record<string, string>;
  lights: string[];
  drives: string[];
  /** From the worst score to the best: lightness rises or falls all the way, so that it is read without colour too. */
  scores: string[];
}

const LIGHT: Palette = {
  ground: "#eef0f3",
  road: "#d9dde3",
  junction: "#d1d6dd",
  carpark: "#dfe1dc",
  walkway: "#e8e3d6",
  crosswalk: "#f6f6f4",
  crosswalkLine: "#b9bec6",
  stopLine: "#8d6e63",
  boundary: "#a3abb6",
  lane: "#bcc3cd",
  route: "rgba(0, 158, 115, 0.16)",
  routeLine: "rgba(0, 128, 94, 0.55)",
  goal: "#00805e",
  ghost: "#4b5563",
  text: "#1f2733",
  halo: "rgba(255, 255, 255, 0.85)",
  edge: "#ffffff",
  arrow: "#27313f",
  selected: "#111827",
  measure: "#7c3aed",
  kinds: {
    vehicle: "#0072b2", pedestrian: "#cc79a7", bicycle: "#56b4e9", traffic_cone: "#e69f00", barrier: "#e69f00",
    czone_sign: "#e69f00", generic_object: "#6b7280", ego: "#111827",
  },
  lights: ["#00936b", "#d9a400", "#d81b1b", "#8b95a3"],
  drives: ["#d55e00", "#009e73", "#785ef0", "#8a6d00"],
  scores: ["#e3c84c", "#b5a65d", "#7d7c78", "#4a5a6d", "#0d2f6b"],
};

const DARK: Palette = {
  ground: "#14181e",
  road: "#262c35",
  junction: "#2b323c",
  carpark: "#23282a",
  walkway: "#2a2823",
  crosswalk: "#3a424d",
  crosswalkLine: "#566070",
  stopLine: "#a58a7f",
  boundary: "#566070",
  lane: "#414a57",
  route: "rgba(0, 190, 140, 0.16)",
  routeLine: "rgba(60, 210, 165, 0.55)",
  goal: "#3cd2a5",
  ghost: "#a7b0bd",
  text: "#e6eaf0",
  halo: "rgba(16, 20, 26, 0.85)",
  edge: "#14181e",
  arrow: "#cbd3de",
  selected: "#ffffff",
  measure: "#b794f6",
  kinds: {
    vehicle: "#3ba0e0", pedestrian: "#e29bc3", bicycle: "#86d0f7", traffic_cone: "#f2b632", barrier: "#f2b632",
    czone_sign: "#f2b632", generic_object: "#9aa3b0", ego: "#ffffff",
  },
  lights: ["#27c498", "#f0c93a", "#ff5a4f", "#7d8796"],
  drives: ["#ff8a3d", "#22c796", "#a493ff", "#d6b52c"],
  scores: ["#35508c", "#5d6a80", "#8d8878", "#c4ac60", "#ffe45c"],
};

/** Colour of a score; `share` is 0 at the low end of the scale and 1 at the high end. */
export function scoreColor(colors: Palette, share: number): string {
  const place = Math.min(Math.max(share, 0), 1) * (colors.scores.length - 1);
  const low = Math.min(Math.floor(place), colors.scores.length - 2);
  const [from, to] = [colors.scores[low], colors.scores[low + 1]].map((text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16)));
  return `rgb(${from.map((value, i) => Math.round(value + (to[i] - value) * (place - low))).join(", ")})`;
}

export function palette(isDark: boolean): Palette {
  return isDark ? DARK : LIGHT;
}
