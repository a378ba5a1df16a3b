/** Draws one instant in three dimensions with three.js: flat layers in a fixed order, then bodies with a depth test. */

import {
  BoxGeometry, BufferAttribute, BufferGeometry, Color, ConeGeometry, CylinderGeometry, DirectionalLight, DoubleSide, EdgesGeometry,
  Group, HemisphereLight, InstancedMesh, LineBasicMaterial, LineSegments, Matrix4, Mesh, MeshBasicMaterial, MeshLambertMaterial,
  PerspectiveCamera, Plane, Quaternion, Raycaster, Scene as SceneGraph, ShapeUtils, Vector2, Vector3, WebGLRenderer,
} from "three";
import { agentAt, agentColor, MIN_SPEED_MPS, TRIANGLE_KINDS } from "./agents";
import { candidatesAt, DrawnDrive } from "./birdseye";
import { Palette } from "./colors";
import { instantOf, LayerName, Pose, poseAt, Scene, Shapes } from "./model";
import { Notes, poseOn } from "./notes";
import { missedAgents, perceivedBoxes, sizeOf } from "./perception";

export interface Viewpoint {
  /** Point at the centre of the view. */
  x: number;
  y: number;
  /** Pixels per metre at this point. */
  zoom: number;
  /** Viewing direction [rad] and elevation above the ground [rad]. */
  direction: number;
  tilt: number;
}

export interface Frame3d {
  scene: Scene | null;
  drives: DrawnDrive[];
  notes: Notes | null;
  seconds: number;
  colors: Palette;
  layers: Set<string>;
  track: string;
  width: number;
  height: number;
  ratio: number;
  viewpoint: Viewpoint;
}

type AddBand = (line: [number, number][], width: number, color: string, opacity?: number) => void;
/** The greater of a width in metres and one in pixels. */
type Width = (metres: number, pixels: number) => number;

const FIELD_OF_VIEW = 40;
/** Box height in sources without heights; `HEIGHTS` replaces it [m]. */
const UNKNOWN_HEIGHT = 1.6;
const HEIGHTS: Record<string, number> = { traffic_cone: 0.75, barrier: 1, czone_sign: 1.2, generic_object: 1, pedestrian: 1.75 };
const EGO_HEIGHT = 1.78;
const LIGHT_HEIGHT = 4.5;
/** All materials are marked transparent: three.js then draws objects in their render order, bodies last. */
const FLAT = { transparent: true, depthTest: false, depthWrite: false };
const BODIES_ORDER = 1;
const Z = new Vector3(0, 0, 1);

