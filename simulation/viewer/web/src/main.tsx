/** The page: the list of scenarios, or the replay of one, as the address selects. */

import { render } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { addressOf, DEFAULT_GALLERY, DEFAULT_LIST, DEFAULT_REPLAY, firstView, GalleryView, ListView, ReplayView, View, viewOf } from "./address";
import { getDrive, getListing, getScene, idOf, isSaved, Listing, Row } from "./api";
import { LAYERS } from "./birdseye";
import { failuresIn, failuresOf, GalleryPage } from "./gallery";
import { columnKey, Group, groupsOf, ListPage } from "./list";
import { ReplayPage } from "./replay";
import "./style.css";

const THEME = "camber-theme";
/** Delay of address updates, which limits their rate. */
const SETTLE_MS = 250;

function App() {
  const [listing, setListing] = useState<Listing | null>(null);
  const [error, setError] = useState("");
  const [view, setView] = useState<View>(firstView);
  const [isHelpOpen, setHelpOpen] = useState(false);
  const [isDark, toggleDark] = useTheme();
  const listView = useRef<ListView>(view.page === "list" ? view : DEFAULT_LIST);
  const galleryView = useRef<GalleryView>(view.page === "gallery" ? view : DEFAULT_GALLERY);
  /** The page from which a replay was opened; a saved page has no list. */
  const overview = useRef<"list" | "gallery">(view.page === "gallery" || isSaved ? "gallery" : "list");
  const pendingUpdate = useRef(0);

  useEffect(() => {
    // Request the drive of the address before the list has arrived.
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
    if (next.page === "gallery") galleryView.current = next;
    if (next.page !== "replay") overview.current = next.page;
    clearTimeout(pendingUpdate.current);
    if (isNewPage) history.pushState(null, "", addressOf(next));
    else pendingUpdate.current = window.setTimeout(() => history.replaceState(null, "", addressOf(next)), SETTLE_MS);
  }, []);
  const latest = useRef(view);
  latest.current = view;
  const change = useCallback((part: Partial<ReplayView>) => {
    const next = { ...(latest.current as ReplayView), ...part };
    latest.current = next;
    show(next);
  }, [show]);

  const groups = useMemo(() => (listing ? overview.current === "gallery" ? failureGroups(listing, galleryView.current) : groupsOf(listing, listView.current) : []), [listing, view.page]);
  const numFailures = useMemo(() => (listing ? failuresOf(listing).length : 0), [listing]);
  /** A saved page of one scenario has no other page; that of the gallery has no list. */
  const openOverview = isSaved && numFailures < 2 ? null : () => show(overview.current === "gallery" ? galleryView.current : listView.current, true);
  const open = (rows: Row[]) => {
    const replay = view.page === "replay" ? view : DEFAULT_REPLAY;
    show({ ...replay, x: 0, y: 0, follow: true, track: "", t: 0, scenario: rows[0].scenario, drives: rows.map(idOf) }, view.page === "list");
  };
  const position = view.page === "replay" ? groups.findIndex((group) => group.scenario === view.scenario) : -1;
  const neighbour = (by: number): Row[] => {
    const group = groups[(position + by + groups.length) % groups.length];
    if (!group || view.page !== "replay" || !listing) return [];
    // The same planners in the next scenario, if they have drives of it.
    const columns = view.drives.map((id) => listing.rows.find((row) => idOf(row) === id)).filter((row) => row !== undefined).map(columnKey);
    const rows = columns.map((column) => group.rows.get(column)).filter((row) => row?.has_log) as Row[];
    return rows.length ? rows : [group.worst];
  };
  useEffect(() => {
    if (view.page !== "replay" || position < 0 || isSaved) return;
    const soon = setTimeout(() => neighbour(1).filter((row) => row.has_log).forEach((row) => {
      getDrive(idOf(row)).catch(() => undefined);
      getScene(idOf(row)).catch(() => undefined);
    }), 1500);
    return () => clearTimeout(soon);
  }, [position, view.page === "replay" ? view.drives.join() : ""]);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (/^(INPUT|SELECT|TEXTAREA)$/.test((event.target as HTMLElement).tagName)) return;
      if (event.key === "?") setHelpOpen((before) => !before);
      else if (event.key === "Escape") setHelpOpen(false);
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
        {listing && numFailures > 0 && !(isSaved && numFailures < 2) && (
          <nav class="pair">
            {!isSaved && <button class={view.page === "list" ? "on" : ""} onClick={() => show(listView.current, true)}>Scenarios</button>}
            <button id="open-gallery" class={view.page === "gallery" ? "on" : ""} onClick={() => show(galleryView.current, true)}>Failures <small>{numFailures}</small></button>
          </nav>
        )}
        <span class="where">{listing?.sources.map((source) => source.name).join("  ·  ")}</span>
        <span class="spring" />
        <button class="plain" onClick={toggleDark} aria-label="Light or dark" title="Light or dark">{isDark ? "☀" : "☾"}</button>
        <button class="plain" onClick={() => setHelpOpen(!isHelpOpen)} aria-label="Help" title="Help (?)">?</button>
      </header>
      {error && <p class="notice error" role="alert">{error}</p>}
      {!listing && !error && <p class="empty">Reading the results …</p>}
      {listing && view.page === "list" && <ListPage listing={listing} view={view} onView={(next) => show(next)} onOpen={open} />}
      {listing && view.page === "gallery" && <GalleryPage listing={listing} view={view} onView={(next) => show(next)} onOpen={(next) => show(next, true)} />}
      {listing && view.page === "replay" && (
        <ReplayPage listing={listing} view={view} isDark={isDark} onView={change} onStep={(by) => { const rows = neighbour(by); if (rows.length) open(rows); }}
          onList={openOverview} listTitle={overview.current === "gallery" ? "Failures" : "List"} position={position >= 0 && groups.length > 1 ? `${position + 1} / ${groups.length}` : ""} />
      )}
      {isHelpOpen && <Help onClose={() => setHelpOpen(false)} />}
    </>
  );
}

