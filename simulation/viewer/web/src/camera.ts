/** Where one looks at the world from: metres to pixels and back. */

import { Pose } from "./model";

export interface Camera {
  x: number;
  y: number;
  /** Device-independent pixels per metre. */
  zoom: number;
  /** Direction that points up on the screen. */
  up: number;
  width: number;
  height: number;
}

export const MIN_ZOOM = 0.6;
export const MAX_ZOOM = 80;
/** The ego stands below the middle when its heading points up, because what is ahead matters more. */
const AHEAD_SHARE = 0.18;

export function following(pose: Pose, zoom: number, egoUp: boolean, width: number, height: number): Camera {
  const camera = { x: pose.x, y: pose.y, zoom, up: Math.PI / 2, width, height };
  if (!egoUp) return camera;
  const ahead = (AHEAD_SHARE * height) / zoom;
  return {
    ...camera,
    up: pose.heading,
    x: pose.x + ahead * Math.cos(pose.heading),
    y: pose.y + ahead * Math.sin(pose.heading),
  };
}

/** North-up cameras stand on whole pixels, so that a map drawn once can be moved without blur. */
export function snapped(camera: Camera, ratio: number): Camera {
  if (camera.up !== Math.PI / 2) return camera;
  const step = 1 / (camera.zoom * ratio);
  return { ...camera, x: Math.round(camera.x / step) * step, y: Math.round(camera.y / step) * step };
}

/** Sets the context so that drawing is in metres, x east and y north. */
export function setTransform(context: CanvasRenderingContext2D, camera: Camera, ratio: number): void {
  const turn = Math.PI / 2 - camera.up;
  const cos = Math.cos(turn) * camera.zoom * ratio;
  const sin = Math.sin(turn) * camera.zoom * ratio;
  const middleX = (camera.width / 2) * ratio;
  const middleY = (camera.height / 2) * ratio;
  context.setTransform(
    cos, -sin, -sin, -cos,
    middleX - cos * camera.x + sin * camera.y,
    middleY + sin * camera.x + cos * camera.y,
  );
}

export function toScreen(camera: Camera, x: number, y: number): [number, number] {
  const turn = Math.PI / 2 - camera.up;
  const cos = Math.cos(turn);
  const sin = Math.sin(turn);
  const dx = (x - camera.x) * camera.zoom;
  const dy = (y - camera.y) * camera.zoom;
  return [camera.width / 2 + cos * dx - sin * dy, camera.height / 2 - sin * dx - cos * dy];
}

export function toWorld(camera: Camera, left: number, top: number): [number, number] {
  const turn = Math.PI / 2 - camera.up;
  const cos = Math.cos(turn);
  const sin = Math.sin(turn);
  const right = (left - camera.width / 2) / camera.zoom;
  const down = (top - camera.height / 2) / camera.zoom;
  return [camera.x + cos * right - sin * down, camera.y - sin * right - cos * down];
}
