/** Layers of the agents in the view from above. */

import type { Frame } from "./birdseye";
import { kindColor, Palette, rarityColor } from "./colors";
import { Drive, Instant, instantOf, lerp, lerpAngle, Pose } from "./model";
import type { Notes } from "./notes";
import { toScreen } from "./viewport";

/** Kinds that are drawn as triangles, and as cones in three dimensions. */
export const TRIANGLE_KINDS = ["traffic_cone", "czone_sign"];
/** Minimal size of small boxes [px]. */
const MIN_SIZE_PX = 5;
/** Arrows are as long as the distance driven in this time. */
const ARROW_S = 1;
export const MIN_SPEED_MPS = 0.3;

interface Box {
  pose: Pose;
  length: number;
  width: number;
}

interface Arrow {
  pose: Pose;
  dx: number;
  dy: number;
  /** Distance from the centre to the front of the box. */
  front: number;
}

/** Interpolated pose and speed of an agent; null when it is not tracked. */
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

/** Colour of an agent: that of its kind, or of its rarity. */
export function agentColor(drive: Drive, agent: number, kind: string, { notes, layers, colors }: { notes: Notes | null; layers: Set<string>; colors: Palette }): string {
  return layers.has("u") && notes?.rarity.size ? rarityColor(colors, notes.rarity.get(drive.trackIds[agent])) : kindColor(colors, kind);
}

export function drawAgents(context: CanvasRenderingContext2D, frame: Frame): void {
  if (!frame.drives.length) return;
  const { drive } = frame.drives[0];
  const { viewport, colors } = frame;
  const now = instantOf(drive.ego.time, frame.seconds);
  const reach = Math.hypot(viewport.width, viewport.height) / 2 / viewport.zoom + 12;
  const groups = new Map<string, { kind: string; color: string; items: Box[] }>();
  const arrows: Arrow[] = [];
  let selected: Box | null = null;
  for (let agent = 0; agent < drive.numAgents; agent++) {
    const pose = agentAt(drive, agent, now);
    if (!pose || Math.abs(pose.x - viewport.x) > reach || Math.abs(pose.y - viewport.y) > reach) continue;
    const index = agent * drive.numSteps + now.step;
    const kind = drive.kindNames[drive.kinds[agent]] ?? "generic_object";
    const item = { pose, length: drive.agents.length[index], width: drive.agents.width[index] };
    const color = agentColor(drive, agent, kind, frame);
    const group = groups.get(kind + color) ?? { kind, color, items: [] };
    groups.set(kind + color, group);
    group.items.push(item);
    if (drive.trackIds[agent] === frame.track) selected = item;
    if (pose.speed > MIN_SPEED_MPS) {
      arrows.push({ pose, dx: drive.agents.vx[index], dy: drive.agents.vy[index], front: item.length / 2 });
    }
  }
  context.lineWidth = 1 / viewport.zoom;
  for (const { kind, color, items } of groups.values()) {
    context.fillStyle = color;
    context.strokeStyle = color === colors.ground ? colors.axis : colors.edge;
    context.beginPath();
    for (const { pose, length, width } of items) addShape(context, kind, pose, length, width, viewport.zoom);
    context.fill();
    context.stroke();
    if (kind === "vehicle" || kind === "bicycle") drawFronts(context, items, colors);
  }
  if (frame.layers.has("7")) drawArrows(context, arrows, viewport.zoom, colors.arrow);
  if (selected) {
    const { pose, length, width } = selected;
    context.strokeStyle = colors.selected;
    context.lineWidth = 2 / viewport.zoom;
    context.setLineDash([0.8, 0.5]);
    context.beginPath();
    context.arc(pose.x, pose.y, Math.hypot(length, width) / 2 + 0.8, 0, 2 * Math.PI);
    context.stroke();
    context.setLineDash([]);
  }
}