/** The filtered failures as rows of the list, one drive each, in the order of the gallery. */
function failureGroups(listing: Listing, view: GalleryView): Group[] {
  return failuresIn(listing, view).flatMap((card) => {
    const worst = listing.rows.find((row) => row.source === card.source && row.key === card.key);
    return worst ? [{ scenario: worst.scenario, type: worst.scenario_type, log: worst.log_name, rows: new Map([[columnKey(worst), worst]]), worst }] : [];
  });
}

function useTheme(): [boolean, () => void] {
  const [theme, setTheme] = useState(() => stored() ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  useEffect(() => { document.documentElement.dataset.theme = theme; }, [theme]);
  return [theme === "dark", () => {
    const next = theme === "dark" ? "light" : "dark";
    try { localStorage.setItem(THEME, next); } catch { /* Storage is blocked, for example in a saved page: the theme lasts until the page is closed. */ }
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
  ["← →", "one step back, forward; with Shift one second"],
  ["↓ ↑", "one second back, forward"],
  ["Home End", "first, last step"],
  ["[ ]", "previous, next scenario"],
  ["1 – 9, 0, P, U, G, E, T", LAYERS.map(({ key, title }) => `${key.toUpperCase()} ${title.toLowerCase()}`).join(", ")],
  ["F", "follow the ego; also a double click"],
  ["R", "heading of the ego up, or north up"],
  ["V", "three-dimensional view: drag rotates, Shift and drag moves"],
  ["M", "measure: click twice, or drag"],
  ["O", "overlay, side by side"],
  ["W, C", "curves, cameras"],
  ["+ −", "zoom; also the wheel"],
  ["Escape", "close, then open the list"],
  ["/", "search in the list"],
];

function Help({ onClose }: { onClose: () => void }) {
  return (
    <div class="dialog" role="dialog" aria-label="Help" onClick={onClose}>
      <div onClick={(event) => event.stopPropagation()}>
        <h3>Keys <button class="plain" aria-label="Close" onClick={onClose}>✕</button></h3>
        <dl>{KEYS.map(([key, what]) => <><dt><kbd>{key}</kbd></dt><dd>{what}</dd></>)}</dl>
        <p class="hint">Drag moves the view. A click on an agent opens its facts. Red marks on the time line are violations of metrics. The address holds the whole view: copy it to share it.</p>
      </div>
    </div>
  );
}

render(<App />, document.getElementById("app")!);
