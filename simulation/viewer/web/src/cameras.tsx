/** Camera images at the current time, with optional boxes of the agents and of what was perceived. */

import { useEffect, useMemo, useReducer, useState } from "preact/hooks";
import { cameraUrl, CameraStrip, getCameras } from "./api";
import { Clock } from "./clock";
import { kindColor, Palette, palette } from "./colors";

const EDGES = [[0, 1], [1, 2], [2, 3], [3, 0], [4, 5], [5, 6], [6, 7], [7, 4], [0, 4], [1, 5], [2, 6], [3, 7]];
const ORDER = ["FRONT_LEFT", "L0", "FRONT", "F0", "FRONT_RIGHT", "R0", "L1", "R1", "BACK_LEFT", "L2", "BACK", "B0", "BACK_RIGHT", "R2"];
/** Largest time between an image and the clock: about one step of a 2 Hz camera. */
const MAX_AGE_S = 0.6;

/** Lines on images are light in both themes of the page. */
const ON_IMAGES = palette(true);

export function Cameras({ id, clock, colors, boxes, perceived, onBoxes, onJump }: {
  id: string; clock: Clock; colors: Palette; boxes: boolean; perceived: boolean; onBoxes: (on: boolean) => void; onJump: (seconds: number) => void;
}) {
  const [strip, setStrip] = useState<CameraStrip | null>(null);
  const [error, setError] = useState("");
  useEffect(() => {
    setStrip(null);
    setError("");
    getCameras(id).then(setStrip, (problem) => setError(problem.message));
  }, [id]);
  const order = useMemo(() => strip?.names.map((_, i) => i).sort((a, b) => rank(strip.names[a]) - rank(strip.names[b])) ?? [], [strip]);
  const current = useCurrent(strip, clock);
  if (error) return <p class="hint cameras-hint">{error}</p>;
  if (!strip) return <p class="hint cameras-hint">Loading the camera images …</p>;
  const times = [...new Set(strip.images.map((image) => image.time_s))].sort((a, b) => a - b);
  return (
    <div class="cameras">
      <label class="check"><input type="checkbox" checked={boxes} onChange={(event) => onBoxes(event.currentTarget.checked)} /> boxes{strip.images.some((image) => image.perceived) && <small><br />solid: true<br />dashed: perceived<br />red: false</small>}</label>
      {order.map((camera) => {
        const image = current.get(camera);
        const [width, height] = strip.sizes[camera];
        if (!image) return null;
        return (
          <figure key={camera}>
            <img src={cameraUrl(id, image.frame)} alt={strip.names[camera]} />
            {boxes && (
              <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none">
                {image.boxes.map((box) => (
                  <path d={edges(box.corners)} stroke={kindColor(colors, box.kind)} fill="none" stroke-width={width / 300}>
                    <title>{box.track}</title>
                  </path>
                ))}
                {perceived && image.perceived?.map((box) => (
                  <path class="perceived" d={edges(box.corners)} stroke={box.is_false ? ON_IMAGES.bound : ON_IMAGES.perceived} fill="none" stroke-width={width / 300} stroke-dasharray={`${width / 60} ${width / 100}`}>
                    <title>{box.is_false ? `${box.track}: no agent near` : box.track}</title>
                  </path>
                ))}
              </svg>
            )}
            <figcaption>{strip.names[camera]} {image.time_s.toFixed(2)} s</figcaption>
          </figure>
        );
      })}
      {!current.size && (
        <p class="hint">No image within {MAX_AGE_S} s of this time. <button class="link" onClick={() => onJump(nearest(times, clock.seconds))}>Go to the nearest of {times.length} image times</button></p>
      )}
    </div>
  );
}

function edges(corners: [number, number][]): string {
  return EDGES.map(([a, b]) => `M${corners[a]}L${corners[b]}`).join("");
}

function rank(name: string): number {
  const index = ORDER.indexOf(name.replace(/^CAM_/, ""));
  return index < 0 ? ORDER.length : index;
}

function nearest(times: number[], seconds: number): number {
  return times.reduce((best, time) => (Math.abs(time - seconds) < Math.abs(best - seconds) ? time : best), times[0]);
}

/** The image of each camera nearest in time; the strip is rebuilt only when an image changes. */
function useCurrent(strip: CameraStrip | null, clock: Clock): Map<number, CameraStrip["images"][number]> {
  const [, redraw] = useReducer((times: number) => times + 1, 0);
  const found = useMemo(() => ({ now: new Map<number, CameraStrip["images"][number]>(), key: "" }), [strip]);
  const update = () => {
    const now = new Map<number, CameraStrip["images"][number]>();
    for (const image of strip?.images ?? []) {
      const before = now.get(image.camera);
      if (Math.abs(image.time_s - clock.seconds) > MAX_AGE_S) continue;
      if (!before || Math.abs(image.time_s - clock.seconds) < Math.abs(before.time_s - clock.seconds)) now.set(image.camera, image);
    }
    const key = [...now.values()].map((image) => image.frame).join();
    const changed = key !== found.key;
    found.key = key;
    found.now = now;
    return changed;
  };
  update();
  useEffect(() => clock.listen(() => { if (update()) redraw(0); }), [strip]);
  return found.now;
}