export class View3d {
  private readonly renderer: WebGLRenderer;
  private readonly graph = new SceneGraph();
  private readonly camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.5, 3000);
  private readonly bodies = new Bodies();
  private ground: Group | null = null;
  private groundOf: [Scene | null, string] = [null, ""];
  private flat = new Group();
  private size = "";

  /** Throws when the browser has no WebGL. */
  constructor(canvas: HTMLCanvasElement) {
    try {
      this.renderer = new WebGLRenderer({ canvas, antialias: true, powerPreference: "low-power" });
    } catch {
      throw new Error("The three-dimensional view needs WebGL, which this browser does not offer here.");
    }
    this.camera.up = Z;
    const sun = new DirectionalLight(0xffffff, 1.6);
    sun.position.set(-0.4, -0.7, 1);
    this.graph.add(new HemisphereLight(0xffffff, 0x8b95a3, 1.7), sun, this.bodies.group, this.flat);
  }

  draw(frame: Frame3d): void {
    const size = [frame.width, frame.height, frame.ratio].join();
    if (size !== this.size) {
      this.size = size;
      this.renderer.setPixelRatio(frame.ratio);
      this.renderer.setSize(frame.width, frame.height, false);
    }
    this.graph.background = new Color(frame.colors.ground);
    this.setViewpoint(frame);
    this.drawGround(frame);
    this.drawFlat(frame);
    this.bodies.draw(frame);
    this.renderer.render(this.graph, this.camera);
  }

  /** The point at half a vehicle's height under a point of the canvas; null above the horizon. */
  groundAt(left: number, top: number): [number, number] | null {
    const [width, height] = this.size.split(",").map(Number);
    const ray = new Raycaster();
    ray.setFromCamera(new Vector2((2 * left) / width - 1, 1 - (2 * top) / height), this.camera);
    const hit = ray.ray.intersectPlane(new Plane(Z, -0.7), new Vector3());
    return hit && [hit.x, hit.y];
  }

  dispose(): void {
    clear(this.flat);
    if (this.ground) clear(this.ground);
    this.bodies.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }

  private setViewpoint({ viewpoint, width, height }: Frame3d): void {
    const distance = height / viewpoint.zoom / 2 / Math.tan((FIELD_OF_VIEW * Math.PI) / 360);
    const aside = Math.cos(viewpoint.tilt) * distance;
    this.camera.aspect = width / height;
    this.camera.far = Math.max(800, distance * 4);
    this.camera.position.set(viewpoint.x - aside * Math.cos(viewpoint.direction), viewpoint.y - aside * Math.sin(viewpoint.direction), Math.sin(viewpoint.tilt) * distance);
    this.camera.lookAt(viewpoint.x, viewpoint.y, 0);
    this.camera.updateProjectionMatrix();
    this.camera.updateMatrixWorld();
  }

  private drawGround({ scene, colors, layers }: Frame3d): void {
    const key = [colors.ground, ...[..."1234"].filter((layer) => layers.has(layer))].join();
    if (this.groundOf[0] === scene && this.groundOf[1] === key) return;
    this.groundOf = [scene, key];
    if (this.ground) {
      this.graph.remove(this.ground);
      clear(this.ground);
    }
    const group = (this.ground = new Group());
    this.graph.add(group);
    if (!scene) return;
    let order = -100;
    const areas = (name: LayerName, color: string) => group.add(painted(areaGeometry(scene.layers[name]), color, order++));
    const lines = (name: LayerName, color: string) => {
      const found = new LineSegments(lineGeometry(scene.layers[name]), new LineBasicMaterial({ ...FLAT, ...paint(color) }));
      found.renderOrder = order++;
      group.add(found);
    };
    if (layers.has("1")) {
      areas("walkways", colors.walkway);
      areas("drivable", colors.road);
      areas("carparks", colors.carpark);
      areas("intersections", colors.junction);
      areas("crosswalks", colors.crosswalk);
      lines("crosswalks", colors.crosswalk_line);
    }
    if (layers.has("3")) areas("route", colors.route);
    if (layers.has("2")) {
      lines("connectors", colors.lane);
      lines("lanes", colors.lane);
      lines("boundaries", colors.boundary);
    }
    if (layers.has("4")) areas("stop_lines", colors.stop_line);
    if (layers.has("3")) {
      group.add(painted(ribbon(pairs(scene.routeLine), 0.3), colors.route_line, order++));
      if (scene.goal) group.add(painted(ribbon(circle(scene.goal[0], scene.goal[1], 2.2), 0.5), colors.goal, order++));
    }
  }

  /** Flat layers that change with time; they are rebuilt for each frame. */
  private drawFlat(frame: Frame3d): void {
    clear(this.flat);
    const { scene, drives, colors, layers, seconds } = frame;
    const width: Width = (metres, pixels) => Math.max(metres, pixels / frame.viewpoint.zoom);
    let order = -50;
    const add: AddBand = (line, lineWidth, color, opacity = 1) => {
      if (line.length > 1) this.flat.add(painted(ribbon(line, lineWidth), color, order++, opacity));
    };
    if (layers.has("4") && scene && drives.length) {
      for (const { line, status } of lightsAt(frame, scene)) add(line, width(0.35, 1.6), colors.lights[status], 0.75);
    }
    if (layers.has("9") && scene) add(pairOf(scene.logged.x, scene.logged.y), width(0.15, 1.2), colors.logged_ego, 0.6);
    if (layers.has("e") && frame.notes?.wayOut) this.drawWayOut(frame, frame.notes, add, width);
    if (layers.has("g") && frame.notes?.unchanged && drives.length) this.drawGhost(frame, frame.notes, add, width);
    if (layers.has("p") && drives.length) this.drawPerceived(frame, add, width);
    if (layers.has("0") && drives.length) this.drawCandidates(frame, add, width);
    for (const { drive, color } of [...drives].reverse()) {
      if (!layers.has("8")) continue;
      const { step } = instantOf(drive.ego.time, seconds);
      add(pairOf(drive.ego.x.subarray(0, step + 1), drive.ego.y.subarray(0, step + 1)), width(0.3, 2), color, 0.35);
      const { offsets, points } = drive.plans;
      const count = points.length / 2;
      const [first, last] = [offsets[step], offsets[step + 1]];
      add(pairOf(points.subarray(first, last), points.subarray(count + first, count + last)), width(0.5, 2.5), color);
    }
  }

  private drawWayOut({ drives, seconds, colors }: Frame3d, { wayOut, latestStartS }: Notes, add: AddBand, width: Width): void {
    add(pairOf(wayOut!.x, wayOut!.y), width(0.4, 3), colors.way_out);
    const start = latestStartS === null ? null : poseOn(wayOut, latestStartS);
    if (start) add(circle(start.x, start.y, 1), width(0.8, 5), colors.way_out);
    const pose = poseOn(wayOut, seconds);
    const [length, side] = drives[0]?.drive.egoSize ?? [5, 2];
    if (pose) addOutline(add, cornersOf(pose, length, side), width(0.25, 2.5), colors.way_out);
  }

  private drawGhost({ drives: [{ drive }], seconds, colors }: Frame3d, { unchanged, track }: Notes, add: AddBand, width: Width): void {
    add(pairOf(unchanged!.x, unchanged!.y), width(0.12, 1.2), colors.ghost, 0.7);
    const now = instantOf(drive.ego.time, seconds);
    const agent = drive.trackIds.indexOf(track);
    const pose = agent < 0 ? null : agentAt(drive, agent, now);
    const [length, side] = pose ? sizeOf(drive, agent, now.step) : [4.8, 2];
    const ghost = poseOn(unchanged, seconds);
    if (ghost) addOutline(add, cornersOf(ghost, length, side), width(0.2, 2.5), colors.ghost);
    if (pose) addOutline(add, cornersOf(pose, length + 0.7, side + 0.7), width(0.2, 2.5), colors.ghost);
    if (pose && ghost) add([[pose.x, pose.y], [ghost.x, ghost.y]], width(0.12, 1.5), colors.ghost);
  }

  /** Outlines on the ground around the bodies; the perceived road is drawn from above only. */
  private drawPerceived(
    { drives: [{ drive, visible }], seconds, colors }: Frame3d, add: AddBand, width: Width,
  ): void {
    for (const { pose, length, width: side, isFalse } of perceivedBoxes(drive, seconds)) {
      const color = isFalse ? colors.bound : colors.perceived;
      const corners = cornersOf(pose, length, side);
      addOutline(add, corners, width(0.2, 2.5), color);
      if (isFalse) [0, 1].forEach((i) => add([corners[i], corners[i + 2]], width(0.2, 2.5), color));
    }
    const now = instantOf(drive.ego.time, seconds);
    for (const agent of missedAgents(drive, visible, seconds)) {
      const pose = agentAt(drive, agent, now);
      if (pose) add(circle(pose.x, pose.y, Math.hypot(...sizeOf(drive, agent, now.step)) / 2 + 0.6), width(0.3, 3), colors.bound);
    }
  }

  private drawCandidates(
    { drives: [{ drive }], seconds, colors }: Frame3d, add: AddBand, width: Width,
  ): void {
    const { points, poses } = drive.candidates;
    const count = points.length / 2;
    for (const { index, color, isChosen } of candidatesAt(drive, seconds, colors)) {
      const [first, last] = [index * poses, (index + 1) * poses];
      const line = pairOf(points.subarray(first, last), points.subarray(count + first, count + last)).filter(([x]) => !Number.isNaN(x));
      if (isChosen) add(line, width(1.3, 7), colors.edge);
      add(line, isChosen ? width(0.9, 5) : width(0.2, 1.6), color);
      const end = line[line.length - 1];
      if (end) add(circle(...end, isChosen ? 0.7 : 0.3), isChosen ? 0.5 : 0.3, color);
    }
  }
}

