/** Charts over time with the bounds of a metric and the current time; a click moves the clock. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { Clock } from "./clock";
import { Palette } from "./colors";

export interface Line {
  label: string;
  color: string;
  values: (number | null)[];
  dash?: number[];
}

export interface Plot {
  name: string;
  title: string;
  unit: string;
  low: number | null;
  high: number | null;
  time: number[];
  lines: Line[];
}

const HEIGHT_PX = 118;

export function Chart({ plot, clock, colors, marks }: { plot: Plot; clock: Clock; colors: Palette; marks: number[] }) {
  const container = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const chart = new uPlot(optionsOf(plot, colors, marks, container.current!.clientWidth), [
      plot.time, ...plot.lines.map((line) => line.values),
    ] as uPlot.AlignedData, container.current!);
    const now = document.createElement("div");
    now.className = "chart-now";
    now.style.background = colors.text;
    chart.over.append(now);
    const value = document.createElement("span");
    value.className = "chart-value";
    container.current!.append(value);
    const move = () => {
      now.style.transform = `translateX(${chart.valToPos(clock.seconds, "x")}px)`;
      value.replaceChildren(...values(plot, clock.seconds));
    };
    const stop = clock.listen(move);
    const seek = (event: PointerEvent) => {
      if (event.buttons & 1) clock.seek(chart.posToVal(event.clientX - chart.over.getBoundingClientRect().left, "x"));
    };
    chart.over.addEventListener("pointerdown", seek);
    chart.over.addEventListener("pointermove", seek);
    const observer = new ResizeObserver(() => {
      chart.setSize({ width: container.current!.clientWidth, height: HEIGHT_PX });
      move();
    });
    observer.observe(container.current!);
    move();
    return () => { stop(); observer.disconnect(); chart.destroy(); value.remove(); };
  }, [plot, colors]);
  return (
    <figure class="chart" data-curve={plot.name}>
      <figcaption>{plot.title} <small>[{plot.unit}]</small></figcaption>
      <div ref={container} style={{ height: `${HEIGHT_PX}px` }} />
    </figure>
  );
}

function values(plot: Plot, seconds: number): HTMLElement[] {
  let nearest = 0;
  while (nearest + 1 < plot.time.length && plot.time[nearest + 1] <= seconds + 1e-6) nearest++;
  return plot.lines.filter((line) => !line.dash).map((line) => {
    const element = document.createElement("b");
    element.textContent = line.values[nearest]?.toFixed(2).replace(/^-(0\.00)$/, "$1") ?? "–";
    element.style.color = line.color;
    return element;
  });
}

function optionsOf(plot: Plot, colors: Palette, marks: number[], width: number): uPlot.Options {
  const axis = { stroke: colors.axis, grid: { stroke: colors.grid, width: 1 }, ticks: { show: false }, font: "10px system-ui" };
  return {
    width,
    height: HEIGHT_PX,
    padding: [6, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 5 } },
    scales: { x: { time: false }, y: { range: (_chart, low, high) => rangeOf(plot, low, high) } },
    axes: [{ ...axis, size: 20, values: (_chart, ticks) => ticks.map((tick) => `${tick}`) }, { ...axis, size: 38 }],
    series: [
      {},
      ...plot.lines.map((line) => ({
        label: line.label, stroke: line.color, width: line.dash ? 1.2 : 1.6, dash: line.dash, points: { show: false }, spanGaps: false,
      })),
    ],
    hooks: { drawAxes: [(chart) => drawBounds(chart, plot, marks, colors.bound)] },
  };
}

/** Range of the y axis; it includes a bound only when the curve reaches 45 % of it, so that small curves stay readable. */
function rangeOf(plot: Plot, low: number | null, high: number | null): [number, number] {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) [low, high] = [0, 1];
  const bounds = [plot.low, plot.high].filter((bound) => bound !== null);
  const reach = Math.max(Math.abs(low), Math.abs(high));
  for (const bound of bounds) {
    if (reach > 0.45 * Math.abs(bound)) {
      low = Math.min(low, bound);
      high = Math.max(high, bound);
    }
  }
  if (low > 0 && low < 0.5 * high) low = 0;
  const spare = Math.max((high - low) * 0.08, 0.05);
  return [low - spare, high + spare];
}

function drawBounds(chart: uPlot, plot: Plot, marks: number[], color: string): void {
  const { ctx } = chart;
  const { left, top, width, height } = chart.bbox;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  ctx.strokeStyle = color;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
  for (const bound of [plot.low, plot.high]) {
    if (bound === null) continue;
    const y = Math.round(chart.valToPos(bound, "y", true)) + 0.5;
    ctx.beginPath();
    ctx.moveTo(left, y);
    ctx.lineTo(left + width, y);
    ctx.stroke();
  }
  ctx.setLineDash([]);
  ctx.globalAlpha = 0.7;
  for (const seconds of marks) {
    const x = Math.round(chart.valToPos(seconds, "x", true)) + 0.5;
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, top + height);
    ctx.stroke();
  }
  ctx.restore();
}
