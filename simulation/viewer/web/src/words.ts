/** Titles of metrics, scenario types, traffic and drives. */

import { Row } from "./api";

const METRICS: Record<string, string> = {
  no_ego_at_fault_collisions: "No at-fault collisions",
  drivable_area_compliance: "Drivable area",
  ego_is_making_progress: "Making progress",
  driving_direction_compliance: "Driving direction",
  ego_progress_along_expert_route: "Progress along route",
  time_to_collision_within_bound: "Time to collision",
  speed_limit_compliance: "Speed limit",
  ego_is_comfortable: "Comfort",
  planner_expert_average_l2_error_within_bound: "Average distance to log",
  planner_expert_final_l2_error_within_bound: "Final distance to log",
  planner_expert_average_heading_error_within_bound: "Average heading error",
  planner_expert_final_heading_error_within_bound: "Final heading error",
  planner_miss_rate_within_bound: "Miss rate",
};

export function metricTitle(name: string): string {
  return METRICS[name] ?? name.replace(/^ego_/, "").replaceAll("_", " ");
}

export function typeTitle(type: string): string {
  return type ? type.replaceAll("_", " ") : "unknown";
}

/** Title of a manoeuvre or failure mode. */
export function modeTitle(mode: string): string {
  return mode.replaceAll("_", " ");
}

export function scoreText(score: number | null | undefined): string {
  return score === null || score === undefined ? "–" : (Math.floor(score * 1000 + 1e-6) / 1000).toFixed(score === 1 ? 2 : 3);
}

/** Title of a drive: its planner, with traffic and source only if another drive of the scenario differs in them. */
export function driveTitle(row: Row, among: Row[]): string {
  if (row.status === "logged") return "logged ego";
  const same = among.filter((other) => other.planner === row.planner);
  const words = [row.planner];
  if (same.some((other) => other.traffic !== row.traffic)) words.push(trafficTitle(row.traffic));
  if (same.some((other) => other.traffic === row.traffic && other.source !== row.source)) words.push(row.source);
  return words.join(" · ");
}

export function trafficTitle(traffic: string): string {
  return { nonreactive: "non-reactive", reactive_scripted: "reactive, scripted", open_loop: "open loop" }[traffic] ?? traffic;
}

/** Text of a drive's score or status. */
export function resultText(row: Row): string {
  return row.status === "failed" || row.status === "damaged" ? row.status : scoreText(row.score);
}

/** CSS class of a score. */
export function grade(row: { score: number | null; status: string }): string {
  if (row.status === "failed" || row.status === "damaged") return "broken";
  if (row.score === null) return "none";
  return row.score >= 0.9 ? "good" : row.score >= 0.5 ? "fair" : "poor";
}
