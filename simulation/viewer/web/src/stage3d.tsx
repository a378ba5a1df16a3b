/** A canvas of the replay in three dimensions. Its script is loaded on first use. */

import { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { limited, TILT } from "./address";
import { agentUnder } from "./agents";
import { loadView3d } from "./api";
import { instantOf, poseAt } from "./model";
import { countFrame, drawStats, StageProps } from "./stage";
import type { View3d, Viewpoint } from "./view3d";
import { MAX_ZOOM, MIN_ZOOM } from "./viewport";

const CLICK_PX = 4;
const DEGREES_PER_PX = 0.35;

/** Calls `onMissing` with the reason when the browser cannot draw in three dimensions. */
export function Stage3d(props: StageProps & { onMissing: (sentence: string) => void; children?: ComponentChildren }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const live = useRef(props);
  live.current = props;
  const state = useRef({ view: null as View3d | null, queued: 0 });
  const [isReady, setReady] = useState(false);

  const draw = () => {
    state.current.queued = 0;
    const element = canvas.current;
    const { scene, drives, notes, clock, view, colors } = live.current;
    const { view: view3d } = state.current;
    if (!element || !view3d || !drives.length || !element.clientWidth || !element.clientHeight) return;
    const start = performance.now();
    view3d.draw({
      scene, drives, notes, colors, seconds: clock.seconds, layers: new Set(view.layers), track: view.track,
      width: element.clientWidth, height: element.clientHeight, ratio: window.devicePixelRatio || 1, viewpoint: viewpoint(),
    });
    drawStats.solidFrames++;
    countFrame(start, drives[0].drive.scenario, scene);
  };
  const viewpoint = (): Viewpoint => {
    const { drives, clock, view } = live.current;
    const { ego } = drives[0].drive;
    const pose = poseAt(ego, instantOf(ego.time, clock.seconds));
    const turn = (view.turn * Math.PI) / 180;
    const tilt = (view.tilt * Math.PI) / 180;
    // Behind the ego while following it.
    return view.follow ? { x: pose.x, y: pose.y, zoom: view.zoom, direction: pose.heading + turn, tilt }
      : { x: view.x, y: view.y, zoom: view.zoom, direction: turn, tilt };
  };
  const queue = () => {
    if (!state.current.queued) state.current.queued = requestAnimationFrame(draw);
  };

  useEffect(() => {
    let isGone = false;
    loadView3d().then((module) => {
      if (isGone) return;
      state.current.view = new module.View3d(canvas.current!);
      setReady(true);
    }).catch((error: Error) => { if (!isGone) live.current.onMissing(error.message); });
    const stop = props.clock.listen(() => (props.clock.isPlaying ? draw() : queue()));
    const observer = new ResizeObserver(queue);
    observer.observe(canvas.current!);
    return () => {
      isGone = true;
      stop();
      observer.disconnect();
      cancelAnimationFrame(state.current.queued);
      state.current.view?.dispose();
      state.current.view = null;
    };
  }, []);
  useEffect(queue);

  const press = (event: PointerEvent) => {
    const element = canvas.current!;
    const view3d = state.current.view;
    if (!view3d || event.button > 2) return;
    element.setPointerCapture(event.pointerId);
    const isPanning = event.shiftKey || event.button !== 0;
    const from = [event.clientX, event.clientY];
    const start = { ...live.current.view };
    const before = viewpoint();
    let moved = false;
    const move = (now: PointerEvent) => {
      const [dx, dy] = [now.clientX - from[0], now.clientY - from[1]];
      if (!moved && Math.hypot(dx, dy) < CLICK_PX) return;
      moved = true;
      if (isPanning) {
        const right = -dx / before.zoom;
        const ahead = dy / before.zoom / Math.max(0.3, Math.sin(before.tilt));
        const [cos, sin] = [Math.cos(before.direction), Math.sin(before.direction)];
        live.current.onView({
          follow: false, turn: degrees(before.direction), x: before.x + ahead * cos + right * sin, y: before.y + ahead * sin - right * cos,
        });
      } else {
        live.current.onView({
          turn: degrees(((start.turn + dx * DEGREES_PER_PX) * Math.PI) / 180),
          tilt: limited(start.tilt + dy * DEGREES_PER_PX, TILT.min, TILT.max),
        });
      }
    };
    const release = (now: PointerEvent) => {
      for (const name of ["pointermove", "pointerup", "pointercancel"] as const) element.removeEventListener(name, name === "pointermove" ? move : release);
      if (moved || now.type !== "pointerup") return;
      const box = element.getBoundingClientRect();
      const point = view3d.groundAt(now.clientX - box.left, now.clientY - box.top);
      const found = point && agentUnder(live.current.drives[0].drive, live.current.clock.seconds, ...point, 6 / before.zoom + 0.5);
      live.current.onView({ track: found ?? "" });
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", release);
    element.addEventListener("pointercancel", release);
  };
  useEffect(() => {
    const element = canvas.current!;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      live.current.onView({ zoom: limited(live.current.view.zoom * Math.exp(-event.deltaY * 0.0015), MIN_ZOOM, MAX_ZOOM) });
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, []);

  return (
    <div class="stage">
      <canvas ref={canvas} class="solid" onPointerDown={press} onContextMenu={(event) => event.preventDefault()}
        onDblClick={() => props.onView({ follow: true, turn: 0 })} aria-label={`Three-dimensional view ${props.title}`} />
      {props.title && <span class="stage-title">{props.drives.map(({ color }) => <i style={{ background: color }} />)}{props.title}</span>}
      {!isReady && <p class="empty over">Loading the three-dimensional view …</p>}
      {props.children}
    </div>
  );
}

function degrees(radians: number): number {
  const turned = ((((radians * 180) / Math.PI + 180) % 360) + 360) % 360 - 180;
  return Math.round(turned * 10) / 10;
}
