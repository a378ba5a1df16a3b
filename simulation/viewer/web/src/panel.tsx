/** Beside the view: which drives are shown, their scores compared, what went wrong, and the chosen agent. */

import { useEffect, useMemo, useRef } from "preact/hooks";
import { Event, idOf, Row } from "./answers";
import { agentAt, Shown } from "./birdseye";
import { Chart, Plot } from "./charts";
import { Clock } from "./clock";
import { Palette } from "./colors";
import { Drive, instantOf } from "./model";
import { Judged } from "./why";
import { driveTitle, grade, metricTitle, scoreText } from "./words";

const MOST_DRIVES = 4;

export function DriveChooser({ rows, chosen, colors, onChosen }: {
  rows: Row[]; chosen: string[]; colors: Palette; onChosen: (ids: string[]) => void;
}) {
  const toggle = (id: string, alone: boolean) => {
    if (alone) onChosen([id]);
    else if (chosen.includes(id)) onChosen(chosen.length > 1 ? chosen.filter((one) => one !== id) : chosen);
    else onChosen([...chosen, id].slice(-MOST_DRIVES));
  };
  return (
    <ul class="drives">
      {rows.map((row) => {
        const id = idOf(row);
        const place = chosen.indexOf(id);
        return (
          <li class={place >= 0 ? "chosen" : ""}>
            <label title={place >= 0 ? "Hide this drive" : `Show it too (at most ${MOST_DRIVES})`}>
              <input type="checkbox" checked={place >= 0} disabled={!row.hasLog && place < 0} onChange={() => toggle(id, false)} />
              <i style={{ background: place >= 0 ? colors.drives[place] : "transparent", borderColor: place >= 0 ? colors.drives[place] : undefined }} />
            </label>
            <button disabled={!row.hasLog} title={row.reason || "Show only this drive"} onClick={() => toggle(id, true)}>
              {driveTitle(row, rows)}
            </button>
            {row.status !== "logged" && <span class={`score ${grade(row)}`}>{row.status === "failed" ? "failed" : row.status === "damaged" ? "damaged" : scoreText(row.score)}</span>}
          </li>
        );
      })}
    </ul>
  );
}

