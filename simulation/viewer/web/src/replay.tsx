/** The replay of one scenario: view, timeline, panel, curves, cameras. */

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ALL_LAYERS, addressOf, ReplayView } from "./address";
import { Event, getDrive, getScene, getWhy, idOf, isSaved, Listing, Row, savePage, saveVideo, Why } from "./answers";
import { LAYERS, Shown } from "./birdseye";
import { Cameras } from "./cameras";
import { Clock } from "./clock";
import { palette } from "./colors";
import { columnKey, columnsOf } from "./list";
import { aligned, Drive, Scene } from "./model";
import { AgentFacts, DriveChooser, ScoreTable, Sentences } from "./panel";
import { ScoreLegend } from "./legend";
import { Solid } from "./solid";
import { Stage } from "./stage";
import { Timeline } from "./timeline";
import { Curves, Judged } from "./why";
import { driveTitle, typeTitle } from "./words";

interface Props {
  listing: Listing;
  view: ReplayView;
  isDark: boolean;
  onView: (part: Partial<ReplayView>) => void;
  onStep: (by: number) => void;
  onList: () => void;
  position: string;
}

export const STEP_S = 0.1;
/** The address follows when the clock has stood still for so long. */
const SETTLE_MS = 200;

export function ReplayPage({ listing, view, isDark, onView, onStep, onList, position }: Props) {
  const colors = palette(isDark);
  const rows = useMemo(() => {
    const places = new Map(columnsOf(listing, true).map((column, i) => [column.key, column.isProbe ? 1000 + i : i]));
    const place = (row: Row) => places.get(columnKey(row)) ?? 0;
    return listing.rows.filter((row) => row.scenario === view.scenario).sort((a, b) => place(a) - place(b));
  }, [listing, view.scenario]);
  const chosen = useMemo(() => view.drives.map((id) => rows.find((row) => idOf(row) === id)).filter((row) => row !== undefined), [rows, view.drives.join()]);
  const ids = chosen.map(idOf);
  const { drives, scene, whys, errors } = useAnswers(chosen);
  const clock = useClock(drives, view, onView);
  const [measuring, setMeasuring] = useState(false);
  const [busy, setBusy] = useState("");
  const [flatReason, setFlatReason] = useState("");
  const isSolid = view.solid && !flatReason;
  const Shape = isSolid ? Solid : Stage;

  const shown: Shown[] = chosen.flatMap((row, i) => {
    const drive = drives.get(idOf(row));
    return drive ? [{ drive: scene ? aligned(drive, scene.origin) : drive, color: colors.drives[i] }] : [];
  });
  const judged: Judged[] = useMemo(() => chosen.map((row, i) => ({
    row, title: driveTitle(row, rows), color: colors.drives[i], why: whys.get(idOf(row)) ?? null, error: errors.get(idOf(row)) ?? "",
  })), [chosen, rows, whys, errors, colors]);

  const jump = useCallback((event: Event) => {
    clock.pause();
    clock.seek(event.t);
    onView({ t: event.t, follow: true, ...(event.track ? { track: event.track } : {}) });
  }, [clock, onView]);
  const share = { t: clock.seconds };
  useKeys({ clock, view, onView, onStep, onList, measuring, setMeasuring });

  const save = async (what: string, run: () => Promise<void>) => {
    setBusy(what);
    try {
      await run();
      setBusy("");
    } catch (error) {
      setBusy(`${what} failed: ${(error as Error).message}`);
    }
  };
  const first = chosen[0] ?? rows[0];
  const fileName = first ? `${first.type}_${first.scenario}` : "scenario";
  if (!rows.length) return <main class="replay-page"><p class="empty">No scenario {view.scenario} is shown here. <button class="link" onClick={onList}>Back to the list</button></p></main>;
  const panes = view.side && shown.length > 1 ? shown.map((one) => [one]) : [shown];
  const titles = chosen.map((row) => driveTitle(row, rows));
  const missing = errors.get("scene");
  return (
    <main class={`replay-page${view.why ? "" : " without-why"}`}>
      <div class="bar">
        {listing.rows.length > 1 && !isSaved && <button onClick={onList} title="Escape">← List</button>}
        {!isSaved && <span class="pair"><button onClick={() => onStep(-1)} title="Scenario before: [">[</button><button onClick={() => onStep(1)} title="Next scenario: ]">]</button></span>}
        <h1>{typeTitle(first?.type ?? "")}</h1>
        <small class="token" title={first?.log}>{view.scenario} {position}</small>
        <span class="spring" />
        {chosen.length > 1 && (
          <span class="pair">
            <button class={view.side ? "" : "on"} onClick={() => onView({ side: false })}>Overlay</button>
            <button class={view.side ? "on" : ""} onClick={() => onView({ side: true })}>Side by side</button>
          </span>
        )}
        <span class="pair">
          <button class={view.follow ? "on" : ""} title="F, or a double click" onClick={() => onView({ follow: true })}>Follow</button>
          <button class={view.egoUp ? "on" : ""} disabled={isSolid} title="R: the ego's heading points up" onClick={() => onView({ follow: true, egoUp: !view.egoUp })}>Ego up</button>
          <button class={measuring ? "on" : ""} disabled={isSolid} title="M: click twice, or drag" onClick={() => setMeasuring(!measuring)}>Measure</button>
        </span>
        <button class={view.solid ? "on" : ""} title="V: in three dimensions. Drag turns, with Shift it moves" onClick={() => onView({ solid: !view.solid })}>3D</button>
        <LayerMenu view={view} onView={onView} />
        <button class={view.why ? "on" : ""} title="W" onClick={() => onView({ why: !view.why })}>Why</button>
        {scene?.hasCameras && <button class={view.cameras ? "on" : ""} title="C" onClick={() => onView({ cameras: !view.cameras })}>Cameras</button>}
        {!isSaved && (
          <details class="menu" name="menus">
            <summary>Save</summary>
            <div>
              <button id="copy-link" onClick={() => { navigator.clipboard?.writeText(location.href); setBusy("The address is copied: it holds all that you see."); }}>Copy address</button>
              <button id="save-html" onClick={() => save("Saving the page", () => savePage(ids, addressOf({ ...view, ...share }).slice(1), fileName))}>Save as HTML</button>
              <button id="save-mp4" disabled={!chosen[0]?.planner} onClick={() => save("Filming", () => saveVideo(ids, "mp4", fileName))}>Save as MP4</button>
              <button id="save-gif" disabled={!chosen[0]?.planner} onClick={() => save("Filming", () => saveVideo(ids, "gif", fileName))}>Save as GIF</button>
            </div>
          </details>
        )}
      </div>
      {busy && <p class="notice" role="status">{busy}{busy.includes("copied") || busy.includes("failed") ? "" : " …"} <button class="plain" aria-label="Close" onClick={() => setBusy("")}>✕</button></p>}
      {view.solid && flatReason && <p class="notice" role="status">{flatReason} <i>Drawn from above.</i></p>}
      {missing && <p class="notice" role="status">{missing} <i>Drawn without a map.</i></p>}
      <div class="middle">
        <div class={`stages panes-${panes.length}`}>
          {panes.map((pane, i) => (
            <Shape key={`${panes.length}-${i}`} {...{ scene, drives: pane, clock, view, colors, measuring, onView }}
              title={panes.length > 1 ? titles[i] : ""} onMeasured={() => setMeasuring(false)} onMissing={setFlatReason}>
              {view.layers.includes("0") && pane[0]?.drive.candidates.scores.length > 0 && <ScoreLegend drive={pane[0].drive} {...{ clock, colors }} />}
            </Shape>
          ))}
          {!shown.length && <p class="empty over">{chosen.length ? errors.get(ids[0]) ?? "Loading …" : "This drive cannot be shown: choose another one on the right."}</p>}
        </div>
        <aside class="panel">
          <h3>Drives <small>{rows.length > 1 ? "click one, tick up to four" : ""}</small></h3>
          <DriveChooser rows={rows} chosen={ids} colors={colors} onChosen={(drives) => onView({ drives })} />
          {view.track && shown[0] && <AgentFacts shown={shown[0]} track={view.track} {...{ clock, colors, isDark }} onClose={() => onView({ track: "" })} />}
          {judged.length > 1 && <ScoreTable judged={judged} />}
          <Sentences judged={judged} onJump={jump} />
          {judged.length === 1 && <ScoreTable judged={judged} />}
          <Facts drive={shown[0]?.drive ?? null} scene={scene} row={chosen[0]} />
        </aside>
      </div>
      <Timeline clock={clock} judged={judged} onJump={jump} />
      {view.cameras && scene?.hasCameras && ids[0] && <Cameras id={ids[0]} {...{ clock, colors }} boxes={view.boxes} onBoxes={(boxes) => onView({ boxes })} onJump={(t) => clock.seek(t)} />}
      {view.why && <Curves judged={judged} clock={clock} colors={colors} isDark={isDark} />}
    </main>
  );
}

