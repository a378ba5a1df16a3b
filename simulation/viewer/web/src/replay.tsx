/** The replay of one scenario: view, time line, panel, curves, cameras. */

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { addressOf, ALL_LAYERS, limited, MAX_DRIVES, ReplayView } from "./address";
import { Evaluation, getDrive, getEvaluation, getNotes, getScene, getVisible, idOf, isSaved, Listing, MetricEvent, Row, savePage, saveVideo, VisibleAgents } from "./api";
import { DrawnDrive, LAYERS } from "./birdseye";
import { Cameras } from "./cameras";
import { Clock } from "./clock";
import { palette } from "./colors";
import { Curves, SelectedDrive } from "./evaluation";
import { PerceptionLegend, ScoreLegend } from "./legend";
import { aligned, Drive, hasPerception, Scene } from "./model";
import { alignedNotes, Notes } from "./notes";
import { NotesLegend, NotesPanel } from "./notes_panel";
import { AgentFacts, DriveChooser, ScoreTable, Sentences } from "./panel";
import { selectDrives } from "./selection";
import { Stage } from "./stage";
import { Stage3d } from "./stage3d";
import { Timeline } from "./timeline";
import { MAX_ZOOM, MIN_ZOOM } from "./viewport";
import { driveTitle, typeTitle } from "./words";

interface Props {
  listing: Listing;
  view: ReplayView;
  isDark: boolean;
  onView: (part: Partial<ReplayView>) => void;
  onStep: (by: number) => void;
  /** Opens the page from which the replay was opened; absent where there is none. */
  onList: (() => void) | null;
  listTitle: string;
  position: string;
}

export const STEP_S = 0.1;
/** Time after which a paused clock is written to the address. */
const SETTLE_MS = 200;

/** A message below the toolbar. */
interface Notice {
  text: string;
  isPending: boolean;
}

const NO_NOTICE: Notice = { text: "", isPending: false };