/** Objects with a height, as a few instanced meshes. */
class Bodies {
  readonly group = new Group();
  private readonly shapes = {
    box: new BoxGeometry(1, 1, 1).translate(0, 0, 0.5),
    round: new CylinderGeometry(0.5, 0.5, 1, 12).rotateX(Math.PI / 2).translate(0, 0, 0.5),
    cone: new ConeGeometry(0.5, 1, 12).rotateX(Math.PI / 2).translate(0, 0, 0.5),
  };
  private readonly meshes = new Map<string, InstancedMesh>();
  private readonly counts = new Map<string, number>();
  private readonly edges = new EdgesGeometry(this.shapes.box);
  private readonly loggedEgo = new LineSegments(this.edges, new LineBasicMaterial({ transparent: true }));
  private readonly ring = new Mesh(new BufferGeometry(), new MeshBasicMaterial({ ...FLAT, side: DoubleSide }));

  constructor() {
    this.loggedEgo.renderOrder = BODIES_ORDER;
    this.loggedEgo.frustumCulled = this.ring.frustumCulled = false;
    this.group.add(this.loggedEgo, this.ring);
  }

  draw(frame: Frame3d): void {
    const { drives, scene, layers, seconds, colors } = frame;
    this.counts.clear();
    this.ring.visible = false;
    if (layers.has("5") && drives.length) this.drawAgents(frame);
    for (const { drive, color } of drives) {
      const pose = poseAt(drive.ego, instantOf(drive.ego.time, seconds));
      this.car(pose, drive.egoSize[0], drive.egoSize[1], EGO_HEIGHT, color, colors.glass);
    }
    this.loggedEgo.visible = layers.has("9") && !!scene;
    if (scene && this.loggedEgo.visible) {
      const [length, width] = drives[0]?.drive.egoSize ?? [5, 2];
      const pose = poseAt(scene.logged, instantOf(scene.logged.time, seconds));
      this.loggedEgo.matrixAutoUpdate = false;
      this.loggedEgo.matrix.copy(transform(pose, 0, length, width, EGO_HEIGHT));
      (this.loggedEgo.material as LineBasicMaterial).color.set(colors.logged_ego);
    }
    if (layers.has("4") && scene && drives.length) {
      for (const { line: [[x, y]], status } of lightsAt(frame, scene)) {
        const pose = { x, y, heading: 0 };
        this.add("round", transform(pose, 0, 0.12, 0.12, LIGHT_HEIGHT), colors.boundary);
        this.add(status === 2 ? "box" : status === 1 ? "cone" : "round", transform(pose, LIGHT_HEIGHT, 0.9, 0.9, 0.9), colors.lights[status]);
      }
    }
    for (const [name, mesh] of this.meshes) {
      mesh.count = this.counts.get(name) ?? 0;
      mesh.instanceMatrix.needsUpdate = true;
      if (mesh.instanceColor) mesh.instanceColor.needsUpdate = true;
    }
  }

