/** Scenes and drives, decoded from messages. Coordinates are metres relative to `origin`. */

import { Message } from "./packing";

export interface Shapes {
  /** All x, then all y. */
  points: Float32Array;
  offsets: Int32Array;
  values: Int32Array;
}

export const LAYER_NAMES = [
  "drivable", "carparks", "intersections", "walkways", "crosswalks", "stop_lines", "route", "boundaries", "lanes",
  "connectors",
] as const;
export type LayerName = (typeof LAYER_NAMES)[number];

export interface Motion {
  x: Float32Array;
  y: Float32Array;
  heading: Float32Array;
  speed: Float32Array;
  acceleration: Float32Array;
  time: Float32Array;
}

export interface Scene {
  origin: [number, number];
  scenario: string;
  mapName: string;
  goal: [number, number, number] | null;
  anchor: number;
  hasCameras: boolean;
  notes: Record<string, string>;
  logged: Motion;
  routeLine: Float32Array;
  layers: Record<LayerName, Shapes>;
  /** Index of a lane connector in its layer, by id. */
  connectorIndex: Map<number, number>;
}

/** Candidates of a planner, concatenated over all steps. */
export interface Candidates {
  /** First candidate of each step; one entry more than there are steps. */
  offsets: Int32Array;
  /** Chosen candidate of each step, -1 for none. */
  chosen: Int32Array;
  /** All x, then all y; each candidate has `poses` points, NaN after its end. */
  points: Float32Array;
  poses: number;
  scores: Float32Array;
  /** Scores at the ends of the colour scale. */
  range: [number, number];
}

/** What the planner perceived, boxes concatenated over all steps. */
export interface Perceived {
  /** First box of each step; one entry more than there are steps, a single one for planners without perception. */
  offsets: Int32Array;
  trackIds: string[];
  tracks: Int32Array;
  kinds: Int32Array;
  /** All x, then all y; so are velocities, and sizes with all lengths first. */
  points: Float32Array;
  headings: Float32Array;
  velocities: Float32Array;
  sizes: Float32Array;
  /** 1 for boxes without a true agent near. */
  isFalse: Int32Array;
  /** Agents within the grid without a perceived box near, by step. */
  missed: { offsets: Int32Array; agents: Int32Array };
  roads: Roads;
}

/** Perceived roads, each of one run of the network. */
export interface Roads {
  /** Road of each step, -1 for none. */
  ofStep: Int32Array;
  /** Pose of the ego at each road: all x, then all y. */
  points: Float32Array;
  headings: Float32Array;
  /** Cells of all roads; drivable, lane line and crosswalk have 4 bits each, from the lowest on. */
  cells: Int32Array;
  /** Corner and size of the cells [m], and their number forward and to the left; null without roads. */
  grid: [number, number, number, number, number] | null;
}

export interface Drive {
  /** Whether the drive had rendered cameras. */
  hasCameras: boolean;
  scenario: string;
  scenarioType: string;
  logName: string;
  mapName: string;
  planner: string;
  traffic: string;
  origin: [number, number];
  numSteps: number;
  numAgents: number;
  trackIds: string[];
  kinds: number[];
  kindNames: Record<string, string>;
  egoSize: [number, number];
  ego: Motion;
  agents: Record<"x" | "y" | "heading" | "vx" | "vy" | "length" | "width" | "height", Float32Array>;
  lights: { offsets: Int32Array; connectors: Int32Array; statuses: Int32Array };
  plans: { offsets: Int32Array; points: Float32Array; time: Float32Array };
  candidates: Candidates;
  perceived: Perceived;
  planningTime: Float32Array;
  notes: Record<string, string>;
}

function motion(message: Message, name: string, time: string): Motion {
  return {
    x: message.reals(`${name}.x`),
    y: message.reals(`${name}.y`),
    heading: message.reals(`${name}.heading`),
    speed: message.reals(`${name}.speed`),
    acceleration: message.reals(`${name}.acceleration`),
    time: message.reals(time),
  };
}

export function readScene(buffer: ArrayBuffer): Scene {
  const message = Message.read(buffer);
  const { header } = message;
  const layers = {} as Record<LayerName, Shapes>;
  for (const name of LAYER_NAMES) {
    layers[name] = {
      points: message.reals(`${name}.points`),
      offsets: message.integers(`${name}.offsets`),
      values: message.integers(`${name}.values`),
    };
  }
  const connectorIndex = new Map<number, number>();
  layers.connectors.values.forEach((id, index) => connectorIndex.set(id, index));
  return {
    origin: header.origin,
    scenario: header.scenario,
    mapName: header.map_name,
    goal: header.goal,
    anchor: header.anchor_s,
    hasCameras: header.has_cameras,
    notes: header.notes,
    logged: motion(message, "logged", "logged.time_s"),
    routeLine: message.reals("route_line"),
    layers,
    connectorIndex,
  };
}