export function ReplayPage({ listing, view, isDark, onView, onStep, onList, listTitle, position }: Props) {
  const colors = palette(isDark);
  const { rows, chosen, problem } = useMemo(() => selectDrives(listing, view), [listing, view.scenario, view.drives.join()]);
  const ids = chosen.map(idOf);
  const { drives, scene, notes: found, evaluations, visible, errors } = useAnswers(chosen, listing);
  const origin = scene?.origin ?? drives.get(ids[0])?.origin;
  const notes = useMemo(() => found && origin ? alignedNotes(found, origin) : null, [found, origin?.join()]);
  const [notice, setNotice] = useState(NO_NOTICE);
  const warn = useCallback((text: string) => setNotice((before) => ({ text: before.isPending ? text : `${before.text} ${text}`.trim(), isPending: false })), []);
  const clock = useClock(drives, view, onView, warn);
  const [measuring, setMeasuring] = useState(false);
  const [reasonNo3d, setReasonNo3d] = useState("");
  const isSolid = view.solid && !reasonNo3d;
  const Canvas = isSolid ? Stage3d : Stage;
  useEffect(() => {
    if (problem) warn(problem);
    if (chosen.length && ids.join() !== view.drives.join()) onView({ drives: ids });
  }, [problem, ids.join(), view.drives.join()]);
  useEffect(() => () => setNotice(NO_NOTICE), [view.scenario]);

  const drawn: DrawnDrive[] = chosen.flatMap((row, i) => {
    const drive = drives.get(idOf(row));
    return drive ? [{ drive: scene ? aligned(drive, scene.origin) : drive, color: colors.drives[i], visible: visible.get(idOf(row)) ?? null }] : [];
  });
  const selected: SelectedDrive[] = useMemo(() => chosen.map((row, i) => ({
    row, title: driveTitle(row, rows), color: colors.drives[i], evaluation: evaluations.get(idOf(row)) ?? null, error: errors.get(idOf(row)) ?? "",
  })), [chosen, rows, evaluations, errors, colors]);

  const jump = useCallback((event: MetricEvent) => {
    clock.pause();
    clock.seek(event.time_s);
    onView({ t: event.time_s, follow: true, ...(event.track ? { track: event.track } : {}) });
  }, [clock, onView]);
  useKeys({ clock, view, onView, onStep, onList, measuring, setMeasuring });

  if (!rows.length) {
    return (
      <main class="replay-page">
        <p class="empty" role="alert">
          {view.scenario ? `The viewer has no scenario ${view.scenario}.` : "The address names no scenario."}{" "}
          {onList && <button class="link" onClick={onList}>Open the list of scenarios</button>}
        </p>
      </main>
    );
  }
  const first = chosen[0];
  const panes = view.side && drawn.length > 1 ? drawn.map((one) => [one]) : [drawn];
  const titles = chosen.map((row) => driveTitle(row, rows));
  const noMap = errors.get("scene");
  const hasImages = !!scene?.hasCameras || !!drives.get(ids[0])?.hasCameras;
  const current = { ...view, drives: ids, t: clock.seconds };
  return (
    <main class={`replay-page${view.curves ? "" : " without-curves"}`}>
      <div class="bar">
        {listing.rows.length > 1 && onList && <button onClick={onList} title="Escape">← {listTitle}</button>}
        {(!isSaved || position) && <span class="pair"><button onClick={() => onStep(-1)} title="Previous scenario ([)">[</button><button onClick={() => onStep(1)} title="Next scenario (])">]</button></span>}
        <h1>{typeTitle(first.scenario_type)}</h1>
        <small class="token" title={first.log_name}>{view.scenario} {position}</small>
        <span class="spring" />
        {chosen.length > 1 && (
          <span class="pair">
            <button class={view.side ? "" : "on"} onClick={() => onView({ side: false })}>Overlay</button>
            <button class={view.side ? "on" : ""} onClick={() => onView({ side: true })}>Side by side</button>
          </span>
        )}
        <span class="pair">
          <button class={view.follow ? "on" : ""} title="Follow the ego (F, or a double click)" onClick={() => onView({ follow: true })}>Follow</button>
          <button class={view.egoUp ? "on" : ""} disabled={isSolid} title="Heading of the ego up (R)" onClick={() => onView({ follow: true, egoUp: !view.egoUp })}>Ego up</button>
          <button class={measuring ? "on" : ""} disabled={isSolid} title="Measure a distance: click twice, or drag (M)" onClick={() => setMeasuring(!measuring)}>Measure</button>
        </span>
        <button class={view.solid ? "on" : ""} title="Three-dimensional view (V): drag rotates, Shift and drag moves" onClick={() => onView({ solid: !view.solid })}>3D</button>
        <LayerMenu view={view} onView={onView} />
        <button class={view.curves ? "on" : ""} title="Charts of the metrics (W)" onClick={() => onView({ curves: !view.curves })}>Curves</button>
        {hasImages && <button class={view.cameras ? "on" : ""} title="Camera images (C)" onClick={() => onView({ cameras: !view.cameras })}>Cameras</button>}
        {scene && !hasImages && (view.rendered || (!isSaved && chosen.length === 1)) && <button class={view.rendered ? "on" : ""} title="Render the cameras of the ego in this drive" onClick={() => onView({ rendered: !view.rendered })}>Cameras</button>}
        {!isSaved && <SaveMenu row={first} view={current} setNotice={setNotice} />}
      </div>
      {notice.text && (
        <p class="notice" role="status">
          {notice.text}{notice.isPending ? " …" : ""} <button class="plain" aria-label="Close" onClick={() => setNotice(NO_NOTICE)}>✕</button>
        </p>
      )}
      {view.solid && reasonNo3d && <p class="notice" role="status">{reasonNo3d} <i>Drawn from above.</i></p>}
      {noMap && <p class="notice" role="status">{noMap} <i>Drawn without a map.</i></p>}
      <div class="middle">
        <div class={`stages panes-${panes.length}`}>
          {panes.map((pane, i) => (
            <Canvas key={`${panes.length}-${i}`} {...{ scene, drives: pane, notes, clock, view, colors, measuring, onView }}
              title={panes.length > 1 ? titles[i] : ""} onMeasured={() => setMeasuring(false)} onMissing={setReasonNo3d}>
              <div class="legends">
                {notes && i === 0 && <NotesLegend {...{ notes, colors, isSolid }} layers={view.layers} />}
                {view.layers.includes("p") && pane[0] && hasPerception(pane[0].drive) && <PerceptionLegend drawn={pane[0]} {...{ clock, colors }} />}
                {view.layers.includes("0") && pane[0]?.drive.candidates.scores.length > 0 && <ScoreLegend drive={pane[0].drive} {...{ clock, colors }} />}
              </div>
            </Canvas>
          ))}
          {!drawn.length && <p class="empty over">{errors.get(ids[0]) ?? "Loading …"}</p>}
        </div>
        <aside class="panel">
          <h3>Drives <small>{rows.length > 1 ? `click to open one, tick up to ${MAX_DRIVES}` : ""}</small></h3>
          <DriveChooser rows={rows} chosen={ids} colors={colors} onChosen={(drives) => onView({ drives })} />
          {notes && <NotesPanel notes={notes} onJump={(t, track) => { clock.pause(); clock.seek(t); onView({ t, follow: true, track }); }} />}
          {view.track && drawn[0] && <AgentFacts drawn={drawn[0]} rarity={notes?.rarity.get(view.track)} track={view.track} {...{ clock, colors }} onClose={() => onView({ track: "" })} />}
          {selected.length > 1 && <ScoreTable selected={selected} />}
          <Sentences selected={selected} onJump={jump} />
          {selected.length === 1 && <ScoreTable selected={selected} />}
          <Facts drive={drawn[0]?.drive ?? null} scene={scene} row={first} />
        </aside>
      </div>
      <Timeline {...{ clock, selected, notes }} onJump={jump} />
      {(hasImages ? view.cameras : scene && view.rendered) && <Cameras id={ids[0]} {...{ clock, colors }} boxes={view.boxes} perceived={view.layers.includes("p")} onBoxes={(boxes) => onView({ boxes })} onJump={(t) => clock.seek(t)} />}
      {view.curves && <Curves selected={selected} clock={clock} colors={colors} />}
    </main>
  );
}