  dispose(): void {
    clear(this.group);
    for (const shape of Object.values(this.shapes)) shape.dispose();
  }

  private drawAgents(frame: Frame3d): void {
    const { drives: [{ drive }], seconds, colors, track, layers } = frame;
    const now = instantOf(drive.ego.time, seconds);
    for (let agent = 0; agent < drive.numAgents; agent++) {
      const pose = agentAt(drive, agent, now);
      if (!pose) continue;
      const index = agent * drive.numSteps + now.step;
      const kind = drive.kindNames[drive.kinds[agent]] ?? "generic_object";
      const color = agentColor(drive, agent, kind, frame);
      const [length, width] = [drive.agents.length[index], drive.agents.width[index]];
      const known = drive.agents.height[agent];
      const height = Math.abs(known - UNKNOWN_HEIGHT) > 1e-3 ? known : HEIGHTS[kind] ?? known;
      if (kind === "vehicle") this.car(pose, length, width, height, color, colors.glass);
      else if (kind === "pedestrian") this.add("round", transform(pose, 0, Math.max(length, 0.5), Math.max(width, 0.5), height), color);
      else this.add(TRIANGLE_KINDS.includes(kind) ? "cone" : "box", transform(pose, 0, Math.max(length, 0.3), Math.max(width, 0.3), height), color);
      if (layers.has("7") && pose.speed > MIN_SPEED_MPS) {
        const [vx, vy] = [drive.agents.vx[index], drive.agents.vy[index]];
        const reach = Math.hypot(vx, vy);
        const heading = Math.atan2(vy, vx);
        const middle = length / 2 + reach / 2;
        this.add("box", transform({ x: pose.x + middle * Math.cos(heading), y: pose.y + middle * Math.sin(heading), heading }, 0.1, reach, 0.18, 0.08), colors.arrow);
      }
      if (drive.trackIds[agent] === track) {
        this.ring.geometry.dispose();
        this.ring.geometry = ribbon(circle(pose.x, pose.y, Math.hypot(length, width) / 2 + 0.8), 0.35).translate(0, 0, 0.05);
        (this.ring.material as MeshBasicMaterial).color.set(colors.selected);
        this.ring.visible = true;
      }
    }
  }