function addShape(context: CanvasRenderingContext2D, kind: string, pose: Pose, length: number, width: number, px: number): void {
  if (kind === "pedestrian") {
    const radius = Math.max(length, width, MIN_SIZE_PX / px) / 2;
    context.moveTo(pose.x + radius, pose.y);
    context.arc(pose.x, pose.y, radius, 0, 2 * Math.PI);
  } else if (TRIANGLE_KINDS.includes(kind)) {
    const size = Math.max(length, width, (MIN_SIZE_PX * 1.2) / px) / 1.6;
    context.moveTo(pose.x, pose.y + size);
    context.lineTo(pose.x - size * 0.87, pose.y - size / 2);
    context.lineTo(pose.x + size * 0.87, pose.y - size / 2);
    context.closePath();
  } else {
    addBox(context, pose, Math.max(length, MIN_SIZE_PX / px), Math.max(width, (MIN_SIZE_PX * 0.6) / px));
  }
}

export function addBox(context: CanvasRenderingContext2D | Path2D, pose: Pose, length: number, width: number): void {
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

/** Draws a chevron at the front of each box. */
export function drawFronts(
  context: CanvasRenderingContext2D, items: Box[], colors: Palette,
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
  context: CanvasRenderingContext2D, arrows: Arrow[],
  zoom: number, color: string,
): void {
  context.strokeStyle = color;
  context.lineWidth = Math.max(0.12, 1.2 / zoom);
  context.beginPath();
  for (const { pose, dx, dy, front } of arrows) {
    const speed = Math.hypot(dx, dy);
    if (speed < MIN_SPEED_MPS) continue;
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

export function drawLabels(context: CanvasRenderingContext2D, frame: Frame): void {
  if (!frame.drives.length) return;
  const { drive } = frame.drives[0];
  const { viewport, colors } = frame;
  if (viewport.zoom < 3) return;
  const now = instantOf(drive.ego.time, frame.seconds);
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  const labels: [string, number, number][] = [];
  for (let agent = 0; agent < drive.numAgents; agent++) {
    const pose = agentAt(drive, agent, now);
    if (!pose) continue;
    const [left, top] = toScreen(viewport, pose.x, pose.y);
    if (left < 0 || top < 0 || left > viewport.width || top > viewport.height) continue;
    const speed = pose.speed > MIN_SPEED_MPS ? `  ${pose.speed.toFixed(1)} m/s` : "";
    const text = shortId(drive.trackIds[agent]) + speed;
    labels.push([text, left, top - 8]);
  }
  // Outlined letters would take three times as long as plates without a GPU.
  context.fillStyle = colors.text_plate;
  context.beginPath();
  for (const [text, left, top] of labels) context.rect(left - text.length * 2.9 - 2, top - 9, text.length * 5.8 + 4, 12);
  context.fill();
  context.fillStyle = colors.text;
  for (const [text, left, top] of labels) context.fillText(text, left, top);
}

/** Short form of a track id, without leading zeros. */
export function shortId(track: string): string {
  const bare = track.replace(/^0+(?=.)/, "");
  return bare.length <= 5 ? bare : bare.slice(0, 4);
}

/** Track id of the agent nearest to a point, within `reach` metres of its box; null for none. */
export function agentUnder(drive: Drive, seconds: number, x: number, y: number, reach: number): string | null {
  const now = instantOf(drive.ego.time, seconds);
  let best: string | null = null;
  let bestDistance = reach;
  for (let agent = 0; agent < drive.numAgents; agent++) {
    const pose = agentAt(drive, agent, now);
    if (!pose) continue;
    const index = agent * drive.numSteps + now.step;
    const dx = x - pose.x;
    const dy = y - pose.y;
    const along = Math.abs(dx * Math.cos(pose.heading) + dy * Math.sin(pose.heading));
    const aside = Math.abs(dy * Math.cos(pose.heading) - dx * Math.sin(pose.heading));
    const distance = Math.hypot(
      Math.max(0, along - drive.agents.length[index] / 2), Math.max(0, aside - drive.agents.width[index] / 2),
    );
    if (distance < bestDistance) {
      best = drive.trackIds[agent];
      bestDistance = distance;
    }
  }
  return best;
}
