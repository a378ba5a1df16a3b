/** Everything that is seen is in the address, behind the `#`, so that it can be shared and saved. */

import { isSaved, savedView } from "./answers";

export type SortKey = string;

export interface ListView {
  page: "list";
  text: string;
  type: string;
  log: string;
  planner: string;
  below: string;
  metric: string;
  sort: SortKey;
  probes: boolean;
}

export interface ReplayView {
  page: "replay";
  scenario: string;
  drives: string[];
  t: number;
  /** Follow the ego; otherwise the middle of the view is at x, y. */
  follow: boolean;
  x: number;
  y: number;
  /** Pixels per metre. */
  zoom: number;
  egoUp: boolean;
  /** Seen in three dimensions, from this direction [degrees], behind the ego or east, and so steeply from above. */
  solid: boolean;
  turn: number;
  tilt: number;
  layers: string;
  side: boolean;
  why: boolean;
  cameras: boolean;
  boxes: boolean;
  track: string;
}

export type View = ListView | ReplayView;

export const DEFAULT_LIST: ListView = {
  page: "list", text: "", type: "", log: "", planner: "", below: "", metric: "", sort: "worst", probes: false,
};
export const ALL_LAYERS = "1234567890";
export const DEFAULT_LAYERS = "123457890";
export const DEFAULT_REPLAY: ReplayView = {
  page: "replay", scenario: "", drives: [], t: 0, follow: true, x: 0, y: 0, zoom: 9, egoUp: false, solid: false, turn: 0, tilt: 30,
  layers: DEFAULT_LAYERS, side: false, why: true, cameras: true, boxes: false, track: "",
};

const SHORT: Record<string, string> = { scenario: "s", drives: "d", layers: "l", track: "a", solid: "3d" };

function written(view: View, defaults: View): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(view)) {
    if (name === "page" || JSON.stringify(value) === JSON.stringify((defaults as any)[name])) continue;
    const text = Array.isArray(value) ? value.join(",")
      : typeof value === "number" ? String(Math.round(value * 100) / 100)
      : typeof value === "boolean" ? (value ? "1" : "0") : value;
    words.set(SHORT[name] ?? name, text);
  }
  return words.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
}

export function addressOf(view: View): string {
  const defaults = view.page === "list" ? DEFAULT_LIST : DEFAULT_REPLAY;
  const words = written(view, defaults);
  return `#${view.page}${words ? `?${words}` : ""}`;
}

export function viewOf(address: string): View {
  const [page, query = ""] = address.replace(/^#/, "").split("?", 2);
  const defaults: View = page === "replay" ? DEFAULT_REPLAY : DEFAULT_LIST;
  const words = new URLSearchParams(query);
  const view: Record<string, unknown> = { ...defaults };
  for (const [name, value] of Object.entries(defaults)) {
    const text = words.get(SHORT[name] ?? name);
    if (text === null || name === "page") continue;
    if (Array.isArray(value)) view[name] = text.split(",").filter(Boolean).slice(0, 4);
    else if (typeof value === "number") view[name] = Number.isFinite(Number(text)) ? Number(text) : value;
    else if (typeof value === "boolean") view[name] = text === "1";
    else view[name] = text;
  }
  return view as unknown as View;
}

export function firstView(): View {
  return viewOf(location.hash || (isSaved ? savedView : ""));
}