function LayerMenu({ view, onView }: { view: ReplayView; onView: (part: Partial<ReplayView>) => void }) {
  return (
    <details class="menu" name="menus">
      <summary>Layers</summary>
      <div>
        {LAYERS.map(({ key, title }) => (
          <label class="check">
            <input type="checkbox" checked={view.layers.includes(key)} onChange={() => onView({ layers: toggled(view.layers, key) })} />
            <kbd>{key}</kbd> {title}
          </label>
        ))}
      </div>
    </details>
  );
}

export function toggled(layers: string, key: string): string {
  return [...ALL_LAYERS].filter((one) => (one === key ? !layers.includes(key) : layers.includes(one))).join("");
}

function Facts({ drive, scene, row }: { drive: Drive | null; scene: Scene | null; row: Row | undefined }) {
  const notes = { ...(scene?.notes ?? {}), ...(drive?.notes ?? {}) };
  return (
    <details class="facts">
      <summary>About this scenario</summary>
      <dl>
        {row && <><dt>Log</dt><dd>{row.log}</dd></>}
        {drive && <><dt>Map</dt><dd>{drive.mapName}</dd><dt>Agents</dt><dd>{drive.numAgents}</dd><dt>Steps</dt><dd>{drive.numSteps}</dd></>}
        {Object.entries(notes).map(([name, text]) => <><dt>{name}</dt><dd>{text}</dd></>)}
      </dl>
    </details>
  );
}

