/** One canvas of the replay: pan, zoom, click, measure. */

import { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { ReplayView } from "./address";
import { agentUnder, drawFrame, Shown } from "./birdseye";
import { Camera, following, MAX_ZOOM, MIN_ZOOM, snapped, toWorld } from "./camera";
import { Clock } from "./clock";
import { Palette } from "./colors";
import { Ground } from "./ground";
import { instantOf, poseAt, Scene } from "./model";

export interface StageProps {
  scene: Scene | null;
  drives: Shown[];
  clock: Clock;
  view: ReplayView;
  colors: Palette;
  measuring: boolean;
  title: string;
  onView: (part: Partial<ReplayView>) => void;
  onMeasured: () => void;
}

/** Frames drawn so far and the time of the first, for measurements from outside. */
export const drawn = { frames: 0, solidFrames: 0, firstMs: 0, firstMapMs: 0, lastMs: 0, drawMs: 0, scenario: "", hasMap: false };
Object.assign(window, { camberDrawn: drawn });

const CLICK_PX = 4;

export function Stage(props: StageProps & { children?: ComponentChildren }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const live = useRef(props);
  live.current = props;
  const state = useRef({
    ground: null as Ground | null, scene: null as Scene | null, camera: null as Camera | null, queued: 0,
    measure: [] as [number, number][],
  });

  const draw = () => {
    state.current.queued = 0;
    const element = canvas.current;
    const { scene, drives, clock, view, colors } = live.current;
    if (!element || !drives.length) return;
    const start = performance.now();
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = element;
    if (!width || !height) return;
    if (element.width !== Math.round(width * ratio) || element.height !== Math.round(height * ratio)) {
      element.width = Math.round(width * ratio);
      element.height = Math.round(height * ratio);
    }
    if (scene !== state.current.scene) {
      state.current.scene = scene;
      state.current.ground = scene && new Ground(scene);
    }
    const { drive } = drives[0];
    const ego = poseAt(drive.ego, instantOf(drive.ego.time, clock.seconds));
    const camera = view.follow
      ? following(ego, view.zoom, view.egoUp, width, height)
      : { x: view.x, y: view.y, zoom: view.zoom, up: Math.PI / 2, width, height };
    state.current.camera = snapped(camera, ratio);
    drawFrame(element.getContext("2d", { alpha: false })!, {
      scene, drives, colors, ratio, seconds: clock.seconds, camera: state.current.camera,
      ground: state.current.ground, layers: new Set(view.layers), track: view.track, measure: state.current.measure,
      isPlaying: clock.isPlaying,
    });
    drawn.frames++;
    drawn.lastMs = performance.now();
    drawn.drawMs += drawn.lastMs - start;
    drawn.firstMs ||= drawn.lastMs;
    drawn.scenario = drive.scenario;
    drawn.hasMap = scene?.scenario === drive.scenario;
    if (drawn.hasMap) drawn.firstMapMs ||= drawn.lastMs;
  };
  const queue = () => {
    if (!state.current.queued) state.current.queued = requestAnimationFrame(draw);
  };

  useEffect(() => {
    const stop = props.clock.listen(() => (props.clock.isPlaying ? draw() : queue()));
    const observer = new ResizeObserver(queue);
    observer.observe(canvas.current!);
    return () => { stop(); observer.disconnect(); cancelAnimationFrame(state.current.queued); };
  }, []);
  useEffect(queue);
  useEffect(() => {
    if (!props.measuring) state.current.measure = [];
    queue();
  }, [props.measuring]);

  const worldOf = (event: { clientX: number; clientY: number }): [number, number] => {
    const box = canvas.current!.getBoundingClientRect();
    return toWorld(state.current.camera!, event.clientX - box.left, event.clientY - box.top);
  };

  const press = (event: PointerEvent) => {
    if (!state.current.camera || event.button !== 0) return;
    const element = canvas.current!;
    element.setPointerCapture(event.pointerId);
    const camera = state.current.camera;
    const [startX, startY] = worldOf(event);
    let moved = false;
    const from = [event.clientX, event.clientY];
    const move = (now: PointerEvent) => {
      if (!moved && Math.hypot(now.clientX - from[0], now.clientY - from[1]) < CLICK_PX) return;
      moved = true;
      if (live.current.measuring) {
        state.current.measure = [[startX, startY], worldOf(now)];
        queue();
        return;
      }
      const box = element.getBoundingClientRect();
      const fixed = { ...camera, up: camera.up };
      const [x, y] = toWorld(fixed, now.clientX - box.left, now.clientY - box.top);
      live.current.onView({ follow: false, egoUp: false, x: camera.x + startX - x, y: camera.y + startY - y });
    };
    const release = (now: PointerEvent) => {
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", release);
      element.removeEventListener("pointercancel", release);
      if (!moved) click(now);
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", release);
    element.addEventListener("pointercancel", release);
  };

  const click = (event: PointerEvent) => {
    const point = worldOf(event);
    if (live.current.measuring) {
      const { measure } = state.current;
      state.current.measure = measure.length === 1 ? [measure[0], point] : [point];
      queue();
      return;
    }
    const { drives, clock, view } = live.current;
    const found = agentUnder(drives[0].drive, clock.seconds, ...point, 6 / view.zoom + 0.3);
    live.current.onView({ track: found ?? "" });
  };

  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    const { view } = live.current;
    const zoom = Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, view.zoom * Math.exp(-event.deltaY * 0.0015)));
    if (view.follow) live.current.onView({ zoom });
    else {
      const [x, y] = worldOf(event);
      const share = view.zoom / zoom;
      live.current.onView({ zoom, x: x + (view.x - x) * share, y: y + (view.y - y) * share });
    }
  };
  useEffect(() => {
    const element = canvas.current!;
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, []);

  return (
    <div class="stage">
      <canvas ref={canvas} class={props.measuring ? "measuring" : ""} onPointerDown={press}
        onDblClick={() => props.onView({ follow: true })} aria-label={`Bird's-eye view, ${props.title}`} />
      {props.title && <span class="stage-title">{props.drives.map((shown) => <i style={{ background: shown.color }} />)}{props.title}</span>}
      {props.children}
    </div>
  );
}
