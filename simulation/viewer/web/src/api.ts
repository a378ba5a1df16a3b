/** Requests to the server; a saved page reads the answers that it contains. */

import { Drive, readDrive, readScene, Scene } from "./model";
import { Notes, readNotes } from "./notes";

export interface MetricEvent {
  time_s: number;
  text: string;
  track: string | null;
}

export interface Metric {
  name: string;
  score: number | null;
  scored: boolean;
  violations: MetricEvent[];
  notes: MetricEvent[];
}

export interface Curve {
  name: string;
  title: string;
  unit: string;
  low: number | null;
  high: number | null;
  time_s: number[];
  series: { label: string; values: (number | null)[] }[];
}

export interface Evaluation {
  score: number | null;
  multipliers: string[];
  weights: Record<string, number>;
  metrics: Metric[];
  curves: Curve[];
  /** Reason why only the curves of the motion are there; empty otherwise. */
  missing: string;
}

type Corners = [number, number][];

export interface CameraStrip {
  names: string[];
  sizes: [number, number][];
  images: {
    frame: number; camera: number; time_s: number;
    boxes: { track: string; kind: string; corners: Corners }[];
    /** Only in drives on perceived input. */
    perceived?: { track: string; is_false: boolean; corners: Corners }[];
  }[];
}

/** Agents that some camera shows, at every `every`-th step of a drive. */
export interface VisibleAgents {
  every: number;
  agents: number[][];
}

/** A drive, or a logged scenario without a drive; the fields are those of `DriveRow` in `rows.py`. */
export interface Row {
  source: string;
  key: string;
  scenario: string;
  scenario_type: string;
  log_name: string;
  planner: string;
  traffic: string;
  status: "succeeded" | "failed" | "damaged" | "unscored" | "logged";
  score: number | null;
  /** Key of the worst-first order. */
  sort_score: number;
  metrics: Record<string, number | null>;
  /** One sentence per lost metric. */
  reasons: { metric: string; time_s: number | null; text: string }[];
  reason: string;
  has_log: boolean;
}

/** The list travels as columns by name. */
type Columns = { [Name in Exclude<keyof Row, "metrics">]: Row[Name][] } & { metrics: Record<string, (number | null)[]> };

export interface SourceFacts {
  name: string;
  error: string;
  notices: string[];
  run: Record<string, any> | null;
}

/** Notes about a scenario in short; `key` is the drive that shows its failure. */
export interface Card {
  source: string;
  key: string;
  scenario: string;
  scenario_type: string;
  mode: string;
  planner: string;
  /** A sentence; empty for scenarios without a failure, which are not in the gallery. */
  failure: string;
  failure_s: number | null;
  is_solvable: boolean | null;
  surprise_s: number | null;
  latest_start_s: number | null;
  /** Of the changed agent. */
  rarity: number | null;
  seed: number | null;
}

export interface Listing {
  sources: SourceFacts[];
  rows: Row[];
  notes: Card[];
}

const embedded = new Map<string, string>();
for (const element of document.querySelectorAll<HTMLElement>("script[data-answer]")) {
  embedded.set(element.dataset.answer!, element.textContent!);
  element.remove();
}

const images = new Map<string, string>();
for (const element of document.querySelectorAll<HTMLElement>("script[data-image]")) {
  images.set(element.dataset.image!, `data:image/jpeg;base64,${element.textContent}`);
  element.remove();
}

/** Whether this page is a saved file without a server. */
export const isSaved = embedded.size > 0;
export const savedView = document.querySelector<HTMLMetaElement>('meta[name="camber-view"]')?.content ?? "";

async function unpacked(text: string): Promise<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** Path below `api/` with its parts encoded: keys of foreign files may hold any character. */
function urlOf(path: string): string {
  return `api/${path.split("/").map(encodeURIComponent).join("/")}`;
}

async function query(path: string, parameters = ""): Promise<ArrayBuffer> {
  if (isSaved) {
    const text = embedded.get(path);
    if (text === undefined) throw new Error(path.startsWith("cameras/") ? "This saved page holds no camera images." : "This saved page does not contain this drive.");
    return unpacked(text);
  }
  let response: Response;
  try {
    response = await fetch(urlOf(path) + parameters);
  } catch {
    throw new Error("The server does not answer. Start scripts/view.py again, then reload the page.");
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => null);
    throw new Error(answer?.error ?? `The server failed with status ${response.status}; see its terminal for the reason.`);
  }
  return response.arrayBuffer();
}

