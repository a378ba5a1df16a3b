/** The map layers, drawn into an image larger than the view; the image is redrawn after a zoom or when the view leaves it. */

import { setTransform, Viewport } from "./viewport";
import { Palette } from "./colors";
import { LayerName, Scene, Shapes } from "./model";

/** Width and height of the image relative to the view. */
const OVERSIZE = 1.5;

export class Ground {
  private readonly canvas = document.createElement("canvas");
  private readonly paths = new Map<LayerName, Path2D>();
  private viewport: Viewport | null = null;
  private key = "";

  constructor(private readonly scene: Scene) {}

  draw(context: CanvasRenderingContext2D, viewport: Viewport, ratio: number, colors: Palette, layers: Set<string>, isPlaying: boolean): void {
    const key = [viewport.zoom, viewport.width, viewport.height, ratio, colors.ground, [...layers].sort().join("")].join();
    if (key !== this.key || !this.viewport || !this.covers(viewport)) this.render(key, viewport, ratio, colors, layers);
    const drawn = this.viewport!;
    const { width, height } = this.canvas;
    context.save();
    const turn = Math.PI / 2 - viewport.up;
    const dx = (drawn.x - viewport.x) * viewport.zoom * ratio;
    const dy = -(drawn.y - viewport.y) * viewport.zoom * ratio;
    const middleX = (viewport.width / 2) * ratio;
    const middleY = (viewport.height / 2) * ratio;
    if (viewport.up === Math.PI / 2) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.drawImage(this.canvas, Math.round(middleX + dx - width / 2), Math.round(middleY + dy - height / 2));
    } else {
      const cos = Math.cos(turn);
      const sin = Math.sin(turn);
      context.setTransform(cos, -sin, sin, cos, middleX, middleY);
      // Smoothing a rotated image halves the frame rate without a GPU; it is off during playback.
      context.imageSmoothingEnabled = !isPlaying;
      context.drawImage(this.canvas, dx - width / 2, dy - height / 2);
    }
    context.restore();
  }

  private covers(viewport: Viewport): boolean {
    const drawn = this.viewport!;
    const reach = Math.hypot(viewport.width, viewport.height) / 2;
    const isNorthUp = viewport.up === Math.PI / 2;
    const spareX = drawn.width / 2 - (isNorthUp ? viewport.width / 2 : reach);
    const spareY = drawn.height / 2 - (isNorthUp ? viewport.height / 2 : reach);
    return Math.abs(drawn.x - viewport.x) * viewport.zoom <= spareX && Math.abs(drawn.y - viewport.y) * viewport.zoom <= spareY;
  }

  private render(key: string, viewport: Viewport, ratio: number, colors: Palette, layers: Set<string>): void {
    const isNorthUp = viewport.up === Math.PI / 2;
    const diagonal = Math.hypot(viewport.width, viewport.height);
    const width = Math.ceil((isNorthUp ? viewport.width : diagonal) * OVERSIZE);
    const height = Math.ceil((isNorthUp ? viewport.height : diagonal) * OVERSIZE);
    this.key = key;
    this.viewport = { ...viewport, up: Math.PI / 2, width, height };
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const context = this.canvas.getContext("2d", { alpha: false })!;
    context.fillStyle = colors.ground;
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const middle = { ...this.viewport, width: this.canvas.width / ratio, height: this.canvas.height / ratio };
    setTransform(context, middle, ratio);
    context.lineJoin = "round";
    this.drawLayers(context, viewport.zoom, colors, layers);
  }

  private drawLayers(context: CanvasRenderingContext2D, zoom: number, colors: Palette, layers: Set<string>): void {
    const fill = (name: LayerName, color: string) => {
      context.fillStyle = color;
      context.fill(this.path(name));
    };
    const stroke = (name: LayerName, color: string, metres: number, leastPx: number, dash: number[] = []) => {
      context.strokeStyle = color;
      context.lineWidth = Math.max(metres, leastPx / zoom);
      context.setLineDash(dash);
      context.stroke(this.path(name));
      context.setLineDash([]);
    };
    if (layers.has("1")) {
      fill("walkways", colors.walkway);
      fill("drivable", colors.road);
      fill("carparks", colors.carpark);
      fill("intersections", colors.junction);
      fill("crosswalks", colors.crosswalk);
      stroke("crosswalks", colors.crosswalk_line, 0.12, 0.6);
    }
    if (layers.has("3")) fill("route", colors.route);
    if (layers.has("2")) {
      stroke("connectors", colors.lane, 0.1, 0.7);
      stroke("lanes", colors.lane, 0.1, 0.7, [2.5, 2.5]);
      stroke("boundaries", colors.boundary, 0.14, 0.9);
    }
    if (layers.has("4")) fill("stop_lines", colors.stop_line);
    if (layers.has("3")) {
      context.strokeStyle = colors.route_line;
      context.lineWidth = Math.max(0.3, 1.5 / zoom);
      const line = this.scene.routeLine;
      const count = line.length / 2;
      context.beginPath();
      for (let i = 0; i < count; i++) context.lineTo(line[i], line[count + i]);
      context.stroke();
      if (this.scene.goal) drawGoal(context, this.scene.goal, colors);
    }
  }

  private path(name: LayerName): Path2D {
    let path = this.paths.get(name);
    if (!path) {
      const isArea = !["boundaries", "lanes", "connectors"].includes(name);
      path = pathOf(this.scene.layers[name], isArea);
      this.paths.set(name, path);
    }
    return path;
  }
}

function drawGoal(context: CanvasRenderingContext2D, [x, y]: [number, number, number], colors: Palette): void {
  context.strokeStyle = colors.goal;
  context.lineWidth = 0.5;
  context.beginPath();
  context.arc(x, y, 2.2, 0, 2 * Math.PI);
  context.moveTo(x - 1, y - 1);
  context.lineTo(x + 1, y + 1);
  context.moveTo(x - 1, y + 1);
  context.lineTo(x + 1, y - 1);
  context.stroke();
}

export function pathOf(shapes: Shapes, isArea: boolean): Path2D {
  const path = new Path2D();
  for (let line = 0; line + 1 < shapes.offsets.length; line++) addLine(path, shapes, line, isArea);
  return path;
}

export function addLine(path: Path2D | CanvasRenderingContext2D, shapes: Shapes, line: number, isArea: boolean): void {
  const { points, offsets } = shapes;
  const count = points.length / 2;
  for (let i = offsets[line]; i < offsets[line + 1]; i++) {
    if (i === offsets[line]) path.moveTo(points[i], points[count + i]);
    else path.lineTo(points[i], points[count + i]);
  }
  if (isArea) path.closePath();
}
