/** Panel beside the view: selection of drives, their scores, sentences of the metrics, and facts of the selected agent. */

import { useEffect, useMemo, useRef } from "preact/hooks";
import { MAX_DRIVES } from "./address";
import { agentAt } from "./agents";
import { idOf, MetricEvent, Row } from "./api";
import { DrawnDrive } from "./birdseye";
import { Chart, Plot } from "./charts";
import { Clock } from "./clock";
import { kindColor, Palette } from "./colors";
import { SelectedDrive } from "./evaluation";
import { Drive, instantOf } from "./model";
import { percent } from "./notes_panel";
import { driveTitle, grade, metricTitle, resultText, scoreText } from "./words";

type NamedEvent = MetricEvent & { metric: string };

export function DriveChooser({ rows, chosen, colors, onChosen }: {
  rows: Row[]; chosen: string[]; colors: Palette; onChosen: (ids: string[]) => void;
}) {
  const toggle = (id: string, alone: boolean) => {
    if (alone) onChosen([id]);
    else if (chosen.includes(id)) onChosen(chosen.length > 1 ? chosen.filter((one) => one !== id) : chosen);
    else onChosen([...chosen, id].slice(-MAX_DRIVES));
  };
  return (
    <ul class="drives">
      {rows.map((row) => {
        const id = idOf(row);
        const index = chosen.indexOf(id);
        return (
          <li class={index >= 0 ? "chosen" : ""}>
            <label title={index >= 0 ? "Hide this drive" : `Add this drive (at most ${MAX_DRIVES})`}>
              <input type="checkbox" checked={index >= 0} disabled={!row.has_log && index < 0} onChange={() => toggle(id, false)} />
              <i style={{ background: index >= 0 ? colors.drives[index] : "transparent", borderColor: index >= 0 ? colors.drives[index] : undefined }} />
            </label>
            <button disabled={!row.has_log} title={row.reason || "Show only this drive"} onClick={() => toggle(id, true)}>
              {driveTitle(row, rows)}
            </button>
            {row.status !== "logged" && <span class={`score ${grade(row)}`}>{resultText(row)}</span>}
          </li>
        );
      })}
    </ul>
  );
}

