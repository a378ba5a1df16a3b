/** The list: one row per scenario, one column per planner; only visible rows are built. */

import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
import { DEFAULT_LIST, ListView } from "./address";
import { idOf, isSaved, Listing, Row, thumbnailUrl } from "./api";
import { grade, metricTitle, resultText, trafficTitle, typeTitle } from "./words";

const ROW_PX = 64;

export interface Column {
  key: string;
  planner: string;
  traffic: string;
  source: string;
  isProbe: boolean;
}

export interface Group {
  scenario: string;
  type: string;
  log: string;
  rows: Map<string, Row>;
  worst: Row;
}

/** Key of a drive's column. */
export function columnKey(row: Row): string {
  return `${row.source}/${row.planner}/${row.traffic}`;
}

export function columnsOf(listing: Listing, probes: boolean): Column[] {
  const found = new Map<string, Column>();
  const order = new Map<string, number>();
  listing.sources.forEach((source, sourceIndex) => {
    const planners: string[] = source.run?.settings?.planners ?? [];
    planners.forEach((name, i) => order.set(`${source.name}/${name}`, sourceIndex * 1000 + i));
  });
  for (const row of listing.rows) {
    const key = columnKey(row);
    if (found.has(key)) continue;
    const source = listing.sources.find((one) => one.name === row.source);
    const isProbe = Boolean(source?.run?.probes?.includes(row.planner));
    found.set(key, { key, planner: row.planner, traffic: row.traffic, source: row.source, isProbe });
  }
  const rank = (column: Column) => order.get(`${column.source}/${column.planner}`) ?? 1e6;
  return [...found.values()]
    .filter((column) => probes || !column.isProbe)
    .sort((a, b) => rank(a) - rank(b) || a.key.localeCompare(b.key));
}

/** The first of the rows with the lowest sort score. */
export function worstOf(rows: Row[]): Row {
  return rows.reduce((worst, row) => (row.sort_score < worst.sort_score ? row : worst));
}

/** Scenarios that pass the filters, sorted; drives of hidden columns are left out. */
export function groupsOf(listing: Listing, view: ListView): Group[] {
  const columns = new Set(columnsOf(listing, view.probes).map((column) => column.key));
  const groups = new Map<string, Group>();
  for (const row of listing.rows) {
    const key = columnKey(row);
    if (!columns.has(key)) continue;
    const id = row.scenario;
    const group = groups.get(id);
    if (!group) groups.set(id, { scenario: row.scenario, type: row.scenario_type, log: row.log_name, rows: new Map([[key, row]]), worst: row });
    else {
      group.rows.set(key, row);
      group.type ||= row.scenario_type;
      group.log ||= row.log_name;
    }
  }
  const words = view.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found: Group[] = [];
  for (const group of groups.values()) {
    const rows = [...group.rows.values()].filter((row) => passes(row, view));
    if (!rows.length) continue;
    if (view.type && group.type !== view.type) continue;
    if (view.log && group.log !== view.log) continue;
    if (words.length) {
      const text = [group.type, group.type.replaceAll("_", " "), group.scenario, group.log, ...rows.flatMap((row) => [row.planner, row.reason, ...row.reasons.map((reason) => reason.text)])].join(" ").toLowerCase();
      if (!words.every((word) => text.includes(word))) continue;
    }
    group.worst = worstOf(rows);
    found.push(group);
  }
  return found.sort(order(view.sort));
}

function passes(row: Row, view: ListView): boolean {
  if (view.planner && row.planner !== view.planner) return false;
  if (view.metric && !row.reasons.some((reason) => reason.metric === view.metric)) return false;
  if (view.below === "failed") return row.status === "failed" || row.status === "damaged";
  if (view.below && !((row.score ?? 0) < Number(view.below))) return false;
  return true;
}

function order(sort: string): (a: Group, b: Group) => number {
  const descending = sort.startsWith("-");
  const key = sort.replace(/^-/, "");
  const sign = descending ? -1 : 1;
  const tie = (a: Group, b: Group) => a.scenario.localeCompare(b.scenario);
  if (key === "type") return (a, b) => sign * a.type.localeCompare(b.type) || tie(a, b);
  if (key === "log") return (a, b) => sign * a.log.localeCompare(b.log) || tie(a, b);
  if (key === "worst") return (a, b) => sign * (a.worst.sort_score - b.worst.sort_score) || tie(a, b);
  const score = (group: Group) => group.rows.get(key)?.sort_score ?? 3;
  return (a, b) => sign * (score(a) - score(b)) || tie(a, b);
}