interface Answers {
  drives: Map<string, Drive>;
  scene: Scene | null;
  whys: Map<string, Why>;
  errors: Map<string, string>;
}

/** Drives first, then the scene; curves are asked for when both are drawn, because judging takes longer. */
function useAnswers(chosen: Row[]): Answers {
  const [answers, setAnswers] = useState<Answers>({ drives: new Map(), scene: null, whys: new Map(), errors: new Map() });
  const key = chosen.map(idOf).join();
  useEffect(() => {
    let isCurrent = true;
    const ids = chosen.map(idOf);
    const set = (part: (before: Answers) => Partial<Answers>) => {
      if (isCurrent) setAnswers((before) => ({ ...before, ...part(before) }));
    };
    const fail = (name: string) => (error: Error) => set((before) => ({ errors: new Map(before.errors).set(name, error.message) }));
    set((before) => ({
      errors: new Map(), scene: before.scene?.scenario === chosen[0]?.scenario ? before.scene : null,
      drives: new Map([...before.drives].filter(([id]) => ids.includes(id))), whys: new Map([...before.whys].filter(([id]) => ids.includes(id))),
    }));
    const driven = ids.map((id) => getDrive(id).then((drive) => set((before) => ({ drives: new Map(before.drives).set(id, drive) })), fail(id)));
    const surroundings = ids.length ? getScene(ids[0]).then((scene) => set(() => ({ scene })), fail("scene")) : Promise.resolve();
    Promise.allSettled([...driven, surroundings]).then(async () => {
      await new Promise((done) => setTimeout(done, 60));
      for (const id of ids) {
        if (isCurrent) await getWhy(id).then((why) => set((before) => ({ whys: new Map(before.whys).set(id, why) })), fail(id));
      }
    });
    return () => { isCurrent = false; };
  }, [key]);
  return answers;
}