export function ScoreTable({ selected }: { selected: SelectedDrive[] }) {
  const names = useMemo(() => {
    const scored = selected.flatMap(({ row, evaluation }) => (
      evaluation?.metrics.length ? evaluation.metrics.filter((metric) => metric.scored).map((metric) => metric.name)
        : Object.keys(row.metrics).filter((name) => row.metrics[name] !== null)
    ));
    return [...new Set(scored)];
  }, [selected]);
  if (!names.length) return null;
  const weights = selected.find(({ evaluation }) => evaluation?.multipliers.length)?.evaluation;
  const score = ({ row, evaluation }: SelectedDrive, name: string) => evaluation?.metrics.find((metric) => metric.name === name)?.score ?? row.metrics[name] ?? null;
  const lines: [string, string, string, (number | null)[]][] = [
    ["score", "Score", "", selected.map(({ row, evaluation }) => evaluation?.score ?? row.score)],
    ...names.map((name): [string, string, string, (number | null)[]] => [
      name, metricTitle(name), weights?.multipliers.includes(name) ? "×" : weights?.weights[name] ? `${weights.weights[name]}` : "", selected.map((one) => score(one, name)),
    ]),
  ];
  return (
    <table class="scores">
      <thead>
        <tr><th /><th title="× multiplies the score; numbers are weights of the mean">w</th>{selected.map(({ title, color }) => <th title={title}><i style={{ background: color }} />{selected.length === 1 ? title : ""}</th>)}</tr>
      </thead>
      <tbody>
        {lines.map(([name, title, weight, scores]) => (
          <tr class={name === "score" ? "total" : ""}>
            <th title={name}>{title}</th>
            <td class="weight">{weight}</td>
            {scores.map((value, i) => (
              <td class={value !== null && value < 1 ? "lost" : ""}>
                {scoreText(value)}
                {i > 0 && <Difference value={value} to={scores[0]} />}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Difference({ value, to }: { value: number | null; to: number | null }) {
  if (value === null || to === null || Math.abs(value - to) < 5e-4) return null;
  const by = value - to;
  return <small class={by > 0 ? "better" : "worse"}>{by > 0 ? "▲" : "▼"}{Math.abs(by).toFixed(3)}</small>;
}

/** Events of a drive in order of time: violations of scored metrics, and notes of all metrics. */
export function eventsOf({ row, evaluation }: SelectedDrive): { lost: NamedEvent[]; notes: NamedEvent[] } {
  const byTime = (a: MetricEvent, b: MetricEvent) => a.time_s - b.time_s;
  if (!evaluation?.metrics.length) {
    const lost = row.reasons.map(({ metric, time_s, text }) => ({ metric, time_s: time_s ?? 0, text, track: null }));
    return { lost: lost.sort(byTime), notes: [] };
  }
  const pick = (part: "violations" | "notes", scoredOnly: boolean) => evaluation.metrics
    .filter((metric) => !scoredOnly || metric.scored)
    .flatMap((metric) => metric[part].map((event) => ({ ...event, metric: metric.name })))
    .sort(byTime);
  return { lost: pick("violations", true), notes: pick("notes", false) };
}

export function Sentences({ selected, onJump }: { selected: SelectedDrive[]; onJump: (event: MetricEvent) => void }) {
  return (
    <>
      {selected.map((drive) => {
        const { lost, notes } = eventsOf(drive);
        const line = (event: NamedEvent, kind: string) => (
          <li class={kind}>
            <button onClick={() => onJump(event)} title={metricTitle(event.metric)}>
              <time>{event.time_s.toFixed(1)} s</time><span>{event.text}</span>
            </button>
          </li>
        );
        return (
          <section class="sentences">
            {selected.length > 1 && <h4><i style={{ background: drive.color }} />{drive.title}</h4>}
            {drive.row.reason && !isEvaluated(drive) && <p class="broken-text">{drive.row.reason}</p>}
            {drive.error && drive.error !== drive.row.reason && <p class="broken-text">{drive.error}</p>}
            {drive.evaluation?.missing && <p class="hint">{drive.evaluation.missing}</p>}
            {!lost.length && drive.evaluation?.score === 1 && <p class="hint">No metric lost points.</p>}
            <ul>{lost.map((event) => line(event, "lost"))}{notes.map((event) => line(event, "note"))}</ul>
          </section>
        );
      })}
    </>
  );
}

export function AgentFacts({ drawn: { drive }, rarity, track, clock, colors, onClose }: {
  drawn: DrawnDrive; rarity: number | undefined; track: string; clock: Clock; colors: Palette; onClose: () => void;
}) {
  const agent = drive.trackIds.indexOf(track);
  const facts = useRef<HTMLDListElement>(null);
  const plots = useMemo(() => (agent < 0 ? [] : agentPlots(drive, agent, colors)), [drive, agent, colors]);
  useEffect(() => {
    if (agent < 0) return;
    const update = () => { if (facts.current) facts.current.innerHTML = factsText(drive, agent, clock.seconds, rarity); };
    update();
    return clock.listen(update);
  }, [drive, agent, rarity]);
  return (
    <section class="agent">
      <h3>Agent {track.replace(/^0+(?=.)/, "")} <button class="plain" aria-label="Close" onClick={onClose}>✕</button></h3>
      {agent < 0 ? <p class="hint">This drive has no agent {track}.</p> : <dl ref={facts} />}
      {plots.map((plot) => <Chart key={plot.name} {...{ plot, clock, colors, marks: [] }} />)}
    </section>
  );
}

/** Whether the viewer computed the score that is missing in the results. */
function isEvaluated({ row, evaluation }: SelectedDrive): boolean {
  return row.status === "unscored" && !!evaluation && evaluation.score !== null;
}

function factsText(drive: Drive, agent: number, seconds: number, rarity: number | undefined): string {
  const now = instantOf(drive.ego.time, seconds);
  const pose = agentAt(drive, agent, now);
  const index = agent * drive.numSteps + now.step;
  const kind = (drive.kindNames[drive.kinds[agent]] ?? "").replaceAll("_", " ");
  const rows: [string, string][] = [["Kind", kind]];
  if (rarity !== undefined) rows.push(["Rarity", `${percent(rarity)} of agents are more likely`]);
  if (pose) {
    rows.push(
      ["Speed", `${pose.speed.toFixed(2)} m/s`],
      ["Distance to ego", `${distance(drive, agent, now.step).toFixed(1)} m`],
      ["Size", `${drive.agents.length[index].toFixed(1)} × ${drive.agents.width[index].toFixed(1)} m`],
      ["Position", `${(pose.x + drive.origin[0]).toFixed(1)}, ${(pose.y + drive.origin[1]).toFixed(1)}`],
    );
  } else rows.push(["State", "not tracked at this time"]);
  return rows.map(([name, text]) => `<dt>${name}</dt><dd>${text}</dd>`).join("");
}

/** Distance between the box centres. */
function distance(drive: Drive, agent: number, step: number): number {
  const index = agent * drive.numSteps + step;
  return Math.hypot(drive.agents.x[index] - drive.ego.x[step], drive.agents.y[index] - drive.ego.y[step]);
}

function agentPlots(drive: Drive, agent: number, colors: Palette): Plot[] {
  const color = kindColor(colors, drive.kindNames[drive.kinds[agent]]);
  const time = Array.from(drive.ego.time);
  const known = (value: number) => (Number.isNaN(value) ? null : value);
  const index = (step: number) => agent * drive.numSteps + step;
  const plot = (name: string, title: string, unit: string, values: (number | null)[]): Plot => ({
    name: `agent-${name}`, title, unit, low: null, high: null, time, lines: [{ label: title, color, values }],
  });
  return [
    plot("speed", "Speed", "m/s", time.map((_, step) => known(Math.hypot(drive.agents.vx[index(step)], drive.agents.vy[index(step)])))),
    plot("distance", "Distance to ego, between box centres", "m", time.map((_, step) => known(distance(drive, agent, step)))),
  ];
}
