/** Asks the server, or the answers that a saved page carries. */

import { Drive, readDrive, readScene, Scene } from "./model";

export interface Event {
  t: number;
  text: string;
  track: string | null;
}

export interface Metric {
  name: string;
  score: number | null;
  scored: boolean;
  violations: Event[];
  notes: Event[];
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

export interface Why {
  score: number | null;
  multipliers: string[];
  weights: Record<string, number>;
  metrics: Metric[];
  curves: Curve[];
  missing: string;
}

export interface CameraStrip {
  names: string[];
  sizes: [number, number][];
  images: { frame: number; camera: number; t: number; boxes: { track: string; kind: string; corners: [number, number][] }[] }[];
}

export interface Row {
  source: string;
  key: string;
  scenario: string;
  type: string;
  log: string;
  planner: string;
  traffic: string;
  status: "succeeded" | "failed" | "damaged" | "unscored" | "logged";
  score: number | null;
  metrics: Record<string, number | null>;
  reasons: { metric: string; t: number | null; text: string }[];
  reason: string;
  hasLog: boolean;
}

export interface SourceFacts {
  name: string;
  error: string;
  notices: string[];
  run: Record<string, any> | null;
}

export interface Listing {
  sources: SourceFacts[];
  metrics: string[];
  rows: Row[];
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

/** Whether this page is a saved file, without a server. */
export const isSaved = embedded.size > 0;
export const savedView = document.querySelector<HTMLMetaElement>('meta[name="camber-view"]')?.content ?? "";

async function unpacked(text: string): Promise<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function ask(path: string): Promise<ArrayBuffer> {
  if (isSaved) {
    const text = embedded.get(path);
    if (text === undefined) throw new Error(path.startsWith("cameras/") ? "This saved page holds no camera images." : "This saved page does not hold it.");
    return unpacked(text);
  }
  let response: Response;
  try {
    response = await fetch(`api/${path}`);
  } catch {
    throw new Error("The viewer's server does not answer. Start scripts/view.py again, then reload the page.");
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => null);
    throw new Error(answer?.error ?? `The server failed (${response.status}); its terminal says why.`);
  }
  return response.arrayBuffer();
}

async function askJson<T>(path: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await ask(path)));
}

/** Keeps the newest answers; a failed one is asked for again. */
function kept<T>(size: number, make: (key: string) => Promise<T>): (key: string) => Promise<T> {
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

/** Name of a drive in addresses: folder and key. */
export function idOf(row: Row): string {
  return `${row.source}/${row.key}`;
}

export const getDrive: (id: string) => Promise<Drive> = kept(16, async (id) => readDrive(await ask(`drive/${id}`)));
export const getScene: (id: string) => Promise<Scene> = kept(12, async (id) => readScene(await ask(`scene/${id}`)));
export const getWhy: (id: string) => Promise<Why> = kept(24, (id) => askJson<Why>(`why/${id}`));
export const getCameras: (id: string) => Promise<CameraStrip> = kept(6, (id) => askJson<CameraStrip>(`cameras/${id}`));

export async function getListing(): Promise<Listing> {
  const { sources, metrics, rows } = await askJson<{ sources: SourceFacts[]; metrics: string[]; rows: any[][] }>("list");
  return {
    sources,
    metrics,
    rows: rows.map((r) => ({
      source: sources[r[0]].name,
      key: r[1],
      scenario: r[2],
      type: r[3],
      log: r[4],
      planner: r[5],
      traffic: r[6],
      status: r[7],
      score: r[8],
      metrics: Object.fromEntries(metrics.map((name, i) => [name, r[9][i]])),
      reasons: r[10].map(([metric, t, text]: [string, number | null, string]) => ({ metric, t, text })),
      reason: r[11],
      hasLog: r[12],
    })),
  };
}

export function thumbnailUrl(id: string): string {
  return isSaved ? "" : `api/thumbnail/${id}`;
}

export function cameraUrl(id: string, frame: number): string {
  const path = `camera/${id}/${frame}`;
  return images.get(path) ?? `api/${path}`;
}

/** The three-dimensional view: a script of its own, which a saved page carries along. */
export async function loadView3d(): Promise<typeof import("./view3d")> {
  let address = new URL("view3d.js", document.baseURI).href;
  if (isSaved) {
    const text = embedded.get("view3d.js");
    if (text === undefined) throw new Error("This saved page does not hold the three-dimensional view.");
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

function named(ids: string[]): string {
  return ids.map((id) => `d=${encodeURIComponent(id)}`).join("&");
}

export async function savePage(ids: string[], view: string, name: string): Promise<void> {
  const content = await ask(`save?${named(ids)}&view=${encodeURIComponent(view)}`);
  download(new Blob([content], { type: "text/html" }), `${name}.html`);
}

export async function saveVideo(ids: string[], kind: "mp4" | "gif", name: string): Promise<void> {
  const content = await ask(`video?${named(ids)}&kind=${kind}`);
  download(new Blob([content], { type: kind === "mp4" ? "video/mp4" : "image/gif" }), `${name}.${kind}`);
}