  /** A vehicle: body, cabin towards the rear, and a dark windscreen that marks the heading. */
  private car(pose: Pose, length: number, width: number, height: number, color: string, glassColor: string): void {
    if (length < 2) {
      this.add("box", transform(pose, 0, length, width, height), color);
      return;
    }
    this.add("box", transform(pose, 0.15, length, width, height * 0.5), color);
    const cabin = length > 6.5 ? { from: -0.5, to: 0.42 } : { from: -0.42, to: 0.2 };
    const middle = ((cabin.from + cabin.to) / 2) * length;
    const at = { x: pose.x + middle * Math.cos(pose.heading), y: pose.y + middle * Math.sin(pose.heading), heading: pose.heading };
    this.add("box", transform(at, 0.15 + height * 0.5, (cabin.to - cabin.from) * length, width * 0.86, height * 0.5 - 0.15), color);
    const front = ((cabin.to + 0.02) * length);
    const glass = { x: pose.x + front * Math.cos(pose.heading), y: pose.y + front * Math.sin(pose.heading), heading: pose.heading };
    this.add("box", transform(glass, 0.15 + height * 0.55, 0.06 * length, width * 0.8, height * 0.36), glassColor);
  }

  private add(shape: keyof Bodies["shapes"], matrix: Matrix4, color: string): void {
    const count = this.counts.get(shape) ?? 0;
    let mesh = this.meshes.get(shape);
    if (!mesh || count >= mesh.instanceMatrix.count) mesh = this.grown(shape, mesh);
    mesh.setMatrixAt(count, matrix);
    mesh.setColorAt(count, colorOf(color));
    this.counts.set(shape, count + 1);
  }

  private grown(shape: keyof Bodies["shapes"], before: InstancedMesh | undefined): InstancedMesh {
    const mesh = new InstancedMesh(this.shapes[shape], new MeshLambertMaterial({ transparent: true }), Math.max(256, 2 * (before?.instanceMatrix.count ?? 0)));
    mesh.frustumCulled = false;
    mesh.renderOrder = BODIES_ORDER;
    if (before) {
      mesh.instanceMatrix.array.set(before.instanceMatrix.array);
      mesh.setColorAt(0, new Color());
      mesh.instanceColor!.array.set(before.instanceColor!.array);
      this.group.remove(before);
      before.dispose();
    }
    this.meshes.set(shape, mesh);
    this.group.add(mesh);
    return mesh;
  }
}

const colorCache = new Map<string, Color>();

function colorOf(text: string): Color {
  let color = colorCache.get(text);
  if (!color) colorCache.set(text, (color = new Color(paint(text).color)));
  return color;
}

/** Colour and opacity of `#rrggbb`, `#rrggbbaa` or `rgb()`. */
function paint(text: string): { color: string; opacity: number } {
  return text.length === 9 && text.startsWith("#") ? { color: text.slice(0, 7), opacity: parseInt(text.slice(7), 16) / 255 } : { color: text, opacity: 1 };
}

function painted(geometry: BufferGeometry, color: string, order: number, opacity = 1): Mesh {
  const { color: plain, opacity: own } = paint(color);
  const material = new MeshBasicMaterial({ ...FLAT, color: plain, opacity: own * opacity, side: DoubleSide });
  const mesh = new Mesh(geometry, material);
  mesh.renderOrder = order;
  mesh.frustumCulled = false;
  return mesh;
}

const matrix = new Matrix4();

function transform(pose: Pose, z: number, length: number, width: number, height: number): Matrix4 {
  return matrix.compose(new Vector3(pose.x, pose.y, z), new Quaternion().setFromAxisAngle(Z, pose.heading), new Vector3(length, width, height));
}

function pairOf(x: Float32Array, y: Float32Array): [number, number][] {
  return Array.from(x, (value, i) => [value, y[i]]);
}

function pairs(points: Float32Array): [number, number][] {
  const count = points.length / 2;
  return pairOf(points.subarray(0, count), points.subarray(count));
}

function cornersOf(pose: Pose, length: number, width: number): [number, number][] {
  const [cos, sin] = [Math.cos(pose.heading), Math.sin(pose.heading)];
  return [[1, 1], [-1, 1], [-1, -1], [1, -1]].map(([along, aside]): [number, number] => [
    pose.x + (along * cos * length - aside * sin * width) / 2, pose.y + (along * sin * length + aside * cos * width) / 2,
  ]);
}

