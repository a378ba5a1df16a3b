/** Playback and time line; red marks are violations of metrics, and a click on a mark moves the clock to it. */

import { useEffect, useReducer, useRef } from "preact/hooks";
import { MetricEvent } from "./api";
import { Clock } from "./clock";
import { SelectedDrive } from "./evaluation";
import { Notes } from "./notes";
import { ReactionMarks } from "./notes_panel";
import { eventsOf } from "./panel";

const LINE_PX = 30;
export const SPEEDS = [0.25, 0.5, 1, 2, 4];

export function Timeline({ clock, selected, notes, onJump }: { clock: Clock; selected: SelectedDrive[]; notes: Notes | null; onJump: (event: MetricEvent) => void }) {
  const line = useRef<HTMLDivElement>(null);
  const knob = useRef<HTMLDivElement>(null);
  const text = useRef<HTMLSpanElement>(null);
  const [, redraw] = useReducer((times: number) => times + 1, 0);
  useEffect(() => {
    let wasPlaying = clock.isPlaying;
    const update = () => {
      if (knob.current) knob.current.style.left = `${(100 * clock.seconds) / (clock.end || 1)}%`;
      if (text.current) text.current.textContent = `${clock.seconds.toFixed(1)} / ${clock.end.toFixed(1)} s`;
      if (wasPlaying !== clock.isPlaying) redraw(0);
      wasPlaying = clock.isPlaying;
    };
    update();
    return clock.listen(update);
  }, [clock]);
  const scrub = (event: PointerEvent) => {
    const box = line.current!.getBoundingClientRect();
    clock.seek(((event.clientX - box.left) / box.width) * clock.end);
  };
  const press = (event: PointerEvent) => {
    line.current!.setPointerCapture(event.pointerId);
    clock.pause();
    scrub(event);
  };
  const hasReaction = !!notes && (notes.surpriseS !== null || notes.latestStartS !== null);
  return (
    <div class={hasReaction ? "timeline with-reaction" : "timeline"}>
      <button class="play" aria-label={clock.isPlaying ? "Pause" : "Play"} title="Space" onClick={() => clock.toggle()}>{clock.isPlaying ? "❚❚" : "▶"}</button>
      <select aria-label="Speed" value={String(clock.speed)} onChange={(event) => { clock.speed = Number(event.currentTarget.value); }}>
        {SPEEDS.map((speed) => <option value={String(speed)}>{speed}×</option>)}
      </select>
      <div class="line" ref={line} role="slider" aria-label="Time" onPointerDown={press}
        onPointerMove={(event) => { if (event.buttons & 1) scrub(event); }}>
        <div class="track" />
        {selected.map((drive, row) => {
          const height = Math.min(22, LINE_PX / selected.length - 1);
          const { lost, notes } = eventsOf(drive);
          const mark = (event: MetricEvent, kind: string) => (
            <button class={`mark ${kind}`} title={`${event.time_s.toFixed(1)} s: ${selected.length > 1 ? `${drive.title}: ` : ""}${event.text}`}
              style={{ left: `${(100 * event.time_s) / (clock.end || 1)}%`, top: `${selected.length > 1 ? 1 + (row * LINE_PX) / selected.length : 4}px`, height: `${height}px` }}
              onPointerDown={(press) => press.stopPropagation()} onClick={() => onJump(event)} />
          );
          return [...notes.map((event) => mark(event, "note")), ...lost.map((event) => mark(event, "lost"))];
        })}
        {hasReaction && <ReactionMarks {...{ notes, clock }} />}
        <div class="knob" ref={knob} />
      </div>
      <span class="seconds" ref={text} />
    </div>
  );
}
