/** Layers of the notes in the view from above: further samples of traffic, the way out, and the changed agent without its change. */

import { addBox, agentAt, drawFronts } from "./agents";
import type { Frame } from "./birdseye";
import { instantOf, Pose } from "./model";
import { EGO_KIND, Notes, Path, poseOn, sampledPose } from "./notes";

const SAMPLE_LINE_ALPHA = 0.2;
const SAMPLE_BOX_ALPHA = 0.45;

export function drawSamples(context: CanvasRenderingContext2D, frame: Frame): void {
  const { notes, drives, viewport, colors, seconds } = frame;
  if (!notes?.samples.count || !drives.length) return;
  const { samples } = notes;
  const { kindNames } = drives[0].drive;
  const lines = sampleLines(notes, kindNames);
  const boxes = { agents: new Path2D(), ego: new Path2D() };
  for (let row = 0; row < samples.of.length; row++) {
    const pose = sampledPose(samples, row, seconds);
    if (pose) addBox(kindNames[samples.kinds[row]] === EGO_KIND ? boxes.ego : boxes.agents, pose, samples.length[row], samples.width[row]);
  }
  context.lineWidth = Math.max(0.14, 1.4 / viewport.zoom);
  for (const [name, color] of [["agents", colors.sample], ["ego", drives[0].color]] as const) {
    context.strokeStyle = context.fillStyle = color;
    context.globalAlpha = SAMPLE_LINE_ALPHA;
    // One stroke per line: where samples agree, lines add up.
    for (const line of lines[name]) context.stroke(line);
    context.fill(boxes[name]);
    context.globalAlpha = SAMPLE_BOX_ALPHA;
    context.stroke(boxes[name]);
  }
  context.globalAlpha = 1;
}

const linesOf = new WeakMap<Notes, { agents: Path2D[]; ego: Path2D[] }>();

/** Paths of all samples, one per sample and group. */
function sampleLines(notes: Notes, kindNames: Record<string, string>): { agents: Path2D[]; ego: Path2D[] } {
  const kept = linesOf.get(notes);
  if (kept) return kept;
  const { count, of, kinds, time, x, y } = notes.samples;
  const lines = { agents: Array.from({ length: count }, () => new Path2D()), ego: Array.from({ length: count }, () => new Path2D()) };
  for (let row = 0; row < of.length; row++) {
    const line = lines[kindNames[kinds[row]] === EGO_KIND ? "ego" : "agents"][of[row]];
    let isGap = true;
    for (let i = row * time.length; i < (row + 1) * time.length; i++) {
      if (!Number.isNaN(x[i])) isGap ? line.moveTo(x[i], y[i]) : line.lineTo(x[i], y[i]);
      isGap = Number.isNaN(x[i]);
    }
  }
  linesOf.set(notes, lines);
  return lines;
}

export function drawWayOut(context: CanvasRenderingContext2D, frame: Frame): void {
  const { notes, drives, viewport, colors, seconds } = frame;
  if (!notes?.wayOut) return;
  const { wayOut, latestStartS } = notes;
  const width = Math.max(0.35, 3 / viewport.zoom);
  cased(context, lineOf(wayOut), width, colors.way_out, colors.edge, 1.5 / viewport.zoom);
  const start = latestStartS === null ? null : poseOn(wayOut, latestStartS);
  if (start) {
    const size = Math.max(1, 8 / viewport.zoom);
    const mark = new Path2D();
    for (const [along, aside] of [[1, 0], [0, 1], [-1, 0], [0, -1]]) mark.lineTo(start.x + along * size, start.y + aside * size);
    mark.closePath();
    context.fillStyle = colors.way_out;
    context.fill(mark);
    context.strokeStyle = colors.edge;
    context.lineWidth = 2 / viewport.zoom;
    context.stroke(mark);
  }
  const pose = poseOn(wayOut, seconds);
  const [length, side] = drives[0]?.drive.egoSize ?? [5, 2];
  if (pose) shadowBox(context, pose, [length, side], colors.way_out, frame);
}

/** The changed agent without its change, dashed, joined by a line to the agent as it drives. */
export function drawGhost(context: CanvasRenderingContext2D, frame: Frame): void {
  const { notes, drives, viewport, colors, seconds } = frame;
  if (!notes?.track || !drives.length) return;
  const { drive } = drives[0];
  const agent = drive.trackIds.indexOf(notes.track);
  const now = instantOf(drive.ego.time, seconds);
  const pose = agent < 0 ? null : agentAt(drive, agent, now);
  const index = agent * drive.numSteps + now.step;
  const size: [number, number] = pose ? [drive.agents.length[index], drive.agents.width[index]] : [4.8, 2];
  const line = Math.max(0.16, 2 / viewport.zoom);
  const ghost = poseOn(notes.unchanged, seconds);
  if (notes.unchanged) {
    context.setLineDash([0.9, 0.7]);
    context.globalAlpha = 0.7;
    context.strokeStyle = colors.ghost;
    context.lineWidth = Math.max(0.1, 1.2 / viewport.zoom);
    context.stroke(lineOf(notes.unchanged));
    context.setLineDash([]);
    context.globalAlpha = 1;
  }
  if (ghost) {
    context.setLineDash([0.9, 0.5]);
    shadowBox(context, ghost, size, colors.ghost, frame);
    context.setLineDash([]);
  }
  if (pose) {
    const box = new Path2D();
    addBox(box, pose, size[0] + 0.7, size[1] + 0.7);
    if (ghost && Math.hypot(ghost.x - pose.x, ghost.y - pose.y) > size[0] / 2) {
      box.moveTo(pose.x, pose.y);
      box.lineTo(ghost.x, ghost.y);
    }
    cased(context, box, line, colors.ghost, colors.edge, 1 / viewport.zoom);
  }
}

function lineOf({ x, y }: Path): Path2D {
  const line = new Path2D();
  for (let i = 0; i < x.length; i++) line.lineTo(x[i], y[i]);
  return line;
}

/** A translucent box with an outline. */
function shadowBox(context: CanvasRenderingContext2D, pose: Pose, [length, width]: [number, number], color: string, { viewport, colors }: Frame): void {
  const box = new Path2D();
  addBox(box, pose, length, width);
  context.fillStyle = color;
  context.globalAlpha = 0.22;
  context.fill(box);
  context.globalAlpha = 1;
  cased(context, box, Math.max(0.18, 2 / viewport.zoom), color, colors.edge, 0);
  context.lineWidth = Math.max(0.12, 1.2 / viewport.zoom);
  drawFronts(context, [{ pose, length, width }], { ...colors, edge: color });
}

/** A line with an edge in the colour of the ground. */
function cased(context: CanvasRenderingContext2D, line: Path2D, width: number, color: string, edge: string, casing: number): void {
  if (casing) {
    context.strokeStyle = edge;
    context.lineWidth = width + 2 * casing;
    context.stroke(line);
  }
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke(line);
}
