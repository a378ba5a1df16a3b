/** Layer of what the planner perceived: boxes and road over the truth, with missed agents and false boxes marked. */

import { addBox, agentAt, MIN_SPEED_MPS } from "./agents";
import type { VisibleAgents } from "./api";
import type { Frame } from "./birdseye";
import { Palette } from "./colors";
import { Drive, instantOf, Pose, Roads } from "./model";

export interface PerceivedBox {
  pose: Pose;
  length: number;
  width: number;
  vx: number;
  vy: number;
  isFalse: boolean;
}

/** Opacity of a certain cell: drivable, lane line, crosswalk. */
const OPACITY = [0.26, 0.85, 0.5];
/** Cells below this probability are not drawn: a weak tint everywhere would hide the map. */
const MIN_SHARE = 0.3;
const LEVELS = 15;

export function perceivedBoxes({ perceived, ego }: Drive, seconds: number): PerceivedBox[] {
  const { step } = instantOf(ego.time, seconds);
  const { points, headings, velocities, sizes, isFalse, offsets } = perceived;
  const count = headings.length;
  const found = [];
  for (let i = offsets[step]; i < (offsets[step + 1] ?? 0); i++) {
    found.push({
      pose: { x: points[i], y: points[count + i], heading: headings[i] }, length: sizes[i], width: sizes[count + i],
      vx: velocities[i], vy: velocities[count + i], isFalse: isFalse[i] === 1,
    });
  }
  return found;
}

/** Rows of the true agents that were not perceived; if it is known which agents the cameras show, only of those. */
export function missedAgents({ perceived, ego }: Drive, visible: VisibleAgents | null, seconds: number): number[] {
  const { step } = instantOf(ego.time, seconds);
  const { offsets, agents } = perceived.missed;
  const missed = [...agents.subarray(offsets[step], offsets[step + 1] ?? 0)];
  const shown = visible?.agents[Math.floor(step / visible.every)];
  return shown ? missed.filter((agent) => shown.includes(agent)) : missed;
}

/** Length and width of an agent at a step. */
export function sizeOf({ agents, numSteps }: Drive, agent: number, step: number): [number, number] {
  const index = agent * numSteps + step;
  return [agents.length[index], agents.width[index]];
}

export function drawPerceivedBoxes(context: CanvasRenderingContext2D, { drives, seconds, viewport, colors }: Frame): void {
  if (!drives.length) return;
  const { drive, visible } = drives[0];
  const width = Math.max(0.16, 2 / viewport.zoom);
  for (const isFalse of [false, true]) {
    const path = new Path2D();
    for (const { pose, length, width: side, vx, vy } of perceivedBoxes(drive, seconds).filter((box) => box.isFalse === isFalse)) {
      addBox(path, pose, length, side);
      if (isFalse) addCross(path, pose, Math.max(length, side, 1.5) / 2);
      if (Math.hypot(vx, vy) > MIN_SPEED_MPS) {
        path.moveTo(pose.x, pose.y);
        path.lineTo(pose.x + vx, pose.y + vy);
      }
    }
    outline(context, path, width, isFalse ? colors.bound : colors.perceived, colors);
  }
  const missed = new Path2D();
  const now = instantOf(drive.ego.time, seconds);
  for (const agent of missedAgents(drive, visible, seconds)) {
    const pose = agentAt(drive, agent, now);
    if (!pose) continue;
    const radius = Math.max(Math.hypot(...sizeOf(drive, agent, now.step)) / 2 + 0.5, 6 / viewport.zoom);
    missed.moveTo(pose.x + radius, pose.y);
    missed.arc(pose.x, pose.y, radius, 0, 2 * Math.PI);
  }
  context.setLineDash([0.9, 0.6]);
  outline(context, missed, width, colors.bound, colors);
  context.setLineDash([]);
}

/** A line with an edge in the colour of the ground, visible on every layer. */
function outline(context: CanvasRenderingContext2D, path: Path2D, width: number, color: string, colors: Palette): void {
  context.strokeStyle = colors.edge;
  context.lineWidth = 2 * width;
  context.stroke(path);
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke(path);
}

function addCross(path: Path2D, { x, y }: Pose, reach: number): void {
  path.moveTo(x - reach, y - reach);
  path.lineTo(x + reach, y + reach);
  path.moveTo(x - reach, y + reach);
  path.lineTo(x + reach, y - reach);
}

export function drawPerceivedRoad(context: CanvasRenderingContext2D, { drives, seconds, colors }: Frame): void {
  if (!drives.length) return;
  const { perceived, ego } = drives[0].drive;
  const { roads } = perceived;
  const road = roads.ofStep[instantOf(ego.time, seconds).step] ?? -1;
  if (road < 0 || !roads.grid) return;
  const [x, y, cell, numX, numY] = roads.grid;
  context.save();
  context.translate(roads.points[road], roads.points[roads.headings.length + road]);
  context.rotate(roads.headings[road]);
  context.imageSmoothingEnabled = false;
  context.drawImage(roadImage(roads, road, colors), x, y, numX * cell, numY * cell);
  context.restore();
}

const images = new WeakMap<Int32Array, Map<string, HTMLCanvasElement>>();

/** Image of a road, one pixel per cell: columns grow forward, rows to the left. */
function roadImage({ cells, grid }: Roads, road: number, colors: Palette): HTMLCanvasElement {
  const kept = images.get(cells) ?? images.set(cells, new Map()).get(cells)!;
  const key = `${road} ${colors.perceived_road}`;
  let canvas = kept.get(key);
  if (!canvas) {
    const [, , , numX, numY] = grid!;
    canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [numX, numY];
    const context = canvas.getContext("2d")!;
    const image = context.createImageData(numX, numY);
    const layers = [colors.perceived_road, colors.perceived_line, colors.perceived_crosswalk].map(channels);
    for (let row = 0; row < numY; row++) {
      for (let column = 0; column < numX; column++) {
        const cell = cells[road * numX * numY + column * numY + row];
        // A crosswalk covers the road, a line covers both.
        for (const layer of [0, 2, 1]) {
          const share = ((cell >> (4 * layer)) & 15) / LEVELS;
          if (share >= MIN_SHARE) image.data.set([...layers[layer], 255 * OPACITY[layer] * share], 4 * (row * numX + column));
        }
      }
    }
    context.putImageData(image, 0, 0);
    kept.set(key, canvas);
  }
  return canvas;
}

function channels(color: string): [number, number, number] {
  return [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16)) as [number, number, number];
}
