/** Transforms between metres on the ground and pixels of the view from above. */

import type { Pose } from "./model";

export interface Viewport {
  x: number;
  y: number;
  /** CSS pixels per metre. */
  zoom: number;
  /** Direction that points up on the screen. */
  up: number;
  width: number;
  height: number;
}

export const MIN_ZOOM = 0.6;
export const MAX_ZOOM = 80;
/** With the heading up, the ego is drawn this share of the height below the middle: the road ahead gets more room. */
const AHEAD_SHARE = 0.18;

export function following(pose: Pose, zoom: number, egoUp: boolean, width: number, height: number): Viewport {
  const viewport = { x: pose.x, y: pose.y, zoom, up: Math.PI / 2, width, height };
  if (!egoUp) return viewport;
  const ahead = (AHEAD_SHARE * height) / zoom;
  return {
    ...viewport,
    up: pose.heading,
    x: pose.x + ahead * Math.cos(pose.heading),
    y: pose.y + ahead * Math.sin(pose.heading),
  };
}

/** Rounds a north-up viewport to whole pixels, so that the map image can be moved without blur. */
export function snapped(viewport: Viewport, ratio: number): Viewport {
  if (viewport.up !== Math.PI / 2) return viewport;
  const step = 1 / (viewport.zoom * ratio);
  return { ...viewport, x: Math.round(viewport.x / step) * step, y: Math.round(viewport.y / step) * step };
}

/** Sets the context to draw in metres, x east and y north. */
export function setTransform(context: CanvasRenderingContext2D, viewport: Viewport, ratio: number): void {
  const turn = Math.PI / 2 - viewport.up;
  const cos = Math.cos(turn) * viewport.zoom * ratio;
  const sin = Math.sin(turn) * viewport.zoom * ratio;
  const middleX = (viewport.width / 2) * ratio;
  const middleY = (viewport.height / 2) * ratio;
  context.setTransform(
    cos, -sin, -sin, -cos,
    middleX - cos * viewport.x + sin * viewport.y,
    middleY + sin * viewport.x + cos * viewport.y,
  );
}

export function toScreen(viewport: Viewport, x: number, y: number): [number, number] {
  const turn = Math.PI / 2 - viewport.up;
  const cos = Math.cos(turn);
  const sin = Math.sin(turn);
  const dx = (x - viewport.x) * viewport.zoom;
  const dy = (y - viewport.y) * viewport.zoom;
  return [viewport.width / 2 + cos * dx - sin * dy, viewport.height / 2 - sin * dx - cos * dy];
}

export function toWorld(viewport: Viewport, left: number, top: number): [number, number] {
  const turn = Math.PI / 2 - viewport.up;
  const cos = Math.cos(turn);
  const sin = Math.sin(turn);
  const right = (left - viewport.width / 2) / viewport.zoom;
  const down = (top - viewport.height / 2) / viewport.zoom;
  return [viewport.x + cos * right - sin * down, viewport.y - sin * right - cos * down];
}