/** One band per side: a band along the whole ring would be narrow at its corners. */
function addOutline(add: AddBand, corners: [number, number][], width: number, color: string): void {
  corners.forEach((corner, i) => add([corner, corners[(i + 1) % corners.length]], width, color));
}

function circle(x: number, y: number, radius: number): [number, number][] {
  return Array.from({ length: 25 }, (_, i) => [x + radius * Math.cos((i * Math.PI) / 12), y + radius * Math.sin((i * Math.PI) / 12)]);
}

function lightsAt({ drives: [{ drive }], seconds }: Frame3d, scene: Scene): { line: [number, number][]; status: number }[] {
  const { lights, ego } = drive;
  const { step } = instantOf(ego.time, seconds);
  const { points, offsets } = scene.layers.connectors;
  const count = points.length / 2;
  const found = [];
  for (let row = lights.offsets[step]; row < lights.offsets[step + 1]; row++) {
    const index = scene.connectorIndex.get(lights.connectors[row]);
    if (index === undefined || lights.statuses[row] > 2) continue;
    const [first, last] = [offsets[index], offsets[index + 1]];
    found.push({ line: pairOf(points.subarray(first, last), points.subarray(count + first, count + last)), status: lights.statuses[row] });
  }
  return found;
}

/** A flat band along a line. */
function ribbon(line: [number, number][], width: number): BufferGeometry {
  const corners = new Float32Array(line.length * 6);
  const index: number[] = [];
  line.forEach(([x, y], i) => {
    const [ax, ay] = line[Math.max(0, i - 1)];
    const [bx, by] = line[Math.min(line.length - 1, i + 1)];
    const length = Math.hypot(bx - ax, by - ay) || 1;
    const [nx, ny] = [(-(by - ay) / length) * (width / 2), ((bx - ax) / length) * (width / 2)];
    corners.set([x + nx, y + ny, 0, x - nx, y - ny, 0], i * 6);
    if (i) index.push(2 * i - 2, 2 * i - 1, 2 * i, 2 * i, 2 * i - 1, 2 * i + 1);
  });
  return geometryOf(corners, index);
}

/** Outlines run counter-clockwise; the holes of an outline follow it and run clockwise. */
function areaGeometry({ points, offsets }: Shapes): BufferGeometry {
  const count = points.length / 2;
  const corners = new Float32Array(count * 3);
  for (let i = 0; i < count; i++) corners.set([points[i], points[count + i], 0], i * 3);
  const index: number[] = [];
  let rings: { start: number; ring: Vector2[] }[] = [];
  const fill = () => {
    if (!rings.length) return;
    const indices = rings.flatMap(({ start, ring }) => ring.map((_, i) => start + i));
    const [outline, ...holes] = rings.map(({ ring }) => ring);
    for (const face of ShapeUtils.triangulateShape(outline, holes)) for (const corner of face) index.push(indices[corner]);
  };
  for (let row = 0; row + 1 < offsets.length; row++) {
    const [start, stop] = [offsets[row], offsets[row + 1]];
    let ring = Array.from({ length: stop - start }, (_, i) => new Vector2(points[start + i], points[count + start + i]));
    if (ring.length > 1 && ring[0].equals(ring[ring.length - 1])) ring = ring.slice(0, -1);
    if (ring.length < 3) continue;
    if (ShapeUtils.area(ring) >= 0) {
      fill();
      rings = [];
    }
    rings.push({ start, ring });
  }
  fill();
  return geometryOf(corners, index);
}

function lineGeometry({ points, offsets }: Shapes): BufferGeometry {
  const count = points.length / 2;
  const corners: number[] = [];
  for (let row = 0; row + 1 < offsets.length; row++) {
    for (let i = offsets[row]; i + 1 < offsets[row + 1]; i++) corners.push(points[i], points[count + i], 0, points[i + 1], points[count + i + 1], 0);
  }
  return geometryOf(new Float32Array(corners), null);
}

function geometryOf(corners: Float32Array, index: number[] | null): BufferGeometry {
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(corners, 3));
  if (index) geometry.setIndex(index);
  return geometry;
}

function clear(group: Group): void {
  for (const child of [...group.children]) {
    group.remove(child);
    if (child instanceof Mesh || child instanceof LineSegments) {
      child.geometry.dispose();
      for (const material of [child.material].flat()) material.dispose();
    }
    if (child instanceof InstancedMesh) child.dispose();
  }
}
