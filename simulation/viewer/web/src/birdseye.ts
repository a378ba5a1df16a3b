/** Draws one instant of one or more drives from above. A layer has an entry in `LAYERS` and a function in `DRAWN_LAYERS`. */

import { addBox, drawAgents, drawFronts, drawLabels } from "./agents";
import type { VisibleAgents } from "./api";
import { Palette, scoreColor } from "./colors";
import { addLine, Ground } from "./ground";
import { Drive, instantOf, poseAt, Scene } from "./model";
import type { Notes } from "./notes";
import { drawGhost, drawSamples, drawWayOut } from "./notes_layers";
import { drawPerceivedBoxes, drawPerceivedRoad } from "./perception";
import { setTransform, toScreen, Viewport } from "./viewport";

export interface DrawnDrive {
  drive: Drive;
  color: string;
  /** Null where it is not known which agents the cameras show. */
  visible: VisibleAgents | null;
}

export interface Frame {
  scene: Scene | null;
  ground: Ground | null;
  /** The view follows the first drive; only its agents are drawn. */
  drives: DrawnDrive[];
  notes: Notes | null;
  seconds: number;
  viewport: Viewport;
  ratio: number;
  colors: Palette;
  layers: Set<string>;
  track: string;
  measure: [number, number][];
  isPlaying: boolean;
}

export const LAYERS: { key: string; title: string }[] = [
  { key: "1", title: "Road, crosswalks" },
  { key: "2", title: "Lanes, connectors" },
  { key: "3", title: "Route and goal" },
  { key: "4", title: "Lights, stop lines" },
  { key: "5", title: "Agents" },
  { key: "6", title: "Ids and speeds" },
  { key: "7", title: "Speed arrows" },
  { key: "8", title: "Plan and driven path" },
  { key: "9", title: "Logged ego" },
  { key: "0", title: "Candidates by score" },
  { key: "p", title: "Perceived boxes, road" },
  { key: "u", title: "Agents by rarity" },
  { key: "g", title: "Agent without its change" },
  { key: "e", title: "Way out" },
  { key: "t", title: "Samples of traffic" },
];

/** Layers above the map in metres, from bottom to top, each with its key. */
const DRAWN_LAYERS: [string, (context: CanvasRenderingContext2D, frame: Frame) => void][] = [
  ["p", drawPerceivedRoad], ["4", drawLights], ["t", drawSamples], ["9", drawLoggedEgo], ["e", drawWayOut], ["8", drawDrivenPaths], ["5", drawAgents],
  ["g", drawGhost], ["p", drawPerceivedBoxes], ["0", drawCandidates], ["8", drawPlans],
];

/** Dashes of green, yellow and red lights: distinct without colour. */
const LIGHT_DASHES = [[], [0.4, 0.8], [1.2, 0.9]];

export function drawFrame(context: CanvasRenderingContext2D, frame: Frame): void {
  const { viewport, ratio, colors, layers } = frame;
  context.setTransform(1, 0, 0, 1, 0, 0);
  if (frame.ground) {
    const mapLayers = new Set([...layers].filter((key) => "1234".includes(key)));
    frame.ground.draw(context, viewport, ratio, colors, mapLayers, frame.isPlaying);
  } else {
    context.fillStyle = colors.ground;
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  }
  setTransform(context, viewport, ratio);
  context.lineJoin = "round";
  context.lineCap = "butt";
  for (const [key, draw] of DRAWN_LAYERS) if (layers.has(key)) draw(context, frame);
  drawEgos(context, frame);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (layers.has("6")) drawLabels(context, frame);
  drawMeasure(context, frame);
  drawScale(context, frame);
}