function SaveMenu({ row, view, setNotice }: { row: Row; view: ReplayView; setNotice: (notice: Notice) => void }) {
  const fileName = `${row.scenario_type}_${row.scenario}`;
  const save = async (what: string, run: () => Promise<void>) => {
    setNotice({ text: what, isPending: true });
    try {
      await run();
      setNotice(NO_NOTICE);
    } catch (error) {
      setNotice({ text: `${what} failed: ${(error as Error).message}`, isPending: false });
    }
  };
  const copy = async () => {
    await navigator.clipboard?.writeText(location.href);
    setNotice({ text: "The address was copied; it holds the whole view.", isPending: false });
  };
  return (
    <details class="menu" name="menus">
      <summary>Save</summary>
      <div>
        <button id="copy-link" onClick={copy}>Copy address</button>
        <button id="save-html" onClick={() => save("Saving the page", () => savePage(view.drives, addressOf(view).slice(1), fileName))}>Save as HTML</button>
        <button id="save-mp4" disabled={!row.planner} onClick={() => save("Encoding the video", () => saveVideo(view.drives, "mp4", fileName))}>Save as MP4</button>
        <button id="save-gif" disabled={!row.planner} onClick={() => save("Encoding the video", () => saveVideo(view.drives, "gif", fileName))}>Save as GIF</button>
      </div>
    </details>
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

function Facts({ drive, scene, row }: { drive: Drive | null; scene: Scene | null; row: Row }) {
  const notes = { ...(scene?.notes ?? {}), ...(drive?.notes ?? {}) };
  return (
    <details class="facts">
      <summary>About this scenario</summary>
      <dl>
        <dt>Log</dt><dd>{row.log_name}</dd>
        {drive && <><dt>Map</dt><dd>{drive.mapName}</dd><dt>Agents</dt><dd>{drive.numAgents}</dd><dt>Steps</dt><dd>{drive.numSteps}</dd></>}
        {Object.entries(notes).map(([name, text]) => <><dt>{name}</dt><dd>{text}</dd></>)}
      </dl>
    </details>
  );
}

interface Answers {
  drives: Map<string, Drive>;
  scene: Scene | null;
  /** Of the scenario of the first drive. */
  notes: Notes | null;
  evaluations: Map<string, Evaluation>;
  /** Agents that the cameras show, of drives on perceived input. */
  visible: Map<string, VisibleAgents>;
  /** Sentences by drive id, and under `scene`. */
  errors: Map<string, string>;
}

/** Requests drives and scene first and evaluations after them, because computing the metrics takes longer. */
function useAnswers(chosen: Row[], listing: Listing): Answers {
  const [answers, setAnswers] = useState<Answers>({ drives: new Map(), scene: null, notes: null, evaluations: new Map(), visible: new Map(), errors: new Map() });
  const key = chosen.map(idOf).join();
  useEffect(() => {
    let isCurrent = true;
    const ids = chosen.filter((row) => row.has_log).map(idOf);
    const set = (part: (before: Answers) => Partial<Answers>) => {
      if (isCurrent) setAnswers((before) => ({ ...before, ...part(before) }));
    };
    const fail = (name: string) => (error: Error) => set((before) => ({ errors: new Map(before.errors).set(name, error.message) }));
    set((before) => ({
      errors: new Map(chosen.filter((row) => !row.has_log).map((row) => [idOf(row), row.reason || "This drive has no simulation log."])),
      scene: before.scene?.scenario === chosen[0]?.scenario ? before.scene : null,
      notes: before.notes?.scenario === chosen[0]?.scenario ? before.notes : null,
      drives: new Map([...before.drives].filter(([id]) => ids.includes(id))),
      evaluations: new Map([...before.evaluations].filter(([id]) => ids.includes(id))),
      visible: new Map([...before.visible].filter(([id]) => ids.includes(id))),
    }));
    const driven = ids.map((id) => getDrive(id).then((drive) => set((before) => ({ drives: new Map(before.drives).set(id, drive) })), fail(id)));
    const surroundings = ids.length ? getScene(ids[0]).then((scene) => set(() => ({ scene })), fail("scene")) : Promise.resolve();
    const isNoted = ids.length > 0 && listing.notes.some(({ source, scenario }) => source === chosen[0].source && scenario === chosen[0].scenario);
    if (isNoted) getNotes(ids[0]).then((notes) => set(() => ({ notes })), fail("notes"));
    Promise.allSettled([...driven, surroundings]).then(async () => {
      await new Promise((done) => setTimeout(done, 60));
      for (const id of ids) {
        if (isCurrent) await getEvaluation(id).then((found) => set((before) => ({ evaluations: new Map(before.evaluations).set(id, found) })), fail(id));
      }
      for (const id of ids) {
        // Without an answer, all agents count as visible.
        const answer = getDrive(id).then((drive) => (isCurrent && hasPerception(drive) ? getVisible(id) : null));
        await answer.then((found) => found && set((before) => ({ visible: new Map(before.visible).set(id, found) })), () => undefined);
      }
    });
    return () => { isCurrent = false; };
  }, [key]);
  return answers;
}

/** One clock for all views of a scenario; its time is written to the address while it is paused. */
function useClock(
  drives: Map<string, Drive>, view: ReplayView, onView: (part: Partial<ReplayView>) => void, warn: (text: string) => void,
): Clock {
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
  const checked = useRef(0);
  useEffect(() => {
    if (end <= 0 || checked.current === view.t) return;
    checked.current = view.t;
    if (view.t > end + STEP_S / 2) warn(`The drive ends at ${end.toFixed(1)} s; the address names ${view.t} s.`);
  }, [view.t, end]);
  // An opened or pasted address moves the clock; an address that the clock wrote already agrees with it.
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
  onList: (() => void) | null; measuring: boolean; setMeasuring: (on: boolean) => void;
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
        w: () => now.onView({ curves: !now.view.curves }),
        c: () => now.onView({ cameras: !now.view.cameras }),
        o: () => now.onView({ side: !now.view.side }),
        "+": () => now.onView({ zoom: limited(now.view.zoom * 1.25, MIN_ZOOM, MAX_ZOOM) }),
        "-": () => now.onView({ zoom: limited(now.view.zoom / 1.25, MIN_ZOOM, MAX_ZOOM) }),
        Escape: () => (now.measuring ? now.setMeasuring(false) : now.view.track ? now.onView({ track: "" }) : now.onList?.()),
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
