/** Charts below the view: curves of the selected drives with the bounds of the metrics. */

import { useMemo } from "preact/hooks";
import { Evaluation, Row } from "./api";
import { Chart, Plot } from "./charts";
import { Clock } from "./clock";
import { Palette } from "./colors";

/** A drive that is selected for the replay, and what has been loaded about it. */
export interface SelectedDrive {
  row: Row;
  title: string;
  color: string;
  evaluation: Evaluation | null;
  error: string;
}

/** Metrics with violations that are marked in a curve. */
const MARKED_BY: Record<string, string[]> = {
  speed: ["speed_limit_compliance"],
  time_to_collision: ["time_to_collision_within_bound", "no_ego_at_fault_collisions"],
  progress: ["ego_progress_along_expert_route", "ego_is_making_progress"],
};

export function plotsOf(selected: SelectedDrive[], colors: Palette): Plot[] {
  const plots = new Map<string, Plot>();
  selected.forEach(({ evaluation, color, title }) => {
    for (const curve of evaluation?.curves ?? []) {
      let plot = plots.get(curve.name);
      if (!plot) {
        plot = { name: curve.name, title: curve.title, unit: curve.unit, low: curve.low, high: curve.high, time: curve.time_s, lines: [] };
        plots.set(curve.name, plot);
      }
      curve.series.forEach((series, i) => {
        // Each drive has its own reference line: drives on different lanes have different limits.
        const isReference = i > 0;
        plot.lines.push({
          label: `${title} ${series.label}`, color: isReference && selected.length === 1 ? colors.logged_ego : color,
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

export function Curves({ selected, clock, colors }: { selected: SelectedDrive[]; clock: Clock; colors: Palette }) {
  const plots = useMemo(() => plotsOf(selected, colors), [selected, colors]);
  if (!plots.length) {
    const error = selected.find((drive) => drive.error)?.error;
    return <p class="empty">{error ?? (selected.length ? "Computing the metrics …" : "No drive is selected.")}</p>;
  }
  return (
    <div class="curves">
      {plots.map((plot) => <Chart key={plot.name} {...{ plot, clock, colors, marks: marksOf(plot.name, selected) }} />)}
    </div>
  );
}

function marksOf(curve: string, selected: SelectedDrive[]): number[] {
  const names = [curve, ...(MARKED_BY[curve] ?? [])];
  return selected.flatMap(({ evaluation }) =>
    (evaluation?.metrics ?? []).filter((metric) => names.includes(metric.name)).flatMap((metric) => metric.violations.map((event) => event.time_s)),
  );
}
