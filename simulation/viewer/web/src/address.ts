/** The address after `#` holds the whole state of the page, so it can be shared and saved. */

import { isSaved, savedView } from "./api";
import { MAX_ZOOM, MIN_ZOOM } from "./viewport";

export interface ListView {
  page: "list";
  text: string;
  type: string;
  log: string;
  planner: string;
  below: string;
  metric: string;
  sort: string;
  probes: boolean;
}

export interface ReplayView {
  page: "replay";
  scenario: string;
  /** Ids `source/key`, at most `MAX_DRIVES`; empty opens the worst drive of the scenario. */
  drives: string[];
  /** Time since the start of the drive [s]. */
  t: number;
  /** Follow the ego; otherwise the view is centred at x, y. */
  follow: boolean;
  x: number;
  y: number;
  /** Pixels per metre. */
  zoom: number;
  egoUp: boolean;
  /** Three-dimensional view; `turn` is the direction relative to the followed ego, else to east; `tilt` is the elevation [degrees]. */
  solid: boolean;
  turn: number;
  tilt: number;
  layers: string;
  side: boolean;
  curves: boolean;
  cameras: boolean;
  /** Render cameras of drives without images. */
  rendered: boolean;
  boxes: boolean;
  track: string;
}

/** The gallery of failures. */
export interface GalleryView {
  page: "gallery";
  planner: string;
  mode: string;
  /** "yes" for failures with a proven way out, "no" for those without one. */
  solvable: string;
}

export type View = ListView | ReplayView | GalleryView;

export const MAX_DRIVES = 4;
export const ALL_LAYERS = "1234567890pugte";
export const TILT = { min: 4, max: 89 };
export const DEFAULT_LIST: ListView = {
  page: "list", text: "", type: "", log: "", planner: "", below: "", metric: "", sort: "worst", probes: false,
};
export const DEFAULT_REPLAY: ReplayView = {
  page: "replay", scenario: "", drives: [], t: 0, follow: true, x: 0, y: 0, zoom: 9, egoUp: false, solid: false, turn: 0, tilt: 30,
  layers: "123457890pugte", side: false, curves: true, cameras: true, rendered: false, boxes: false, track: "",
};

export const DEFAULT_GALLERY: GalleryView = { page: "gallery", planner: "", mode: "", solvable: "" };

/** Names in the address that differ from those of the fields. */
const SHORT: Record<string, string> = { scenario: "s", drives: "d", layers: "l", track: "a", solid: "3d", curves: "why" };

const DEFAULTS: Record<View["page"], View> = { list: DEFAULT_LIST, replay: DEFAULT_REPLAY, gallery: DEFAULT_GALLERY };

/** Commas separate ids, so commas inside an id are escaped. */
function joined(ids: string[]): string {
  return ids.map((id) => id.replaceAll("%", "%25").replaceAll(",", "%2C")).join(",");
}

function split(text: string): string[] {
  const ids = text.split(",").filter(Boolean).map((id) => id.replaceAll("%2C", ",").replaceAll("%25", "%"));
  return [...new Set(ids)].slice(0, MAX_DRIVES);
}

export function addressOf(view: View): string {
  const defaults: object = DEFAULTS[view.page];
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(view)) {
    if (name === "page" || JSON.stringify(value) === JSON.stringify(defaults[name as keyof typeof defaults])) continue;
    const text = Array.isArray(value) ? joined(value)
      : typeof value === "number" ? String(Math.round(value * 100) / 100)
      : typeof value === "boolean" ? (value ? "1" : "0") : value;
    query.set(SHORT[name] ?? name, text);
  }
  const text = query.toString().replaceAll("%2F", "/").replaceAll("%2C", ",");
  return `#${view.page}${text ? `?${text}` : ""}`;
}

/** The view of an address; unknown names are ignored, and numbers are limited to their range. */
export function viewOf(address: string): View {
  const [, page, query] = /^#?([^?]*)\??(.*)$/s.exec(address)!;
  const defaults: View = DEFAULTS[page as View["page"]] ?? DEFAULT_LIST;
  const given = new URLSearchParams(query);
  const view: Record<string, unknown> = { ...defaults };
  for (const [name, value] of Object.entries(defaults)) {
    const text = given.get(SHORT[name] ?? name);
    if (text === null || name === "page") continue;
    if (Array.isArray(value)) view[name] = split(text);
    else if (typeof value === "number") view[name] = text.trim() && Number.isFinite(Number(text)) ? Number(text) : value;
    else if (typeof value === "boolean") view[name] = text === "1";
    else view[name] = text;
  }
  const found = view as unknown as View;
  if (found.page !== "replay") return found;
  return {
    ...found, t: Math.max(found.t, 0), zoom: limited(found.zoom, MIN_ZOOM, MAX_ZOOM), tilt: limited(found.tilt, TILT.min, TILT.max),
    layers: [...ALL_LAYERS].filter((key) => found.layers.includes(key)).join(""),
  };
}

export function limited(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

export function firstView(): View {
  return viewOf(location.hash || (isSaved ? savedView : ""));
}
