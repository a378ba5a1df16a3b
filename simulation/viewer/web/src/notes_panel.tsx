/** Notes in the replay: legend of their layers, section of the panel, and marks on the time line. */

import { Card } from "./api";
import { Clock } from "./clock";
import { Palette, RARITY_STOPS } from "./colors";
import { Notes, reactionS } from "./notes";
import { modeTitle } from "./words";

export function NotesLegend({ notes, layers, isSolid, colors }: { notes: Notes; layers: string; isSolid: boolean; colors: Palette }) {
  const { samples, rarity, unchanged, wayOut } = notes;
  const reaction = reactionS(notes);
  const has = { rarity: rarity.size > 0 && layers.includes("u"), ghost: unchanged && layers.includes("g"), wayOut: wayOut && layers.includes("e"), samples: samples.count > 0 && layers.includes("t") && !isSolid };
  if (!has.rarity && !has.ghost && !has.wayOut && !has.samples) return null;
  const line = { "stroke-width": 2, fill: "none" };
  return (
    <div class="legend notes-legend">
      {has.rarity && (
        <>
          <b>Agents by rarity</b>
          <span class="rarity-scale" style={{ background: `linear-gradient(to right, ${colors.rarity.join(", ")})` }} />
          <span class="rarity-stops">{RARITY_STOPS.map((stop) => <small>{percent(stop)}</small>)}</span>
        </>
      )}
      {has.ghost && <span><svg width="22" height="12"><rect x="2" y="2" width="18" height="8" {...line} stroke={colors.ghost} stroke-dasharray="4 2" /></svg>agent without its change</span>}
      {has.wayOut && <span><svg width="22" height="12"><path d="M0 6h22" {...line} stroke={colors.way_out} />{notes.latestStartS !== null && <path d="M11 1l5 5l-5 5l-5 -5z" fill={colors.way_out} stroke={colors.edge} />}</svg>way out{notes.latestStartS !== null && ", latest start"}{reaction !== null && ` (${reaction.toFixed(1)} s to react)`}</span>}
      {has.samples && <span><svg width="22" height="12"><rect x="2" y="2" width="18" height="8" {...line} stroke={colors.sample} fill={colors.sample} fill-opacity="0.2" stroke-opacity="0.5" /></svg>{samples.count} {samples.count === 1 ? "sample" : "samples"} of traffic</span>}
    </div>
  );
}

/** Share of agents that are more likely, as a percentage. */
export function percent(rarity: number): string {
  const value = 100 * rarity;
  return `${Number(value.toFixed(value > 99 && value < 100 ? 2 : 1))} %`;
}

export function SolvableBadge({ isSolvable }: { isSolvable: boolean | null }) {
  if (isSolvable === null) return null;
  return isSolvable ? <span class="badge good">solvable</span> : <span class="badge none">no way out proven</span>;
}

export function NotesPanel({ notes, onJump }: { notes: Notes; onJump: (seconds: number, track: string) => void }) {
  const { samples } = notes;
  if (!notes.failure && !notes.mode && !notes.track && !samples.count && !notes.problems.length) return null;
  const reaction = reactionS(notes);
  const events: [number, string, string][] = [];
  if (notes.surpriseS !== null) events.push([notes.surpriseS, "The change is visible.", "note"]);
  if (notes.latestStartS !== null) events.push([notes.latestStartS, `Latest start of a way out${reaction === null ? "." : `, ${reaction.toFixed(1)} s later.`}`, "way-out"]);
  if (notes.failureS !== null) events.push([notes.failureS, notes.failure || "Failure.", "lost"]);
  return (
    <section class="scenario-notes sentences">
      <h3>{notes.mode ? modeTitle(notes.mode) : notes.failure ? "Failure" : "Notes"} <SolvableBadge isSolvable={notes.isSolvable} /></h3>
      {(notes.planner || notes.seed !== null) && <p class="hint">{[notes.planner && `found for ${notes.planner}`, notes.seed !== null && `seed ${notes.seed}`].filter(Boolean).join(", ")}</p>}
      {notes.failureS === null && notes.failure && <p>{notes.failure}</p>}
      <ul>
        {events.sort((a, b) => a[0] - b[0]).map(([time, text, kind]) => (
          <li class={kind}><button onClick={() => onJump(time, notes.track)}><time>{time.toFixed(1)} s</time><span>{text}</span></button></li>
        ))}
      </ul>
      {notes.problems.map((text) => <p class="broken-text">{text}</p>)}
    </section>
  );
}

/** The time to react, from the visible surprise to the latest start of a way out. */
export function ReactionMarks({ notes, clock }: { notes: Notes; clock: Clock }) {
  const { surpriseS, latestStartS } = notes;
  const place = (seconds: number) => (100 * Math.min(seconds, clock.end)) / (clock.end || 1);
  const first = surpriseS ?? latestStartS;
  const last = latestStartS ?? surpriseS;
  if (first === null || last === null) return null;
  const words = [surpriseS !== null && `surprise ${surpriseS.toFixed(1)} s`, latestStartS !== null && `latest start ${latestStartS.toFixed(1)} s`].filter(Boolean).join(" → ");
  const isLate = place(first) > 60;
  return (
    <>
      <div class="reaction" style={{ left: `${place(first)}%`, width: `${place(last) - place(first)}%` }} title={words} />
      {surpriseS !== null && <div class="reaction-mark surprise" style={{ left: `${place(surpriseS)}%` }} />}
      {latestStartS !== null && <div class="reaction-mark latest" style={{ left: `${place(latestStartS)}%` }} />}
      <small class="reaction-text" style={isLate ? { right: `${100 - place(last)}%` } : { left: `${place(first)}%` }}>{words}</small>
    </>
  );
}

/** Sentence of a card about its way out. */
export function reactionText(card: Card): string {
  const reaction = reactionS({ surpriseS: card.surprise_s, latestStartS: card.latest_start_s });
  return reaction === null ? "" : `${reaction.toFixed(1)} s to react`;
}
