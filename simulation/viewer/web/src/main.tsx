/** The page: a list of scenarios and the replay of one; the address says which. */

import { render } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { addressOf, DEFAULT_LIST, DEFAULT_REPLAY, firstView, ListView, ReplayView, View, viewOf } from "./address";
import { getDrive, getListing, getScene, idOf, isSaved, Listing, Row } from "./answers";
import { columnKey, groupsOf, ListPage } from "./list";
import { LAYERS } from "./birdseye";
import { ReplayPage } from "./replay";
import "./style.css";

const THEME = "camber-theme";
/** Time in the address follows the clock after so long, so that playing does not flood the history. */
const SETTLE_MS = 250;

function App() {
  const [listing, setListing] = useState<Listing | null>(null);
  const [error, setError] = useState("");
  const [view, setView] = useState<View>(firstView);
  const [helps, setHelps] = useState(false);
  const [isDark, toggleDark] = useTheme();
  const listView = useRef<ListView>(view.page === "list" ? view : DEFAULT_LIST);
  const wanted = useRef(0);

  useEffect(() => {
    // The drive of the address is on its way before the list is there.
    if (view.page === "replay" && view.drives[0]) {
      getDrive(view.drives[0]).catch(() => undefined);
      getScene(view.drives[0]).catch(() => undefined);
    }
    getListing().then(setListing, (problem) => setError(problem.message));
    const change = () => setView(viewOf(location.hash));
    window.addEventListener("hashchange", change);
    return () => window.removeEventListener("hashchange", change);
  }, []);

  const show = useCallback((next: View, isNewPage = false) => {
    setView(next);
    if (next.page === "list") listView.current = next;
    clearTimeout(wanted.current);
    if (isNewPage) history.pushState(null, "", addressOf(next));
    else wanted.current = window.setTimeout(() => history.replaceState(null, "", addressOf(next)), SETTLE_MS);
  }, []);
  const latest = useRef(view);
  latest.current = view;
  const change = useCallback((part: Partial<ReplayView>) => {
    const next = { ...(latest.current as ReplayView), ...part };
    latest.current = next;
    show(next);
  }, [show]);

  const groups = useMemo(() => (listing ? groupsOf(listing, listView.current) : []), [listing, view.page]);
  const open = (rows: Row[]) => {
    const replay = view.page === "replay" ? view : DEFAULT_REPLAY;
    show({ ...replay, x: 0, y: 0, follow: true, track: "", t: 0, scenario: rows[0].scenario, drives: rows.filter((row) => row.hasLog).map(idOf) }, view.page === "list");
  };
  const place = view.page === "replay" ? groups.findIndex((group) => group.scenario === view.scenario) : -1;
  const neighbour = (by: number): Row[] => {
    const group = groups[(place + by + groups.length) % groups.length];
    if (!group || view.page !== "replay" || !listing) return [];
    // The same planners in the next scenario, as far as they drove it.
    const columns = view.drives.map((id) => listing.rows.find((row) => idOf(row) === id)).filter((row) => row !== undefined).map(columnKey);
    const rows = columns.map((column) => group.rows.get(column)).filter((row) => row?.hasLog) as Row[];
    return rows.length ? rows : [group.worst];
  };
  useEffect(() => {
    if (view.page !== "replay" || place < 0 || isSaved) return;
    const soon = setTimeout(() => neighbour(1).filter((row) => row.hasLog).forEach((row) => {
      getDrive(idOf(row)).catch(() => undefined);
      getScene(idOf(row)).catch(() => undefined);
    }), 1500);
    return () => clearTimeout(soon);
  }, [place, view.page === "replay" ? view.drives.join() : ""]);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (/^(INPUT|SELECT|TEXTAREA)$/.test((event.target as HTMLElement).tagName)) return;
      if (event.key === "?") setHelps((before) => !before);
      else if (event.key === "Escape") setHelps(false);
      else if (event.key === "/" && latest.current.page === "list") {
        event.preventDefault();
        document.getElementById("filter-text")?.focus();
      }
    };
    window.addEventListener("keydown", press, true);
    return () => window.removeEventListener("keydown", press, true);
  }, []);
  useEffect(() => {
    if (!isSaved) document.title = view.page === "replay" ? `${view.scenario} · camber` : "camber";
  }, [view]);

  return (
    <>
      <header>
        <a class="brand" href={isSaved ? undefined : "#list"} onClick={(event) => { event.preventDefault(); if (!isSaved) show(listView.current, true); }}>camber</a>
        <span class="where">{listing?.sources.map((source) => source.name).join("  ·  ")}</span>
        <span class="spring" />
        <button class="plain" onClick={toggleDark} aria-label="Light or dark" title="Light or dark">{isDark ? "☀" : "☾"}</button>
        <button class="plain" onClick={() => setHelps(!helps)} aria-label="Help" title="Help: ?">?</button>
      </header>
      {error && <p class="notice error" role="alert">{error}</p>}
      {!listing && !error && <p class="empty">Reading the results …</p>}
      {listing && view.page === "list" && <ListPage listing={listing} view={view} onView={(next) => show(next)} onOpen={open} />}
      {listing && view.page === "replay" && (
        <ReplayPage listing={listing} view={view} isDark={isDark} onView={change} onStep={(by) => { const rows = neighbour(by); if (rows.length) open(rows); }}
          onList={() => show(listView.current, true)} position={place >= 0 && groups.length > 1 ? `${place + 1} / ${groups.length}` : ""} />
      )}
      {helps && <Help onClose={() => setHelps(false)} />}
    </>
  );
}

function useTheme(): [boolean, () => void] {
  const [theme, setTheme] = useState(() => stored() ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  useEffect(() => { document.documentElement.dataset.theme = theme; }, [theme]);
  return [theme === "dark", () => {
    const next = theme === "dark" ? "light" : "dark";
    try { localStorage.setItem(THEME, next); } catch { /* A saved page may not store anything; the choice lasts as long as it is open. */ }
    setTheme(next);
  }];
}

function stored(): string | null {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}

const KEYS: [string, string][] = [
  ["Space", "play, pause"],
  ["← →", "one step back, on; with Shift one second"],
  ["↓ ↑", "one second back, on"],
  ["Home End", "first, last step"],
  ["[ ]", "scenario before, next scenario"],
  ["1 – 9, 0", LAYERS.map(({ key, title }) => `${key} ${title.toLowerCase()}`).join(", ")],
  ["F", "follow the ego again; also a double click"],
  ["R", "the ego's heading up, or north up"],
  ["V", "in three dimensions: drag turns, with Shift it moves"],
  ["M", "measure: click twice, or drag"],
  ["O", "overlay, side by side"],
  ["W, C", "curves, cameras"],
  ["+ −", "zoom; also the wheel"],
  ["Escape", "close, then back to the list"],
  ["/", "search in the list"],
];

function Help({ onClose }: { onClose: () => void }) {
  return (
    <div class="dialog" role="dialog" aria-label="Help" onClick={onClose}>
      <div onClick={(event) => event.stopPropagation()}>
        <h3>Keys <button class="plain" aria-label="Close" onClick={onClose}>✕</button></h3>
        <dl>{KEYS.map(([key, what]) => <><dt><kbd>{key}</kbd></dt><dd>{what}</dd></>)}</dl>
        <p class="hint">Drag moves the view, a click on an agent shows its facts, red marks on the time line are where points were lost. All that you see is in the address: copy it to share it.</p>
      </div>
    </div>
  );
}

render(<App />, document.getElementById("app")!);
