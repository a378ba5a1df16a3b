/** Below the view: where and why points were lost, as curves with their bounds. */

import { useMemo } from "preact/hooks";
import { Row, Why } from "./answers";
import { Chart, Plot } from "./charts";
import { Clock } from "./clock";
import { Palette } from "./colors";

export interface Judged {
  row: Row;
  title: string;
  color: string;
  why: Why | null;
  error: string;
}

/** Metrics whose violations are marked in a curve. */
const MARKED_BY: Record<string, string[]> = {
  speed: ["speed_limit_compliance"],
  time_to_collision: ["time_to_collision_within_bound", "no_ego_at_fault_collisions"],
  progress: ["ego_progress_along_expert_route", "ego_is_making_progress"],
};

export function plotsOf(judged: Judged[], colors: Palette): Plot[] {
  const plots = new Map<string, Plot>();
  judged.forEach(({ why, color, title }) => {
    for (const curve of why?.curves ?? []) {
      let plot = plots.get(curve.name);
      if (!plot) {
        plot = { name: curve.name, title: curve.title, unit: curve.unit, low: curve.low, high: curve.high, time: curve.time_s, lines: [] };
        plots.set(curve.name, plot);
      }
      curve.series.forEach((series, i) => {
        // Limits are the same for all drives only where they drive on the same lanes: one per drive is drawn.
        const isReference = i > 0;
        plot.lines.push({
          label: `${title} ${series.label}`, color: isReference ? (judged.length > 1 ? color : colors.ghost) : color,
          values: fitted(series.values, plot.time.length), dash: isReference ? [4, 3] : undefined,
        });
      });
    }
  });
  return [...plots.values()];
}

function fitted(values: (number | null)[], count: number): (number | null)[] {
  return values.length >= count ? values.slice(0, count) : [...values, ...Array(count - values.length).fill(null)];
}

export function Curves({ judged, clock, colors, isDark }: { judged: Judged[]; clock: Clock; colors: Palette; isDark: boolean }) {
  const plots = useMemo(() => plotsOf(judged, colors), [judged, colors]);
  if (!plots.length) {
    const error = judged.find((one) => one.error)?.error;
    return <p class="empty">{error ?? "Judging the drive …"}</p>;
  }
  return (
    <div class="curves">
      {plots.map((plot) => <Chart key={plot.name} {...{ plot, clock, colors, isDark, marks: marksOf(plot.name, judged) }} />)}
    </div>
  );
}

function marksOf(curve: string, judged: Judged[]): number[] {
  const names = [curve, ...(MARKED_BY[curve] ?? [])];
  return judged.flatMap(({ why }) =>
    (why?.metrics ?? []).filter((metric) => names.includes(metric.name)).flatMap((metric) => metric.violations.map((event) => event.t)),
  );
}