export function readDrive(buffer: ArrayBuffer): Drive {
  const message = Message.read(buffer);
  const { header } = message;
  const agents = {} as Drive["agents"];
  for (const name of ["x", "y", "heading", "vx", "vy", "length", "width", "height"] as const) {
    agents[name] = message.reals(`agents.${name}`);
  }
  return {
    hasCameras: header.has_cameras,
    scenario: header.scenario,
    scenarioType: header.scenario_type,
    logName: header.log_name,
    mapName: header.map_name,
    planner: header.planner,
    traffic: header.traffic,
    origin: header.origin,
    numSteps: header.num_steps,
    numAgents: header.num_agents,
    trackIds: header.track_ids,
    kinds: header.kinds,
    kindNames: header.kind_names,
    egoSize: header.ego_size,
    ego: motion(message, "ego", "time_s"),
    agents,
    lights: {
      offsets: message.integers("lights.offsets"),
      connectors: message.integers("lights.connectors"),
      statuses: message.integers("lights.statuses"),
    },
    plans: {
      offsets: message.integers("plans.offsets"),
      points: message.reals("plans.points"),
      time: message.reals("plans.time_s"),
    },
    candidates: readCandidates(message),
    perceived: readPerceived(message),
    planningTime: message.reals("planning_time_s"),
    notes: header.notes,
  };
}

function readCandidates(message: Message): Candidates {
  const scores = message.reals("candidates.scores");
  const points = message.reals("candidates.points");
  return {
    offsets: message.integers("candidates.offsets"),
    chosen: message.integers("candidates.chosen"),
    points,
    poses: scores.length ? points.length / 2 / scores.length : 0,
    scores,
    range: scoreRange(scores),
  };
}

function readPerceived(message: Message): Perceived {
  return {
    offsets: message.integers("perceived.offsets"),
    trackIds: message.header.perceived_track_ids,
    tracks: message.integers("perceived.tracks"),
    kinds: message.integers("perceived.kinds"),
    points: message.reals("perceived.points"),
    headings: message.reals("perceived.headings"),
    velocities: message.reals("perceived.velocities"),
    sizes: message.reals("perceived.sizes"),
    isFalse: message.integers("perceived.false"),
    missed: { offsets: message.integers("missed.offsets"), agents: message.integers("missed.agents") },
    roads: {
      ofStep: message.integers("roads.of_step"),
      points: message.reals("roads.points"),
      headings: message.reals("roads.headings"),
      cells: message.integers("roads.cells"),
      grid: message.header.road_grid,
    },
  };
}

/** Whether the planner of a drive reported what it perceived. */
export function hasPerception(drive: Drive): boolean {
  return drive.perceived.offsets.length > 1;
}

/** Ends of the colour scale: 0 and 1 if all scores lie within, else the 5th percentile and the maximum of the drive. */
export function scoreRange(scores: Float32Array): [number, number] {
  const sorted = scores.filter((score) => Number.isFinite(score)).sort();
  if (!sorted.length || (sorted[0] >= 0 && sorted[sorted.length - 1] <= 1)) return [0, 1];
  const low = sorted[Math.floor(0.05 * (sorted.length - 1))];
  return [low, Math.max(sorted[sorted.length - 1], low + 1e-3)];
}

/** The drive relative to another origin. */
export function aligned(drive: Drive, origin: [number, number]): Drive {
  const dx = drive.origin[0] - origin[0];
  const dy = drive.origin[1] - origin[1];
  if (dx === 0 && dy === 0) return drive;
  const moved = (values: Float32Array, by: number) => values.map((value) => value + by);
  const shifted = (points: Float32Array) => points.map((value, i) => value + (i < points.length / 2 ? dx : dy));
  return {
    ...drive,
    origin,
    ego: { ...drive.ego, x: moved(drive.ego.x, dx), y: moved(drive.ego.y, dy) },
    agents: { ...drive.agents, x: moved(drive.agents.x, dx), y: moved(drive.agents.y, dy) },
    plans: { ...drive.plans, points: shifted(drive.plans.points) },
    candidates: { ...drive.candidates, points: shifted(drive.candidates.points) },
    perceived: {
      ...drive.perceived,
      points: shifted(drive.perceived.points),
      roads: { ...drive.perceived.roads, points: shifted(drive.perceived.roads.points) },
    },
  };
}

/** A time between two steps: the earlier step, and the share of the interval to the next one. */
export interface Instant {
  step: number;
  share: number;
}

export function instantOf(time: Float32Array, seconds: number): Instant {
  const last = time.length - 1;
  if (last <= 0 || seconds <= time[0]) return { step: 0, share: 0 };
  if (seconds >= time[last]) return { step: last, share: 0 };
  let step = Math.min(last - 1, Math.floor((seconds / time[last]) * last));
  while (step > 0 && time[step] > seconds) step--;
  while (step < last - 1 && time[step + 1] <= seconds) step++;
  return { step, share: (seconds - time[step]) / (time[step + 1] - time[step]) };
}

export function lerp(a: number, b: number, share: number): number {
  return a + (b - a) * share;
}

export function lerpAngle(a: number, b: number, share: number): number {
  const turn = ((((b - a + Math.PI) % (2 * Math.PI)) + 2 * Math.PI) % (2 * Math.PI)) - Math.PI;
  return a + turn * share;
}

export interface Pose {
  x: number;
  y: number;
  heading: number;
}

export function poseAt(of: Pick<Motion, "x" | "y" | "heading">, { step, share }: Instant): Pose {
  const next = Math.min(step + 1, of.x.length - 1);
  return {
    x: lerp(of.x[step], of.x[next], share),
    y: lerp(of.y[step], of.y[next], share),
    heading: lerpAngle(of.heading[step], of.heading[next], share),
  };
}