interface Props {
  listing: Listing;
  view: ListView;
  onView: (view: ListView) => void;
  onOpen: (rows: Row[]) => void;
}

export function ListPage({ listing, view, onView, onOpen }: Props) {
  const columns = useMemo(() => columnsOf(listing, view.probes), [listing, view.probes]);
  const groups = useMemo(() => groupsOf(listing, view), [listing, view]);
  useLayoutEffect(() => { performance.mark("camber-list"); }, []);
  const hasProbes = listing.sources.some((source) => source.run?.probes?.length);
  return (
    <main class="list-page">
      <Notices listing={listing} />
      <Filters listing={listing} view={view} onView={onView} hasProbes={hasProbes} count={groups.length} />
      {listing.rows.length > 0 && <Table {...{ columns, groups, view, onView, onOpen, hasSources: listing.sources.length > 1 }} />}
      {listing.rows.length > 0 && !groups.length && (
        <p class="empty">No scenario passes these filters. <button class="link" onClick={() => onView({ ...DEFAULT_LIST, sort: view.sort })}>Clear the filters</button></p>
      )}
    </main>
  );
}

function Notices({ listing }: { listing: Listing }) {
  return (
    <>
      {listing.sources.flatMap((source) =>
        [...(source.error ? [source.error] : []), ...source.notices].map((text) => (
          <p class={source.error === text ? "notice error" : "notice"} role="status">
            <b>{source.name}</b> {text}
          </p>
        )),
      )}
    </>
  );
}

function Filters({ listing, view, onView, hasProbes, count }: {
  listing: Listing; view: ListView; onView: (view: ListView) => void; hasProbes: boolean; count: number;
}) {
  const choices = useMemo(() => ({
    type: unique(listing.rows.map((row) => row.scenario_type)),
    log: unique(listing.rows.map((row) => row.log_name)),
    planner: unique(listing.rows.map((row) => row.planner)),
    metric: unique(listing.rows.flatMap((row) => row.reasons.map((reason) => reason.metric))),
  }), [listing]);
  const change = (part: Partial<ListView>) => onView({ ...view, ...part });
  const select = (name: "type" | "log" | "planner" | "metric", title: string, text: (value: string) => string) =>
    choices[name].length > 1 || (name === "metric" && choices.metric.length > 0) ? (
      <select aria-label={title} id={`filter-${name}`} value={view[name]} onChange={(event) => change({ [name]: event.currentTarget.value })}>
        <option value="">{title}</option>
        {choices[name].map((value) => <option value={value}>{text(value)}</option>)}
      </select>
    ) : null;
  return (
    <div class="filters">
      <input id="filter-text" type="search" placeholder="Search type, id, log, sentence …" value={view.text}
        onInput={(event) => change({ text: event.currentTarget.value })} />
      {select("type", "Any type", typeTitle)}
      {select("log", "Any log", (value) => value)}
      {select("planner", "Any planner", (value) => value)}
      {choices.metric.length > 0 && (
        <select aria-label="Score" id="filter-below" value={view.below} onChange={(event) => change({ below: event.currentTarget.value })}>
          <option value="">Any score</option>
          <option value="1">below 1</option>
          <option value="0.9">below 0.9</option>
          <option value="0.5">below 0.5</option>
          <option value="0.001">0</option>
          <option value="failed">failed</option>
        </select>
      )}
      {select("metric", "Any lost metric", metricTitle)}
      {hasProbes && (
        <label class="check" title="Degenerate planners: a metric in which they score well can be gamed">
          <input type="checkbox" checked={view.probes} onChange={(event) => change({ probes: event.currentTarget.checked })} /> probes
        </label>
      )}
      <span class="count" id="count">{count} scenario{count === 1 ? "" : "s"}</span>
    </div>
  );
}

function unique(values: string[]): string[] {
  return [...new Set(values)].filter(Boolean).sort();
}

