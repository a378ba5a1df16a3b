/** The gallery: a card per scenario in which a planner fails, with a picture from above; a click opens the replay. */

import { useMemo, useState } from "preact/hooks";
import { addressOf, DEFAULT_GALLERY, DEFAULT_REPLAY, GalleryView, ReplayView } from "./address";
import { Card, idOf, isSaved, Listing, saveGallery, stillUrl } from "./api";
import { percent, reactionText, SolvableBadge } from "./notes_panel";
import { modeTitle, typeTitle } from "./words";

/** The replay of a failure starts this long before it, or earlier if the surprise is visible earlier. */
const BEFORE_FAILURE_S = 3;
const BEFORE_SURPRISE_S = 0.5;

/** Scenarios with a failure. */
export function failuresOf(listing: Listing): Card[] {
  return listing.notes.filter((card) => card.failure);
}

export function failuresIn(listing: Listing, view: GalleryView): Card[] {
  return failuresOf(listing).filter((card) => (!view.planner || card.planner === view.planner) && (!view.mode || card.mode === view.mode)
    && (!view.solvable || (view.solvable === "yes") === (card.is_solvable === true)));
}

/** The replay that a card opens. */
export function replayOf(card: Card): ReplayView {
  const starts = [card.failure_s === null ? 0 : card.failure_s - BEFORE_FAILURE_S, ...(card.surprise_s === null ? [] : [card.surprise_s - BEFORE_SURPRISE_S])];
  return { ...DEFAULT_REPLAY, scenario: card.scenario, drives: [idOf(card)], t: Math.max(0, Math.round(10 * Math.min(...starts)) / 10) };
}

export function GalleryPage({ listing, view, onView, onOpen }: {
  listing: Listing; view: GalleryView; onView: (view: GalleryView) => void; onOpen: (view: ReplayView) => void;
}) {
  const all = useMemo(() => failuresOf(listing), [listing]);
  const cards = useMemo(() => failuresIn(listing, view), [listing, view]);
  const [notice, setNotice] = useState("");
  const select = (name: "planner" | "mode", title: string, text: (value: string) => string) => {
    const values = [...new Set(all.map((card) => card[name]))].filter(Boolean).sort();
    return values.length > 1 && (
      <select aria-label={title} id={`gallery-${name}`} value={view[name]} onChange={(event) => onView({ ...view, [name]: event.currentTarget.value })}>
        <option value="">{title}</option>
        {values.map((value) => <option value={value}>{text(value)}</option>)}
      </select>
    );
  };
  const save = async () => {
    setNotice("Saving the gallery …");
    try {
      await saveGallery(addressOf(view).slice(1));
      setNotice("");
    } catch (error) {
      setNotice(`Saving the gallery failed: ${(error as Error).message}`);
    }
  };
  const modes = new Set(cards.map((card) => card.mode)).size;
  const solvable = cards.filter((card) => card.is_solvable).length;
  return (
    <main class="gallery-page">
      <div class="filters">
        {select("planner", "Any planner", (value) => value)}
        {select("mode", "Any mode", modeTitle)}
        {new Set(all.map((card) => card.is_solvable === true)).size > 1 && (
          <select aria-label="Way out" id="gallery-solvable" value={view.solvable} onChange={(event) => onView({ ...view, solvable: event.currentTarget.value })}>
            <option value="">Solvable or not</option>
            <option value="yes">solvable</option>
            <option value="no">no way out proven</option>
          </select>
        )}
        <span class="count" id="failure-count">{cards.length} failure{cards.length === 1 ? "" : "s"}, {solvable} solvable, {modes} mode{modes === 1 ? "" : "s"}</span>
        {!isSaved && all.length > 0 && <button id="save-gallery" onClick={save}>Save as HTML</button>}
      </div>
      {notice && <p class="notice" role="status">{notice}</p>}
      {!all.length && <p class="empty">No scenario has notes of a failure. scripts/find_failures.py writes them; --notes names their folder.</p>}
      {all.length > 0 && !cards.length && <p class="empty">No failure passes these filters. <button class="link" onClick={() => onView(DEFAULT_GALLERY)}>Clear the filters</button></p>}
      <div class="cards">{cards.map((card) => <FailureCard key={idOf(card)} card={card} onOpen={onOpen} />)}</div>
    </main>
  );
}

function FailureCard({ card, onOpen }: { card: Card; onOpen: (view: ReplayView) => void }) {
  const [isGone, setGone] = useState(false);
  const replay = replayOf(card);
  const picture = stillUrl(idOf(card));
  const facts = [
    card.is_solvable && reactionText(card), card.rarity !== null && `rarity ${percent(card.rarity)}`, card.seed !== null && `seed ${card.seed}`,
  ].filter(Boolean).join(" · ");
  return (
    <a class="card" href={addressOf(replay)} data-scenario={card.scenario} onClick={(event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      onOpen(replay);
    }}>
      {picture && !isGone ? <img class="still" loading="lazy" decoding="async" alt="" src={picture} onError={() => setGone(true)} /> : <span class="still none" />}
      <span class="card-head"><b>{card.mode ? modeTitle(card.mode) : typeTitle(card.scenario_type)}</b><SolvableBadge isSolvable={card.is_solvable} /></span>
      <span class="card-failure"><b>{card.planner}</b>{card.failure_s !== null && <time>{card.failure_s.toFixed(1)} s</time>} {card.failure}</span>
      <small>{facts}</small>
      <small class="token">{card.scenario}</small>
    </a>
  );
}