function drawLights(context: CanvasRenderingContext2D, frame: Frame): void {
  const { scene } = frame;
  if (!scene || !frame.drives.length) return;
  const { lights, ego } = frame.drives[0].drive;
  const { step } = instantOf(ego.time, frame.seconds);
  const first = lights.offsets[step];
  const last = lights.offsets[step + 1];
  const { connectors } = scene.layers;
  const count = connectors.points.length / 2;
  const width = Math.max(0.35, 1.6 / frame.viewport.zoom);
  for (const status of [0, 1, 2]) {
    context.strokeStyle = frame.colors.lights[status];
    context.fillStyle = frame.colors.lights[status];
    context.lineWidth = width;
    context.setLineDash(LIGHT_DASHES[status]);
    context.globalAlpha = 0.75;
    context.beginPath();
    const marks: [number, number][] = [];
    for (let row = first; row < last; row++) {
      const index = scene.connectorIndex.get(lights.connectors[row]);
      if (lights.statuses[row] !== status || index === undefined) continue;
      addLine(context, connectors, index, false);
      const start = connectors.offsets[index];
      marks.push([connectors.points[start], connectors.points[count + start]]);
    }
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
    const size = Math.max(0.8, 4 / frame.viewport.zoom);
    context.beginPath();
    for (const [x, y] of marks) {
      if (status === 2) context.rect(x - size * 0.8, y - size * 0.8, size * 1.6, size * 1.6);
      else if (status === 1) {
        context.moveTo(x, y + size * 1.1);
        context.lineTo(x - size, y - size * 0.7);
        context.lineTo(x + size, y - size * 0.7);
        context.closePath();
      } else {
        context.moveTo(x + size, y);
        context.arc(x, y, size, 0, 2 * Math.PI);
      }
    }
    context.fill();
  }
}

function drawLoggedEgo(context: CanvasRenderingContext2D, frame: Frame): void {
  if (!frame.scene) return;
  const { logged } = frame.scene;
  const pose = poseAt(logged, instantOf(logged.time, frame.seconds));
  context.strokeStyle = frame.colors.logged_ego;
  context.lineWidth = Math.max(0.12, 1.2 / frame.viewport.zoom);
  context.setLineDash([0.9, 0.7]);
  context.beginPath();
  for (let i = 0; i < logged.x.length; i++) context.lineTo(logged.x[i], logged.y[i]);
  context.stroke();
  const [length, width] = frame.drives[0]?.drive.egoSize ?? [5, 2];
  context.beginPath();
  addBox(context, pose, length, width);
  context.stroke();
  context.setLineDash([]);
}

function drawDrivenPaths(context: CanvasRenderingContext2D, frame: Frame): void {
  for (const { drive, color } of frame.drives) {
    const { step } = instantOf(drive.ego.time, frame.seconds);
    context.strokeStyle = color;
    context.globalAlpha = 0.35;
    context.lineWidth = Math.max(0.3, 2 / frame.viewport.zoom);
    context.beginPath();
    for (let i = 0; i <= step; i++) context.lineTo(drive.ego.x[i], drive.ego.y[i]);
    context.stroke();
    context.globalAlpha = 1;
  }
}

/** The plan of the first drive is drawn last, on top. */
function drawPlans(context: CanvasRenderingContext2D, frame: Frame): void {
  for (const drawn of [...frame.drives].reverse()) drawPlan(context, frame, drawn);
}

function drawPlan(context: CanvasRenderingContext2D, frame: Frame, { drive, color }: DrawnDrive): void {
  const { step } = instantOf(drive.ego.time, frame.seconds);
  const { offsets, points, time } = drive.plans;
  const first = offsets[step];
  const last = offsets[step + 1];
  if (last - first < 2) return;
  const count = points.length / 2;
  context.strokeStyle = color;
  context.lineWidth = Math.max(0.45, 2.5 / frame.viewport.zoom);
  context.lineCap = "round";
  context.beginPath();
  for (let i = first; i < last; i++) context.lineTo(points[i], points[count + i]);
  context.stroke();
  context.lineCap = "butt";
  context.fillStyle = color;
  context.beginPath();
  for (let i = first, second = 1; i < last; i++) {
    if (time[i] + 1e-6 < second) continue;
    second = Math.floor(time[i] + 1e-6) + 1;
    const radius = Math.max(0.45, 3 / frame.viewport.zoom);
    context.moveTo(points[i] + radius, points[count + i]);
    context.arc(points[i], points[count + i], radius, 0, 2 * Math.PI);
  }
  context.fill();
}

