/** A canvas of the replay from above: pan, zoom, select, measure. */

import { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { limited, ReplayView } from "./address";
import { agentUnder } from "./agents";
import { DrawnDrive, drawFrame } from "./birdseye";
import { Clock } from "./clock";
import { Palette } from "./colors";
import { Ground } from "./ground";
import { instantOf, poseAt, Scene } from "./model";
import type { Notes } from "./notes";
import { following, MAX_ZOOM, MIN_ZOOM, snapped, toWorld, Viewport } from "./viewport";

export interface StageProps {
  scene: Scene | null;
  drives: DrawnDrive[];
  notes: Notes | null;
  clock: Clock;
  view: ReplayView;
  colors: Palette;
  measuring: boolean;
  title: string;
  onView: (part: Partial<ReplayView>) => void;
  onMeasured: () => void;
}

/** Statistics of drawn frames, read by tests and benchmarks. */
export const drawStats = { frames: 0, solidFrames: 0, firstMs: 0, firstMapMs: 0, lastMs: 0, drawMs: 0, scenario: "", hasMap: false };
Object.assign(window, { camberDrawn: drawStats });

const CLICK_PX = 4;

export function countFrame(startMs: number, scenario: string, scene: Scene | null): void {
  drawStats.frames++;
  drawStats.lastMs = performance.now();
  drawStats.drawMs += drawStats.lastMs - startMs;
  drawStats.firstMs ||= drawStats.lastMs;
  drawStats.scenario = scenario;
  drawStats.hasMap = scene?.scenario === scenario;
  if (drawStats.hasMap) drawStats.firstMapMs ||= drawStats.lastMs;
}

export function Stage(props: StageProps & { children?: ComponentChildren }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const live = useRef(props);
  live.current = props;
  const state = useRef({
    ground: null as Ground | null, scene: null as Scene | null, viewport: null as Viewport | null, queued: 0,
    measure: [] as [number, number][],
  });

  const draw = () => {
    state.current.queued = 0;
    const element = canvas.current;
    const { scene, drives, notes, clock, view, colors } = live.current;
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
    const viewport = view.follow
      ? following(ego, view.zoom, view.egoUp, width, height)
      : { x: view.x, y: view.y, zoom: view.zoom, up: Math.PI / 2, width, height };
    state.current.viewport = snapped(viewport, ratio);
    drawFrame(element.getContext("2d", { alpha: false })!, {
      scene, drives, notes, colors, ratio, seconds: clock.seconds, viewport: state.current.viewport,
      ground: state.current.ground, layers: new Set(view.layers), track: view.track, measure: state.current.measure,
      isPlaying: clock.isPlaying,
    });
    countFrame(start, drive.scenario, scene);
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
    return toWorld(state.current.viewport!, event.clientX - box.left, event.clientY - box.top);
  };

  const press = (event: PointerEvent) => {
    if (!state.current.viewport || event.button !== 0) return;
    const element = canvas.current!;
    element.setPointerCapture(event.pointerId);
    const { viewport } = state.current;
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
      const [x, y] = toWorld(viewport, now.clientX - box.left, now.clientY - box.top);
      live.current.onView({ follow: false, egoUp: false, x: viewport.x + startX - x, y: viewport.y + startY - y });
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
    const zoom = limited(view.zoom * Math.exp(-event.deltaY * 0.0015), MIN_ZOOM, MAX_ZOOM);
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
        onDblClick={() => props.onView({ follow: true })} aria-label={`View from above ${props.title}`} />
      {props.title && <span class="stage-title">{props.drives.map(({ color }) => <i style={{ background: color }} />)}{props.title}</span>}
      {props.children}
    </div>
  );
}