/** One clock for all views of a scenario; its time goes to the address when it stands still. */
function useClock(drives: Map<string, Drive>, view: ReplayView, onView: (part: Partial<ReplayView>) => void): Clock {
  const clock = useRef<{ of: string; clock: Clock } | null>(null);
  if (clock.current?.of !== view.scenario) {
    const fresh = new Clock();
    fresh.seconds = view.t;
    fresh.end = Math.max(view.t, 0.1);
    fresh.speed = clock.current?.clock.speed ?? 1;
    clock.current?.clock.pause();
    clock.current = { of: view.scenario, clock: fresh };
  }
  const end = Math.max(0, ...[...drives.values()].filter((drive) => drive.scenario === view.scenario).map((drive) => drive.ego.time[drive.numSteps - 1]));
  useEffect(() => { if (end > 0) clock.current!.clock.setEnd(end); }, [end, view.scenario]);
  // An address that was opened or pasted moves the clock; one that the clock wrote is where it stands already.
  useEffect(() => {
    const { clock: now } = clock.current!;
    if (!now.isPlaying && Math.abs(now.seconds - view.t) > 0.006) now.seek(view.t);
  }, [view.t]);
  useEffect(() => () => clock.current?.clock.pause(), []);
  useEffect(() => {
    const { clock: now } = clock.current!;
    let soon = 0;
    const stop = now.listen(() => {
      clearTimeout(soon);
      if (!now.isPlaying) soon = window.setTimeout(() => onView({ t: Math.round(now.seconds * 100) / 100 }), SETTLE_MS);
    });
    return () => { clearTimeout(soon); stop(); };
  }, [view.scenario]);
  return clock.current.clock;
}

function useKeys({ clock, view, onView, onStep, onList, measuring, setMeasuring }: {
  clock: Clock; view: ReplayView; onView: (part: Partial<ReplayView>) => void; onStep: (by: number) => void;
  onList: () => void; measuring: boolean; setMeasuring: (on: boolean) => void;
}) {
  const live = useRef({ clock, view, onView, onStep, onList, measuring, setMeasuring });
  live.current = { clock, view, onView, onStep, onList, measuring, setMeasuring };
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const now = live.current;
      const target = event.target as HTMLElement;
      if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && (target as HTMLInputElement).type !== "checkbox") return;
      const by = event.shiftKey ? 1 : STEP_S;
      const move = (seconds: number) => { now.clock.pause(); now.clock.seek(onGrid(seconds)); };
      const actions: Record<string, () => void> = {
        " ": () => now.clock.toggle(),
        ArrowLeft: () => move(now.clock.seconds - by),
        ArrowRight: () => move(now.clock.seconds + by),
        ArrowUp: () => move(now.clock.seconds + 1),
        ArrowDown: () => move(now.clock.seconds - 1),
        Home: () => move(0),
        End: () => move(now.clock.end),
        "[": () => now.onStep(-1),
        "]": () => now.onStep(1),
        f: () => now.onView({ follow: true, turn: now.view.follow ? now.view.turn : 0 }),
        v: () => now.onView({ solid: !now.view.solid }),
        r: () => now.onView({ follow: true, egoUp: !now.view.egoUp }),
        m: () => now.setMeasuring(!now.measuring),
        w: () => now.onView({ why: !now.view.why }),
        c: () => now.onView({ cameras: !now.view.cameras }),
        o: () => now.onView({ side: !now.view.side }),
        "+": () => now.onView({ zoom: Math.min(80, now.view.zoom * 1.25) }),
        "-": () => now.onView({ zoom: Math.max(0.6, now.view.zoom / 1.25) }),
        Escape: () => (now.measuring ? now.setMeasuring(false) : now.view.track ? now.onView({ track: "" }) : isSaved ? undefined : now.onList()),
      };
      const action = ALL_LAYERS.includes(event.key) ? () => now.onView({ layers: toggled(now.view.layers, event.key) }) : actions[event.key];
      if (!action) return;
      event.preventDefault();
      (document.activeElement as HTMLElement | null)?.blur();
      action();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}

function onGrid(seconds: number): number {
  return Math.round(seconds / STEP_S) * STEP_S;
}