/** Candidates of a step with their colours, by rising score; the chosen one is last, so that it is drawn on top. */
export function candidatesAt(drive: Drive, seconds: number, colors: Palette): { index: number; color: string; isChosen: boolean }[] {
  const { offsets, chosen, scores, range } = drive.candidates;
  const { step } = instantOf(drive.ego.time, seconds);
  const found = [];
  for (let index = offsets[step]; index < offsets[step + 1]; index++) {
    const color = scoreColor(colors, (scores[index] - range[0]) / (range[1] - range[0]));
    found.push({ index, color, isChosen: index === chosen[step] });
  }
  return found.sort((a, b) => Number(a.isChosen) - Number(b.isChosen) || scores[a.index] - scores[b.index]);
}

function drawCandidates(context: CanvasRenderingContext2D, frame: Frame): void {
  if (!frame.drives.length) return;
  const { drive } = frame.drives[0];
  const { points, poses } = drive.candidates;
  const count = points.length / 2;
  const { zoom } = frame.viewport;
  context.lineCap = "round";
  for (const { index, color, isChosen } of candidatesAt(drive, frame.seconds, frame.colors)) {
    const path = new Path2D();
    let end = index * poses;
    for (let i = end; i < (index + 1) * poses && !Number.isNaN(points[i]); i++) {
      path.lineTo(points[i], points[count + i]);
      end = i;
    }
    const width = isChosen ? Math.max(0.55, 4 / zoom) : Math.max(0.18, 1.6 / zoom);
    if (isChosen) {
      context.strokeStyle = frame.colors.edge;
      context.lineWidth = width + 3 / zoom;
      context.stroke(path);
    }
    context.strokeStyle = context.fillStyle = color;
    context.lineWidth = width;
    context.stroke(path);
    // The end point distinguishes candidates on one path.
    context.beginPath();
    context.arc(points[end], points[count + end], isChosen ? Math.max(0.9, 6 / zoom) : Math.max(0.4, 3.2 / zoom), 0, 2 * Math.PI);
    context.fill();
    context.strokeStyle = frame.colors.edge;
    context.lineWidth = 1 / zoom;
    context.stroke();
  }
  context.lineCap = "butt";
}

function drawEgos(context: CanvasRenderingContext2D, frame: Frame): void {
  for (const drawn of [...frame.drives].reverse()) drawEgo(context, frame, drawn);
}

function drawEgo(context: CanvasRenderingContext2D, frame: Frame, { drive, color }: DrawnDrive): void {
  const pose = poseAt(drive.ego, instantOf(drive.ego.time, frame.seconds));
  const [length, width] = drive.egoSize;
  context.fillStyle = color;
  context.strokeStyle = frame.colors.edge;
  context.lineWidth = Math.max(0.15, 1.5 / frame.viewport.zoom);
  context.beginPath();
  addBox(context, pose, length, width);
  context.fill();
  context.stroke();
  drawFronts(context, [{ pose, length, width }], frame.colors);
}

function drawMeasure(context: CanvasRenderingContext2D, { viewport, colors, measure }: Frame): void {
  if (!measure.length) return;
  const points = measure.map(([x, y]) => toScreen(viewport, x, y));
  context.strokeStyle = colors.measure;
  context.fillStyle = colors.measure;
  context.lineWidth = 2;
  context.beginPath();
  for (const [left, top] of points) context.lineTo(left, top);
  context.stroke();
  for (const [left, top] of points) {
    context.beginPath();
    context.arc(left, top, 4, 0, 2 * Math.PI);
    context.fill();
  }
  if (points.length < 2) return;
  const [[ax, ay], [bx, by]] = measure;
  const [left, top] = [(points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2];
  const text = `${Math.hypot(bx - ax, by - ay).toFixed(2)} m`;
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "center";
  context.lineWidth = 4;
  context.strokeStyle = colors.text_plate;
  context.strokeText(text, left, top - 8);
  context.fillText(text, left, top - 8);
}

function drawScale(context: CanvasRenderingContext2D, { viewport, colors }: Frame): void {
  const metres = [1, 2, 5, 10, 20, 50, 100, 200].find((length) => length * viewport.zoom >= 60) ?? 200;
  const width = metres * viewport.zoom;
  const left = 14;
  const top = viewport.height - 14;
  context.strokeStyle = colors.text;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(left, top - 5);
  context.lineTo(left, top);
  context.lineTo(left + width, top);
  context.lineTo(left + width, top - 5);
  context.stroke();
  context.fillStyle = colors.text;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "left";
  context.fillText(`${metres} m`, left + 5, top - 5);
}

