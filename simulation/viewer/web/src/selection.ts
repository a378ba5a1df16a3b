/** Resolves a replay address: which drives it selects, and what in it does not exist. */

import { ReplayView } from "./address";
import { idOf, Listing, Row } from "./api";
import { columnKey, columnsOf, worstOf } from "./list";

export interface Selection {
  /** All drives of the scenario, in the order of the list's columns. */
  rows: Row[];
  /** The drives to replay; empty only for an unknown scenario. */
  chosen: Row[];
  /** A sentence about unknown drives; empty if there are none. */
  problem: string;
}

/** Without a known drive, the selection is the worst drive of the scenario that has a log. */
export function selectDrives(listing: Listing, view: ReplayView): Selection {
  const order = new Map(columnsOf(listing, true).map((column, i) => [column.key, column.isProbe ? 1000 + i : i]));
  const rank = (row: Row) => order.get(columnKey(row)) ?? 0;
  const listed = listing.rows.filter((row) => row.scenario === view.scenario);
  const rows = [...listed].sort((a, b) => rank(a) - rank(b));
  if (!rows.length) return { rows, chosen: [], problem: "" };
  const unknown = view.drives.filter((id) => !rows.some((row) => idOf(row) === id));
  const known = view.drives.flatMap((id) => rows.find((row) => idOf(row) === id) ?? []);
  const replayable = listed.filter((row) => row.has_log);
  const chosen = known.length ? known : [worstOf(replayable.length ? replayable : listed)];
  const problem = unknown.map((id) => `This scenario has no drive ${id}.`).join(" ");
  return { rows, chosen, problem: problem && !known.length ? `${problem} Its worst drive is open instead.` : problem };
}
