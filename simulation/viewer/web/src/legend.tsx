/** Colour scale of the candidates, and the score of the driven candidate. */

import { useEffect, useRef } from "preact/hooks";
import { Clock } from "./clock";
import { Palette } from "./colors";
import { Drive, instantOf } from "./model";

export function ScoreLegend({ drive, clock, colors }: { drive: Drive; clock: Clock; colors: Palette }) {
  const now = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const update = () => {
      const text = sentence(drive, clock.seconds);
      if (now.current && now.current.textContent !== text) now.current.textContent = text;
    };
    update();
    return clock.listen(update);
  }, [drive, clock]);
  const [low, high] = drive.candidates.range;
  return (
    <div class="legend">
      <b>Candidates by score</b>
      <span class="scale"><small>{short(low)}</small><i style={{ background: `linear-gradient(to right, ${colors.scores.join(", ")})` }} /><small>{short(high)}</small></span>
      <span ref={now} />
    </div>
  );
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