async function queryJson<T>(path: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await query(path)));
}

/** Caches the most recently used answers; a failed request is repeated. */
function cached<T>(size: number, make: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const answers = new Map<string, Promise<T>>();
  return (key) => {
    let answer = answers.get(key);
    if (!answer) {
      answer = make(key);
      answer.catch(() => answers.delete(key));
    }
    answers.delete(key);
    answers.set(key, answer);
    if (answers.size > size) answers.delete(answers.keys().next().value!);
    return answer;
  };
}

/** Id of a drive in addresses: source and key. */
export function idOf(row: { source: string; key: string }): string {
  return `${row.source}/${row.key}`;
}

export const getDrive: (id: string) => Promise<Drive> = cached(16, async (id) => readDrive(await query(`drive/${id}`)));
export const getScene: (id: string) => Promise<Scene> = cached(12, async (id) => readScene(await query(`scene/${id}`)));
export const getEvaluation: (id: string) => Promise<Evaluation> = cached(24, (id) => queryJson<Evaluation>(`evaluation/${id}`));
export const getCameras: (id: string) => Promise<CameraStrip> = cached(6, (id) => queryJson<CameraStrip>(`cameras/${id}`));

export const getVisible: (id: string) => Promise<VisibleAgents> = cached(16, (id) => queryJson<VisibleAgents>(`visible/${id}`));

export const getNotes: (id: string) => Promise<Notes> = cached(12, async (id) => readNotes(await query(`notes/${id}`)));

export async function getListing(): Promise<Listing> {
  const { sources, notes, rows: columns } = await queryJson<{ sources: SourceFacts[]; notes: Card[]; rows: Columns }>("list");
  const { metrics, ...plain } = columns;
  const rowAt = (of: Record<string, unknown[]>, i: number) => Object.fromEntries(Object.entries(of).map(([name, column]) => [name, column[i]]));
  return { sources, notes, rows: plain.key.map((_, i) => ({ ...rowAt(plain, i), metrics: rowAt(metrics, i) }) as unknown as Row) };
}

export function thumbnailUrl(id: string): string {
  return isSaved ? "" : urlOf(`thumbnail/${id}`);
}

export function stillUrl(id: string): string {
  const path = `still/${id}`;
  return images.get(path) ?? (isSaved ? "" : urlOf(path));
}

export function cameraUrl(id: string, frame: number): string {
  const path = `camera/${id}/${frame}`;
  return images.get(path) ?? urlOf(path);
}

/** Loads the script of the three-dimensional view; a saved page contains it. */
export async function loadView3d(): Promise<typeof import("./view3d")> {
  let address = new URL("view3d.js", document.baseURI).href;
  if (isSaved) {
    const text = embedded.get("view3d.js");
    if (text === undefined) throw new Error("This saved page does not contain the three-dimensional view.");
    address = URL.createObjectURL(new Blob([await unpacked(text)], { type: "text/javascript" }));
  }
  return import(/* @vite-ignore */ address);
}

function download(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function drivesParameter(ids: string[]): string {
  return ids.map((id) => `d=${encodeURIComponent(id)}`).join("&");
}

export async function savePage(ids: string[], view: string, name: string): Promise<void> {
  const content = await query("save", `?${drivesParameter(ids)}&view=${encodeURIComponent(view)}`);
  download(new Blob([content], { type: "text/html" }), `${name}.html`);
}

export async function saveGallery(view: string): Promise<void> {
  const content = await query("save", `?gallery=1&view=${encodeURIComponent(view)}`);
  download(new Blob([content], { type: "text/html" }), "failures.html");
}

export async function saveVideo(ids: string[], kind: "mp4" | "gif", name: string): Promise<void> {
  const content = await query("video", `?${drivesParameter(ids)}&kind=${kind}`);
  download(new Blob([content], { type: kind === "mp4" ? "video/mp4" : "image/gif" }), `${name}.${kind}`);
}