export function ScoreTable({ judged }: { judged: Judged[] }) {
  const names = useMemo(() => {
    const scored = judged.flatMap(({ row, why }) => (why?.metrics.length ? why.metrics.filter((metric) => metric.scored).map((metric) => metric.name) : Object.keys(row.metrics).filter((name) => row.metrics[name] !== null)));
    return [...new Set(scored)];
  }, [judged]);
  if (!names.length) return null;
  const weights = judged.find(({ why }) => why?.multipliers.length)?.why;
  const score = ({ row, why }: Judged, name: string) => why?.metrics.find((metric) => metric.name === name)?.score ?? row.metrics[name] ?? null;
  const lines: [string, string, string, (number | null)[]][] = [
    ["score", "Score", "", judged.map(({ row, why }) => why?.score ?? row.score)],
    ...names.map((name): [string, string, string, (number | null)[]] => [
      name, metricTitle(name), weights?.multipliers.includes(name) ? "×" : weights?.weights[name] ? `${weights.weights[name]}` : "", judged.map((one) => score(one, name)),
    ]),
  ];
  return (
    <table class="scores">
      <thead>
        <tr><th /><th title="× multiplies the score; numbers are weights of the mean">w</th>{judged.map(({ title, color }) => <th title={title}><i style={{ background: color }} />{judged.length === 1 ? title : ""}</th>)}</tr>
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

/** All that happened in a drive, in order of time; metrics that only repeat another one's events are left out. */
export function eventsOf({ row, why }: Judged): { lost: (Event & { metric: string })[]; notes: (Event & { metric: string })[] } {
  if (!why?.metrics.length) {
    const lost = row.reasons.map(({ metric, t, text }) => ({ metric, t: t ?? 0, text, track: null }));
    return { lost: lost.sort((a, b) => a.t - b.t), notes: [] };
  }
  const pick = (part: "violations" | "notes", scoredOnly: boolean) => why.metrics
    .filter((metric) => !scoredOnly || metric.scored)
    .flatMap((metric) => metric[part].map((event) => ({ ...event, metric: metric.name })))
    .sort((a, b) => a.t - b.t);
  return { lost: pick("violations", true), notes: pick("notes", false) };
}

export function Sentences({ judged, onJump }: { judged: Judged[]; onJump: (event: Event) => void }) {
  return (
    <>
      {judged.map((one) => {
        const { lost, notes } = eventsOf(one);
        const line = (event: Event & { metric: string }, kind: string) => (
          <li class={kind}>
            <button onClick={() => onJump(event)} title={metricTitle(event.metric)}>
              <time>{event.t.toFixed(1)} s</time><span>{event.text}</span>
            </button>
          </li>
        );
        return (
          <section class="sentences">
            {judged.length > 1 && <h4><i style={{ background: one.color }} />{one.title}</h4>}
            {one.row.reason && <p class="broken-text">{one.row.reason}</p>}
            {one.error && one.error !== one.row.reason && <p class="broken-text">{one.error}</p>}
            {one.why?.missing && <p class="hint">{one.why.missing}</p>}
            {!lost.length && one.why?.score === 1 && <p class="hint">No point was lost.</p>}
            <ul>{lost.map((event) => line(event, "lost"))}{notes.map((event) => line(event, "note"))}</ul>
          </section>
        );
      })}
    </>
  );
}

export function AgentFacts({ shown, track, clock, colors, isDark, onClose }: {
  shown: Shown; track: string; clock: Clock; colors: Palette; isDark: boolean; onClose: () => void;
}) {
  const { drive } = shown;
  const agent = drive.trackIds.indexOf(track);
  const facts = useRef<HTMLDListElement>(null);
  const plots = useMemo(() => (agent < 0 ? [] : agentPlots(drive, agent, colors)), [drive, agent, colors]);
  useEffect(() => {
    if (agent < 0) return;
    const tell = () => { if (facts.current) facts.current.innerHTML = factsText(drive, agent, clock.seconds); };
    tell();
    return clock.listen(tell);
  }, [drive, agent]);
  return (
    <section class="agent">
      <h3>Agent {track.replace(/^0+(?=.)/, "")} <button class="plain" aria-label="Close" onClick={onClose}>✕</button></h3>
      {agent < 0 ? <p class="hint">This drive has no agent {track}.</p> : <dl ref={facts} />}
      {plots.map((plot) => <Chart key={plot.name} {...{ plot, clock, colors, isDark, marks: [] }} />)}
    </section>
  );
}

function factsText(drive: Drive, agent: number, seconds: number): string {
  const now = instantOf(drive.ego.time, seconds);
  const pose = agentAt(drive, agent, now);
  const place = agent * drive.numSteps + now.step;
  const kind = (drive.kindNames[drive.kinds[agent]] ?? "").replaceAll("_", " ");
  const rows: [string, string][] = [["Kind", kind]];
  if (pose) {
    rows.push(
      ["Speed", `${pose.speed.toFixed(2)} m/s`],
      ["To ego", `${distance(drive, agent, now.step).toFixed(1)} m`],
      ["Size", `${drive.agents.length[place].toFixed(1)} × ${drive.agents.width[place].toFixed(1)} m`],
      ["At", `${(pose.x + drive.origin[0]).toFixed(1)}, ${(pose.y + drive.origin[1]).toFixed(1)}`],
    );
  } else rows.push(["Now", "not seen"]);
  return rows.map(([name, text]) => `<dt>${name}</dt><dd>${text}</dd>`).join("");
}

/** Between the centres of the boxes. */
function distance(drive: Drive, agent: number, step: number): number {
  const place = agent * drive.numSteps + step;
  return Math.hypot(drive.agents.x[place] - drive.ego.x[step], drive.agents.y[place] - drive.ego.y[step]);
}

function agentPlots(drive: Drive, agent: number, colors: Palette): Plot[] {
  const color = colors.kinds[drive.kindNames[drive.kinds[agent]]] ?? colors.text;
  const time = Array.from(drive.ego.time);
  const known = (value: number) => (Number.isNaN(value) ? null : value);
  const place = (step: number) => agent * drive.numSteps + step;
  const plot = (name: string, title: string, unit: string, values: (number | null)[]): Plot => ({
    name: `agent-${name}`, title, unit, low: null, high: null, time, lines: [{ label: title, color, values }],
  });
  return [
    plot("speed", "Speed", "m/s", time.map((_, step) => known(Math.hypot(drive.agents.vx[place(step)], drive.agents.vy[place(step)])))),
    plot("distance", "Distance to ego, between centres", "m", time.map((_, step) => known(distance(drive, agent, step)))),
  ];
}
