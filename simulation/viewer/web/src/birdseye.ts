/** Draws one instant of one or more drives from above. Each layer is a function; `LAYERS` lists them by their keys. */

import { Camera, setTransform, toScreen } from "./camera";
import { Palette, scoreColor } from "./colors";
import { addLine, Ground } from "./ground";
import { Drive, Instant, instantOf, lerp, lerpAngle, Pose, poseAt, Scene } from "./model";

export interface Shown {
  drive: Drive;
  color: string;
}

export interface Frame {
  scene: Scene | null;
  ground: Ground | null;
  /** The first is followed, and its agents are shown. */
  drives: Shown[];
  seconds: number;
  camera: Camera;
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
];

export const TRIANGLE = ["traffic_cone", "czone_sign"];
/** Small things keep a readable size [px]. */
const LEAST_PX = 5;
const ARROW_S = 1;
const LEAST_SPEED_MPS = 0.3;
/** Green, yellow, red: told apart without colour. */
const LIGHT_DASHES = [[], [0.4, 0.8], [1.2, 0.9]];

export function drawFrame(context: CanvasRenderingContext2D, frame: Frame): void {
  const { camera, ratio, colors, layers } = frame;
  context.setTransform(1, 0, 0, 1, 0, 0);
  if (frame.ground) {
    const mapLayers = new Set([...layers].filter((key) => "1234".includes(key)));
    frame.ground.draw(context, camera, ratio, colors, mapLayers, frame.isPlaying);
  } else {
    context.fillStyle = colors.ground;
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  }
  setTransform(context, camera, ratio);
  context.lineJoin = "round";
  context.lineCap = "butt";
  if (layers.has("4") && frame.scene && frame.drives.length) drawLights(context, frame, frame.scene);
  if (layers.has("9") && frame.scene) drawGhost(context, frame, frame.scene);
  if (layers.has("8")) drawDrivenPaths(context, frame);
  if (layers.has("5") && frame.drives.length) drawAgents(context, frame);
  if (layers.has("0") && frame.drives.length) drawCandidates(context, frame, frame.drives[0].drive);
  for (const shown of [...frame.drives].reverse()) {
    if (layers.has("8")) drawPlan(context, frame, shown);
    drawEgo(context, frame, shown);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (layers.has("6") && frame.drives.length) drawLabels(context, frame);
  drawMeasure(context, frame);
  drawScale(context, frame);
}

/** Pose and size of an agent; null where it is not seen. */
export function agentAt(drive: Drive, agent: number, { step, share }: Instant): (Pose & { speed: number }) | null {
  const { x, y, heading, vx, vy } = drive.agents;
  const now = agent * drive.numSteps + step;
  if (Number.isNaN(x[now])) return null;
  const next = now + 1;
  const speed = Math.hypot(vx[now], vy[now]);
  if (share === 0 || step + 1 >= drive.numSteps || Number.isNaN(x[next])) {
    return { x: x[now], y: y[now], heading: heading[now], speed };
  }
  return {
    x: lerp(x[now], x[next], share),
    y: lerp(y[now], y[next], share),
    heading: lerpAngle(heading[now], heading[next], share),
    speed: lerp(speed, Math.hypot(vx[next], vy[next]), share),
  };
}

function drawLights(context: CanvasRenderingContext2D, frame: Frame, scene: Scene): void {
  const { lights, ego } = frame.drives[0].drive;
  const { step } = instantOf(ego.time, frame.seconds);
  const first = lights.offsets[step];
  const last = lights.offsets[step + 1];
  const { connectors } = scene.layers;
  const count = connectors.points.length / 2;
  const width = Math.max(0.35, 1.6 / frame.camera.zoom);
  for (const status of [0, 1, 2]) {
    context.strokeStyle = frame.colors.lights[status];
    context.fillStyle = frame.colors.lights[status];
    context.lineWidth = width;
    context.setLineDash(LIGHT_DASHES[status]);
    context.globalAlpha = 0.75;
    context.beginPath();
    const marks: [number, number][] = [];
    for (let row = first; row < last; row++) {
      const place = scene.connectorPlace.get(lights.connectors[row]);
      if (lights.statuses[row] !== status || place === undefined) continue;
      addLine(context, connectors, place, false);
      const start = connectors.offsets[place];
      marks.push([connectors.points[start], connectors.points[count + start]]);
    }
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
    const size = Math.max(0.8, 4 / frame.camera.zoom);
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

function box(context: CanvasRenderingContext2D, pose: Pose, length: number, width: number): void {
  const cos = Math.cos(pose.heading);
  const sin = Math.sin(pose.heading);
  const ax = (cos * length) / 2;
  const ay = (sin * length) / 2;
  const bx = (-sin * width) / 2;
  const by = (cos * width) / 2;
  context.moveTo(pose.x + ax + bx, pose.y + ay + by);
  context.lineTo(pose.x - ax + bx, pose.y - ay + by);
  context.lineTo(pose.x - ax - bx, pose.y - ay - by);
  context.lineTo(pose.x + ax - bx, pose.y + ay - by);
  context.closePath();
}

function shape(context: CanvasRenderingContext2D, kind: string, pose: Pose, length: number, width: number, px: number): void {
  if (kind === "pedestrian") {
    const radius = Math.max(length, width, LEAST_PX / px) / 2;
    context.moveTo(pose.x + radius, pose.y);
    context.arc(pose.x, pose.y, radius, 0, 2 * Math.PI);
  } else if (TRIANGLE.includes(kind)) {
    const size = Math.max(length, width, (LEAST_PX * 1.2) / px) / 1.6;
    context.moveTo(pose.x, pose.y + size);
    context.lineTo(pose.x - size * 0.87, pose.y - size / 2);
    context.lineTo(pose.x + size * 0.87, pose.y - size / 2);
    context.closePath();
  } else {
    box(context, pose, Math.max(length, LEAST_PX / px), Math.max(width, (LEAST_PX * 0.6) / px));
  }
}

function drawAgents(context: CanvasRenderingContext2D, frame: Frame): void {
  const { drive } = frame.drives[0];
  const { camera, colors } = frame;
  const now = instantOf(drive.ego.time, frame.seconds);
  const reach = Math.hypot(camera.width, camera.height) / 2 / camera.zoom + 12;
  const byKind = new Map<string, { pose: Pose; length: number; width: number }[]>();
  const arrows: { pose: Pose; dx: number; dy: number; front: number }[] = [];
  let selected: { pose: Pose; length: number; width: number; kind: string } | null = null;
  for (let agent = 0; agent < drive.numAgents; agent++) {
    const pose = agentAt(drive, agent, now);
    if (!pose || Math.abs(pose.x - camera.x) > reach || Math.abs(pose.y - camera.y) > reach) continue;
    const place = agent * drive.numSteps + now.step;
    const kind = drive.kindNames[drive.kinds[agent]] ?? "generic_object";
    const item = { pose, length: drive.agents.length[place], width: drive.agents.width[place] };
    if (!byKind.has(kind)) byKind.set(kind, []);
    byKind.get(kind)!.push(item);
    if (drive.trackIds[agent] === frame.track) selected = { ...item, kind };
    if (pose.speed > LEAST_SPEED_MPS) {
      arrows.push({ pose, dx: drive.agents.vx[place], dy: drive.agents.vy[place], front: item.length / 2 });
    }
  }
  context.lineWidth = 1 / camera.zoom;
  for (const [kind, items] of byKind) {
    context.fillStyle = colors.kinds[kind] ?? colors.kinds.generic_object;
    context.strokeStyle = colors.edge;
    context.beginPath();
    for (const { pose, length, width } of items) shape(context, kind, pose, length, width, camera.zoom);
    context.fill();
    context.stroke();
    if (kind === "vehicle" || kind === "bicycle") drawFronts(context, items, colors);
  }
  if (frame.layers.has("7")) drawArrows(context, arrows, camera.zoom, colors.arrow);
  if (selected) {
    const { pose, length, width } = selected;
    context.strokeStyle = colors.selected;
    context.lineWidth = 2 / camera.zoom;
    context.setLineDash([0.8, 0.5]);
    context.beginPath();
    context.arc(pose.x, pose.y, Math.hypot(length, width) / 2 + 0.8, 0, 2 * Math.PI);
    context.stroke();
    context.setLineDash([]);
  }
}

/** A light line across the front third tells where a box is heading. */
function drawFronts(
  context: CanvasRenderingContext2D, items: { pose: Pose; length: number; width: number }[], colors: Palette,
): void {
  context.strokeStyle = colors.edge;
  context.beginPath();
  for (const { pose, length, width } of items) {
    const cos = Math.cos(pose.heading);
    const sin = Math.sin(pose.heading);
    const x = pose.x + cos * length * 0.25;
    const y = pose.y + sin * length * 0.25;
    context.moveTo(x - sin * width * 0.42, y + cos * width * 0.42);
    context.lineTo(pose.x + cos * length * 0.42, pose.y + sin * length * 0.42);
    context.lineTo(x + sin * width * 0.42, y - cos * width * 0.42);
  }
  context.stroke();
}

function drawArrows(
  context: CanvasRenderingContext2D, arrows: { pose: Pose; dx: number; dy: number; front: number }[],
  zoom: number, color: string,
): void {
  context.strokeStyle = color;
  context.lineWidth = Math.max(0.12, 1.2 / zoom);
  context.beginPath();
  for (const { pose, dx, dy, front } of arrows) {
    const speed = Math.hypot(dx, dy);
    if (speed < LEAST_SPEED_MPS) continue;
    const ux = dx / speed;
    const uy = dy / speed;
    const fromX = pose.x + ux * front;
    const fromY = pose.y + uy * front;
    const toX = fromX + dx * ARROW_S;
    const toY = fromY + dy * ARROW_S;
    const head = Math.min(1, 0.3 + speed * 0.12);
    context.moveTo(fromX, fromY);
    context.lineTo(toX, toY);
    context.moveTo(toX - (ux - uy * 0.6) * head, toY - (uy + ux * 0.6) * head);
    context.lineTo(toX, toY);
    context.lineTo(toX - (ux + uy * 0.6) * head, toY - (uy - ux * 0.6) * head);
  }
  context.stroke();
}

function drawGhost(context: CanvasRenderingContext2D, frame: Frame, scene: Scene): void {
  const { logged } = scene;
  const pose = poseAt(logged, instantOf(logged.time, frame.seconds));
  context.strokeStyle = frame.colors.ghost;
  context.lineWidth = Math.max(0.12, 1.2 / frame.camera.zoom);
  context.setLineDash([0.9, 0.7]);
  context.beginPath();
  for (let i = 0; i < logged.x.length; i++) context.lineTo(logged.x[i], logged.y[i]);
  context.stroke();
  const [length, width] = frame.drives[0]?.drive.egoSize ?? [5, 2];
  context.beginPath();
  box(context, pose, length, width);
  context.stroke();
  context.setLineDash([]);
}

function drawDrivenPaths(context: CanvasRenderingContext2D, frame: Frame): void {
  for (const { drive, color } of frame.drives) {
    const { step } = instantOf(drive.ego.time, frame.seconds);
    context.strokeStyle = color;
    context.globalAlpha = 0.35;
    context.lineWidth = Math.max(0.3, 2 / frame.camera.zoom);
    context.beginPath();
    for (let i = 0; i <= step; i++) context.lineTo(drive.ego.x[i], drive.ego.y[i]);
    context.stroke();
    context.globalAlpha = 1;
  }
}

function drawPlan(context: CanvasRenderingContext2D, frame: Frame, { drive, color }: Shown): void {
  const { step } = instantOf(drive.ego.time, frame.seconds);
  const { offsets, points, time } = drive.plans;
  const first = offsets[step];
  const last = offsets[step + 1];
  if (last - first < 2) return;
  const count = points.length / 2;
  context.strokeStyle = color;
  context.lineWidth = Math.max(0.45, 2.5 / frame.camera.zoom);
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
    const radius = Math.max(0.45, 3 / frame.camera.zoom);
    context.moveTo(points[i] + radius, points[count + i]);
    context.arc(points[i], points[count + i], radius, 0, 2 * Math.PI);
  }
  context.fill();
}

/** The candidates of a step with their colours, the worst first so that the best lie on top, the chosen one last. */
export function candidatesAt(drive: Drive, seconds: number, colors: Palette): { place: number; color: string; isChosen: boolean }[] {
  const { offsets, chosen, scores, range } = drive.candidates;
  const { step } = instantOf(drive.ego.time, seconds);
  const found = [];
  for (let place = offsets[step]; place < offsets[step + 1]; place++) {
    const color = scoreColor(colors, (scores[place] - range[0]) / (range[1] - range[0]));
    found.push({ place, color, isChosen: place === chosen[step] });
  }
  return found.sort((a, b) => Number(a.isChosen) - Number(b.isChosen) || scores[a.place] - scores[b.place]);
}

function drawCandidates(context: CanvasRenderingContext2D, frame: Frame, drive: Drive): void {
  const { points, poses } = drive.candidates;
  const count = points.length / 2;
  const { zoom } = frame.camera;
  context.lineCap = "round";
  for (const { place, color, isChosen } of candidatesAt(drive, frame.seconds, frame.colors)) {
    const path = new Path2D();
    let end = place * poses;
    for (let i = end; i < (place + 1) * poses && !Number.isNaN(points[i]); i++) {
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
    // Candidates of one path differ by where they end.
    context.beginPath();
    context.arc(points[end], points[count + end], isChosen ? Math.max(0.9, 6 / zoom) : Math.max(0.4, 3.2 / zoom), 0, 2 * Math.PI);
    context.fill();
    context.strokeStyle = frame.colors.edge;
    context.lineWidth = 1 / zoom;
    context.stroke();
  }
  context.lineCap = "butt";
}

function drawEgo(context: CanvasRenderingContext2D, frame: Frame, { drive, color }: Shown): void {
  const pose = poseAt(drive.ego, instantOf(drive.ego.time, frame.seconds));
  const [length, width] = drive.egoSize;
  context.fillStyle = color;
  context.strokeStyle = frame.colors.edge;
  context.lineWidth = Math.max(0.15, 1.5 / frame.camera.zoom);
  context.beginPath();
  box(context, pose, length, width);
  context.fill();
  context.stroke();
  drawFronts(context, [{ pose, length, width }], frame.colors);
}

function drawLabels(context: CanvasRenderingContext2D, frame: Frame): void {
  const { drive } = frame.drives[0];
  const { camera, colors } = frame;
  if (camera.zoom < 3) return;
  const now = instantOf(drive.ego.time, frame.seconds);
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  const labels: [string, number, number][] = [];
  for (let agent = 0; agent < drive.numAgents; agent++) {
    const pose = agentAt(drive, agent, now);
    if (!pose) continue;
    const [left, top] = toScreen(camera, pose.x, pose.y);
    if (left < 0 || top < 0 || left > camera.width || top > camera.height) continue;
    const speed = pose.speed > LEAST_SPEED_MPS ? `  ${pose.speed.toFixed(1)} m/s` : "";
    const text = shortId(drive.trackIds[agent]) + speed;
    labels.push([text, left, top - 8]);
  }
  // Plates instead of outlined letters: those take three times as long without a GPU.
  context.fillStyle = colors.halo;
  context.beginPath();
  for (const [text, left, top] of labels) context.rect(left - text.length * 2.9 - 2, top - 9, text.length * 5.8 + 4, 12);
  context.fill();
  context.fillStyle = colors.text;
  for (const [text, left, top] of labels) context.fillText(text, left, top);
}

/** The end of an id tells apart what counts upwards, its start what is random. */
export function shortId(track: string): string {
  const bare = track.replace(/^0+(?=.)/, "");
  return bare.length <= 5 ? bare : bare.slice(0, 4);
}

function drawMeasure(context: CanvasRenderingContext2D, { camera, colors, measure }: Frame): void {
  if (!measure.length) return;
  const points = measure.map(([x, y]) => toScreen(camera, x, y));
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
  context.strokeStyle = colors.halo;
  context.strokeText(text, left, top - 8);
  context.fillText(text, left, top - 8);
}

function drawScale(context: CanvasRenderingContext2D, { camera, colors }: Frame): void {
  const metres = [1, 2, 5, 10, 20, 50, 100, 200].find((length) => length * camera.zoom >= 60) ?? 200;
  const width = metres * camera.zoom;
  const left = 14;
  const top = camera.height - 14;
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

/** The agent under a point; null where there is none. */
export function agentUnder(drive: Drive, seconds: number, x: number, y: number, reach: number): string | null {
  const now = instantOf(drive.ego.time, seconds);
  let best: string | null = null;
  let bestDistance = reach;
  for (let agent = 0; agent < drive.numAgents; agent++) {
    const pose = agentAt(drive, agent, now);
    if (!pose) continue;
    const place = agent * drive.numSteps + now.step;
    const dx = x - pose.x;
    const dy = y - pose.y;
    const along = Math.abs(dx * Math.cos(pose.heading) + dy * Math.sin(pose.heading));
    const aside = Math.abs(dy * Math.cos(pose.heading) - dx * Math.sin(pose.heading));
    const distance = Math.hypot(
      Math.max(0, along - drive.agents.length[place] / 2), Math.max(0, aside - drive.agents.width[place] / 2),
    );
    if (distance < bestDistance) {
      best = drive.trackIds[agent];
      bestDistance = distance;
    }
  }
  return best;
}
