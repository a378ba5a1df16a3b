/** Colour scale of the candidates with the score of the driven one, and counts of perceived, missed and false boxes. */

import { useEffect, useRef } from "preact/hooks";
import { Clock } from "./clock";
import { Palette } from "./colors";
import { DrawnDrive } from "./birdseye";
import { Drive, instantOf } from "./model";
import { missedAgents, perceivedBoxes } from "./perception";

export function ScoreLegend({ drive, clock, colors }: { drive: Drive; clock: Clock; colors: Palette }) {
  const now = useCurrentText(clock, () => sentence(drive, clock.seconds), [drive]);
  const [low, high] = drive.candidates.range;
  return (
    <div class="legend">
      <b>Candidates by score</b>
      <span class="scale"><small>{short(low)}</small><i style={{ background: `linear-gradient(to right, ${colors.scores.join(", ")})` }} /><small>{short(high)}</small></span>
      <span ref={now} />
    </div>
  );
}

export function PerceptionLegend({ drawn, clock, colors }: { drawn: DrawnDrive; clock: Clock; colors: Palette }) {
  const boxes = () => perceivedBoxes(drawn.drive, clock.seconds);
  const found = useCurrentText(clock, () => `${boxes().length} perceived`, [drawn.drive]);
  const missed = useCurrentText(clock, () => `${missedAgents(drawn.drive, drawn.visible, clock.seconds).length} missed${drawn.visible ? "" : ", visible or not"}`, [drawn.drive, drawn.visible]);
  const wrong = useCurrentText(clock, () => `${boxes().filter((box) => box.isFalse).length} false`, [drawn.drive]);
  const lines = { stroke: colors.bound, "stroke-width": 2, fill: "none" };
  return (
    <div class="legend perception-legend">
      <b>Perception</b>
      <span><svg width="18" height="12"><rect x="2" y="2" width="14" height="8" {...lines} stroke={colors.perceived} /></svg><span ref={found} /></span>
      <span><svg width="18" height="12"><circle cx="9" cy="6" r="5" {...lines} stroke-dasharray="3 2" /></svg><span ref={missed} /></span>
      <span><svg width="18" height="12"><path d="M2 2h14v8h-14zM4 0L14 12M14 0L4 12" {...lines} /></svg><span ref={wrong} /></span>
      <span class="cells">
        <i style={{ background: colors.perceived_road, opacity: 0.5 }} /> road <i style={{ background: colors.perceived_line }} /> line <i style={{ background: colors.perceived_crosswalk, opacity: 0.7 }} /> crosswalk
      </span>
    </div>
  );
}

/** An element with a text that follows the clock. */
function useCurrentText(clock: Clock, text: () => string, inputs: unknown[]) {
  const element = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const update = () => {
      const now = text();
      if (element.current && element.current.textContent !== now) element.current.textContent = now;
    };
    update();
    return clock.listen(update);
  }, [clock, ...inputs]);
  return element;
}

function sentence({ candidates, ego }: Drive, seconds: number): string {
  const { step } = instantOf(ego.time, seconds);
  const count = candidates.offsets[step + 1] - candidates.offsets[step];
  if (!count) return "none at this step";
  const chosen = candidates.chosen[step];
  return chosen < 0 ? `${count}, none driven` : `driven: ${candidates.scores[chosen].toFixed(2)}, of ${count}`;
}

function short(score: number): string {
  return Number.isInteger(score) ? String(score) : score.toFixed(2);
}