function Table({ columns, groups, view, onView, onOpen, hasSources }: {
  columns: Column[]; groups: Group[]; view: ListView; onView: (view: ListView) => void;
  onOpen: (rows: Row[]) => void; hasSources: boolean;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useRows(scroller, groups.length);
  const traffics = new Set(columns.map((column) => column.traffic)).size > 1;
  const isDriven = columns.some((column) => column.planner);
  const scoreColumns = isDriven ? columns : [];
  const grid = { gridTemplateColumns: `${isSaved ? "" : "112px "}minmax(190px, 1.2fr) minmax(130px, 1fr) ${scoreColumns.map(() => "minmax(76px, 112px)").join(" ")} ${isDriven ? "minmax(220px, 2.4fr)" : ""}` };
  const sortBy = (key: string) => onView({ ...view, sort: view.sort === key ? `-${key}` : key });
  const mark = (key: string) => (view.sort === key ? " ▲" : view.sort === `-${key}` ? " ▼" : "");
  const head = (key: string, title: preact.ComponentChildren, name = "") => (
    <button class={`head ${name}`} onClick={() => sortBy(key)} data-sort={key}>{title}{mark(key)}</button>
  );
  return (
    <div class="table" ref={scroller} tabIndex={0}>
      <div class="row header" style={grid}>
        {!isSaved && <span />}
        {head("type", "Scenario")}
        {head("log", "Log")}
        {scoreColumns.map((column) => head(column.key, (
          <span title={`${column.planner}, ${trafficTitle(column.traffic)}, ${column.source}`}>
            {column.planner}
            {traffics && <small>{trafficTitle(column.traffic)}</small>}
            {hasSources && <small>{column.source}</small>}
          </span>
        ), "score-head"))}
        {isDriven && head("worst", "Worst first: lost metrics")}
      </div>
      <div style={{ height: `${virtual.total}px`, position: "relative" }}>
        {virtual.items.map(({ index, start }) => {
          const group = groups[index];
          return group && (
            <GroupRow key={group.scenario} {...{ group, columns: scoreColumns, grid, onOpen, top: start }} />
          );
        })}
      </div>
    </div>
  );
}

function GroupRow({ group, columns, grid, onOpen, top }: {
  group: Group; columns: Column[]; grid: { gridTemplateColumns: string }; onOpen: (rows: Row[]) => void; top: number;
}) {
  const { worst } = group;
  const open = () => onOpen([worst]);
  return (
    <div class="row item" style={{ ...grid, transform: `translateY(${top}px)` }} onClick={open} data-scenario={group.scenario}>
      {!isSaved && <Thumbnail row={worst} />}
      <span class="what">
        <a href="#" onClick={(event) => event.preventDefault()}>{typeTitle(group.type)}</a>
        <small>{group.scenario}</small>
      </span>
      <small class="log" title={group.log}>{group.log}</small>
      {columns.map((column) => {
        const row = group.rows.get(column.key);
        if (!row) return <span class="score none">·</span>;
        return (
          <button class={`score ${grade(row)}`} title={row.reason || row.reasons.map((reason) => reason.text).join("\n")}
            onClick={(event) => { event.stopPropagation(); onOpen([row]); }}>{resultText(row)}</button>
        );
      })}
      {columns.length > 0 && <Reason row={worst} hasPlanners={columns.length > 1} />}
    </div>
  );
}

function Reason({ row, hasPlanners }: { row: Row; hasPlanners: boolean }) {
  const isBroken = row.status === "damaged" || row.status === "failed";
  const text = row.reason || row.reasons[0]?.text || "";
  return (
    <span class={isBroken ? "reason broken-text" : "reason"} title={text}>
      {hasPlanners && text && <b>{row.planner}: </b>}
      {text}
      {!row.reason && row.reasons.length > 1 && <small> +{row.reasons.length - 1}</small>}
    </span>
  );
}

function Thumbnail({ row }: { row: Row }) {
  const [isGone, setGone] = useState(false);
  if (!row.has_log || isGone) return <span class="thumbnail none" />;
  return <img class="thumbnail" loading="lazy" decoding="async" alt="" src={thumbnailUrl(idOf(row))} onError={() => setGone(true)} />;
}

/** The visible rows. */
function useRows(scroller: { current: HTMLDivElement | null }, count: number) {
  const [, redraw] = useReducer((times: number) => times + 1, 0);
  const [virtualizer] = useState(() => new Virtualizer<HTMLDivElement, Element>({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 6,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => redraw(0),
  }));
  virtualizer.setOptions({ ...virtualizer.options, count });
  useEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());
  return { items: virtualizer.getVirtualItems(), total: virtualizer.getTotalSize() };
}
