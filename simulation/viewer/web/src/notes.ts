/** Notes about a scenario: rarity of its agents, what was changed in it, the way out, and further samples of its traffic. */

import { instantOf, Motion, Pose, poseAt } from "./model";
import { Message } from "./packing";

export type Path = Pick<Motion, "x" | "y" | "heading" | "time">;

export interface Samples {
  count: number;
  time: Float32Array;
  /** Sample and kind of each row; a row is an agent or the ego of one sample. */
  of: Int32Array;
  kinds: Int32Array;
  length: Float32Array;
  width: Float32Array;
  /** Rows, each over `time`; NaN where the agent is not tracked. */
  x: Float32Array;
  y: Float32Array;
  heading: Float32Array;
}

export interface Notes {
  scenario: string;
  origin: [number, number];
  mode: string;
  planner: string;
  failure: string;
  failureS: number | null;
  isSolvable: boolean | null;
  seed: number | null;
  /** The changed agent, its motion without the change, and a drive of the ego without the failure. */
  track: string;
  unchanged: Path | null;
  wayOut: Path | null;
  surpriseS: number | null;
  latestStartS: number | null;
  /** By track id: 0 for the most common agent, 1 for the rarest. */
  rarity: Map<string, number>;
  samples: Samples;
  /** A sentence for each sample that could not be read. */
  problems: string[];
}

/** Value of `kinds` in a sample for its ego. */
export const EGO_KIND = "ego";

export function readNotes(buffer: ArrayBuffer): Notes {
  const message = Message.read(buffer);
  const { header } = message;
  const path = (name: string): Path | null => {
    const time = message.reals(`${name}.time_s`);
    return time.length ? { time, x: message.reals(`${name}.x`), y: message.reals(`${name}.y`), heading: message.reals(`${name}.heading`) } : null;
  };
  return {
    scenario: header.scenario,
    origin: header.origin,
    mode: header.mode,
    planner: header.planner,
    failure: header.failure,
    failureS: header.failure_s,
    isSolvable: header.is_solvable,
    seed: header.seed,
    track: header.track,
    unchanged: path("unchanged"),
    wayOut: path("way_out"),
    surpriseS: header.surprise_s,
    latestStartS: header.latest_start_s,
    rarity: new Map(Object.entries(header.rarity as Record<string, number>)),
    samples: {
      count: header.num_samples,
      time: message.reals("samples.time_s"),
      of: message.integers("samples.of"),
      kinds: message.integers("samples.kinds"),
      length: message.reals("samples.length"),
      width: message.reals("samples.width"),
      x: message.reals("samples.x"),
      y: message.reals("samples.y"),
      heading: message.reals("samples.heading"),
    },
    problems: header.problems,
  };
}

/** The notes relative to another origin. */
export function alignedNotes(notes: Notes, origin: [number, number]): Notes {
  const [dx, dy] = [notes.origin[0] - origin[0], notes.origin[1] - origin[1]];
  if (dx === 0 && dy === 0) return notes;
  const moved = <T extends { x: Float32Array; y: Float32Array }>(of: T): T => ({ ...of, x: of.x.map((x) => x + dx), y: of.y.map((y) => y + dy) });
  return {
    ...notes, origin, unchanged: notes.unchanged && moved(notes.unchanged), wayOut: notes.wayOut && moved(notes.wayOut), samples: moved(notes.samples),
  };
}

/** Pose of a path at a time; null before its start and after its end. */
export function poseOn(path: Path | null, seconds: number): Pose | null {
  if (!path || seconds < path.time[0] - 0.05 || seconds > path.time[path.time.length - 1] + 0.05) return null;
  return poseAt(path, instantOf(path.time, seconds));
}

/** Pose of a row of the samples at a time; null where it is not tracked. */
export function sampledPose({ time, x, y, heading }: Samples, row: number, seconds: number): Pose | null {
  if (seconds > time[time.length - 1] + 0.2) return null;
  const first = row * time.length;
  const part = (values: Float32Array) => values.subarray(first, first + time.length);
  const now = instantOf(time, seconds);
  const pose = poseAt({ x: part(x), y: part(y), heading: part(heading) }, now);
  if (!Number.isNaN(pose.x)) return pose;
  const step = first + now.step;
  return Number.isNaN(x[step]) ? null : { x: x[step], y: y[step], heading: heading[step] };
}

/** Time between the visible surprise and the latest start of a way out. */
export function reactionS({ surpriseS, latestStartS }: { surpriseS: number | null; latestStartS: number | null }): number | null {
  return surpriseS === null || latestStartS === null ? null : latestStartS - surpriseS;
}
