"""The grammar of conditions: a sentence becomes a `TextCondition`.

    parse("a cyclist crosses from the right while the car ahead brakes hard, wet night, dense traffic")

A sentence is a sequence of road users with what they do, statements about the ego, and words for road, signal,
traffic, light and weather, in any order. The terminals are made from the vocabulary; phrases of more words win.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lark import Lark, Tree, UnexpectedInput

from driving.names import listed, unknown_name
from simulation.generation.condition import SceneCondition
from simulation.generation.text import vocabulary
from simulation.generation.text.condition import RULES as MANOEUVRE_RULES
from simulation.generation.text.condition import AppearanceCondition, EventCondition, TextCondition
from simulation.generation.text.vocabulary import (
    ARTICLES,
    DENSITIES,
    EGO_MANOEUVRES,
    EGO_WORDS,
    FILLERS,
    KINDS,
    MANOEUVRES,
    NUMBERS,
    RELATIONS,
    ROADS,
    SIGNAL_PHRASES,
    TIMES_OF_DAY,
    UNITS_TO_SI,
    WEATHERS,
    EgoManoeuvre,
    Manoeuvre,
    Relation,
)

RULES = """
start: (agent | ego | predicate | environment | article_statement | unknown)*
agent: (article | count)+ predicate* kind | predicate kind | kind
ego: article? ego_word
article_statement: article environment
?predicate: manoeuvre | relation | quantity
environment: road | signal | density | time_of_day | weather | ego_manoeuvre
article: ARTICLE
count: NUMBER
quantity: DISTANCE | SPEED | TIME
unknown: UNKNOWN
"""
_NUMBER = r"\d+(?:\.\d+)?"
_ARTICLE = "|".join(ARTICLES)
CATEGORIES: dict[str, Mapping[Any, Iterable[str]]] = {
    "kind": KINDS,
    "manoeuvre": MANOEUVRES,
    "ego_manoeuvre": EGO_MANOEUVRES,
    "ego_word": {"ego": EGO_WORDS},
    "relation": RELATIONS,
    "road": ROADS,
    "signal": SIGNAL_PHRASES,
    "density": DENSITIES,
    "time_of_day": TIMES_OF_DAY,
    "weather": WEATHERS,
}
"""Phrases by rule of the grammar and by term."""


@cache
def grammar_text() -> str:
    """The grammar in lark's notation."""
    lines = [RULES]
    for rule, terms in CATEGORIES.items():
        by_words: dict[int, list[str]] = {}
        for phrase in sorted(
            {phrase for phrases in terms.values() for phrase in phrases}, key=lambda one: (-len(one), one)
        ):
            by_words.setdefault(len(phrase.split()), []).append(phrase)
        names = [f"{rule.upper()}_{words}" for words in by_words]
        lines.append(f"{rule}: {' | '.join(names)}")
        for name, (words, phrases) in zip(names, by_words.items(), strict=True):
            lines.append(_terminal(name, 10 * words, "|".join(map(_phrase_pattern, phrases))))
    numbers = f"(?:{_NUMBER}|{'|'.join(_phrase_pattern(word) for word in NUMBERS)})"
    for dimension, units in UNITS_TO_SI.items():
        pattern = "|".join(re.escape(unit).replace("/", r"\/") for unit in sorted(units, key=len, reverse=True))
        lines.append(_terminal(dimension.upper(), 90, rf"{numbers}\s*(?:{pattern})"))
    lines.append(_terminal("NUMBER", 5, numbers))
    lines.append(_terminal("ARTICLE", 5, _ARTICLE))
    lines.append(_terminal("FILLER", 4, "|".join(FILLERS)))
    lines.append(r"UNKNOWN.-10: /[^\s,.;:!?()]+/")
    lines.append(r"PUNCTUATION.1: /[\s,.;:!?()]+/")
    lines += ["%ignore FILLER", "%ignore PUNCTUATION"]
    return "\n".join(lines)


def _terminal(name: str, priority: int, pattern: str) -> str:
    return rf"{name}.{priority}: /(?:{pattern})(?![\w\/])/"


def _phrase_pattern(phrase: str) -> str:
    return rf"[\s-]+(?:(?:{_ARTICLE})\s+)?".join(map(re.escape, phrase.split()))


@cache
def _parser() -> Lark:
    return Lark(grammar_text(), parser="lalr", lexer="basic", maybe_placeholders=False)


@cache
def _terms(rule: str) -> dict[str, Any]:
    """Term by phrase."""
    return {phrase: term for term, phrases in CATEGORIES[rule].items() for phrase in phrases}


@cache
def known_words() -> frozenset[str]:
    """All words of the vocabulary."""
    phrases = [phrase for rule in CATEGORIES for phrase in _terms(rule)]
    units = [unit for table in UNITS_TO_SI.values() for unit in table]
    return frozenset(word for text in (*phrases, *NUMBERS, *ARTICLES, *FILLERS, *units) for word in text.split())


def parse(text: str) -> TextCondition:
    """The condition of a sentence.

    Raises:
        ValueError: For unknown words, with the nearest known ones; for a manoeuvre without an agent; for a condition
            that cannot be met, with what is possible.
    """
    plain = text.lower().replace("'s ", " ").replace("’s ", " ")
    unknown = [str(token) for token in _parser().lex(plain) if token.type == "UNKNOWN"]
    if unknown:
        raise ValueError(" ".join(_unknown_sentence(word) for word in dict.fromkeys(unknown)))
    try:
        tree = _parser().parse(plain)
    except UnexpectedInput as error:
        rest = plain[getattr(error, "pos_in_stream", 0) or 0 :].strip()
        raise ValueError(
            f"The sentence cannot be read from {rest!r} on. Write each road user with what it does: a truck brakes"
            " hard, two oncoming cars."
        ) from error
    reader = _Reader()
    for item in tree.children:
        assert isinstance(item, Tree)
        statement = item.children[-1] if item.data == "article_statement" else item
        assert isinstance(statement, Tree)
        reader.read(statement)
    return reader.condition()


def _unknown_sentence(word: str) -> str:
    phrases = sorted(phrase for rule in CATEGORIES for phrase in _terms(rule) if word in phrase.split())
    if phrases:
        return f"The word {word!r} has no meaning of its own; it is known in: {listed(phrases)}."
    sentence = unknown_name("word", word, known_words())
    # The whole vocabulary would fill a page.
    return f"{sentence.partition(' Known: ')[0]} docs/text_scenarios.md lists the vocabulary."


def _term(item: Tree) -> Any:
    """The term that the phrase of a rule stands for."""
    text = re.sub(rf"[\s-]+(?:(?:{_ARTICLE})\s+)?", " ", str(item.children[0]))
    return _terms(item.data)[text]


def _value(text: str) -> tuple[float, str]:
    """Number and unit of a quantity."""
    found = re.match(_NUMBER, text)
    if found:
        return float(found[0]), text[found.end() :].strip()
    word = next(word for word in NUMBERS if re.match(_phrase_pattern(word), text))
    return float(NUMBERS[word]), text[len(word) :].strip()


@dataclass
class _Agent:
    """An agent with the statements read so far."""

    kind: Any
    count: int = 1
    manoeuvres: list[Manoeuvre] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def condition(self) -> EventCondition:
        if self.values.get("relation") == Relation.AHEAD and not self._may_be_ahead():
            # "crosses in front of the ego": stated of a manoeuvre that is always ahead.
            del self.values["relation"]
        return EventCondition(kind=self.kind, count=self.count, manoeuvres=tuple(self.manoeuvres), **self.values)

    def _may_be_ahead(self) -> bool:
        return not self.manoeuvres or Relation.AHEAD in MANOEUVRE_RULES[self.manoeuvres[0]].relations


class _Reader:
    """Collects the statements of a sentence in their order."""

    def __init__(self) -> None:
        self.agents: list[_Agent] = []
        self.subject: _Agent | str | None = None
        self.found: dict[str, Any] = {}

    def read(self, item: Tree) -> None:
        if item.data == "agent":
            self._agent(item)
        elif item.data == "ego":
            self.subject = "ego"
        elif item.data == "environment":
            name = item.children[0].data
            self._set("ego" if name == "ego_manoeuvre" else name, _term(item.children[0]))
        else:
            self._predicate(item)

    def _agent(self, item: Tree) -> None:
        agent = _Agent(kind=_term(next(child for child in item.children if child.data == "kind")))
        self.agents.append(agent)
        self.subject = agent
        for child in item.children:
            if child.data == "count":
                agent.count = round(_value(str(child.children[0]))[0])
            elif child.data not in ("kind", "article"):
                self._predicate(child)

    def _predicate(self, item: Tree) -> None:
        text = str(item.children[0])
        if self.subject is None:
            raise ValueError(f"{text!r} has no road user before it. Write for example: a car {text}.")
        if self.subject == "ego":
            self._of_ego(item, text)
            return
        assert isinstance(self.subject, _Agent)
        if item.data == "manoeuvre":
            term = _term(item)
            if term not in self.subject.manoeuvres:
                self.subject.manoeuvres.append(term)
            return
        if item.data == "relation":
            name, value = "relation", _term(item)
        else:
            name, value = _quantity(item.children[0])
        if Relation.AHEAD in (value, self.subject.values.get(name)) and name in self.subject.values:
            value = self.subject.values[name] if value == Relation.AHEAD else value
            self.subject.values[name] = value
        if self.subject.values.setdefault(name, value) != value:
            raise ValueError(
                f"The {self.subject.kind} has two values of {name.partition('_')[0]}: {self.subject.values[name]} and"
                f" {value}. Give one, or write two agents."
            )

    def _of_ego(self, item: Tree, text: str) -> None:
        if item.data == "quantity" and str(getattr(item.children[0], "type", "")) == "SPEED":
            self._set("ego_speed_mps", _quantity(item.children[0])[1])
            return
        term = _term(item) if item.data == "manoeuvre" else None
        if term == Manoeuvre.DRIVE:
            return
        if term not in (Manoeuvre.TURN_LEFT, Manoeuvre.TURN_RIGHT, Manoeuvre.MERGE):
            known = ", ".join(one.replace("_", " ") for one in EgoManoeuvre)
            raise ValueError(
                f"{text!r} cannot be prescribed for the ego, because its drive is the way out. Possible: {known},"
                " and a speed at the start."
            )
        self._set("ego", EgoManoeuvre(str(term)))

    def _set(self, name: str, value: Any) -> None:
        if self.found.setdefault(name, value) != value:
            raise ValueError(
                f"The sentence has two values of {name.replace('_', ' ')}: {self.found[name]} and {value}. Keep one."
            )

    def condition(self) -> TextCondition:
        found = self.found
        signal, speed_mps = found.get("signal"), found.get("ego_speed_mps")
        if not (found or self.agents):
            raise ValueError(
                "The sentence states nothing. Write for example: a cyclist crosses from the right, night."
            )
        return TextCondition(
            scene=SceneCondition(
                density=found.get("density"),
                signal=None if signal == "none" else signal,
                ego_speed_mps=None if speed_mps is None else (speed_mps, speed_mps),
            ),
            events=tuple(agent.condition() for agent in self.agents),
            ego=found.get("ego"),
            road=found.get("road"),
            has_signal=False if signal == "none" else None,
            appearance=AppearanceCondition(time_of_day=found.get("time_of_day"), weather=found.get("weather")),
        )


def _quantity(token: Any) -> tuple[str, float]:
    """Field of `EventCondition` and value in SI units."""
    number, unit = _value(str(token))
    dimension = token.type.lower()
    suffix = {"distance": "m", "speed": "mps", "time": "s"}[dimension]
    return f"{dimension}_{suffix}", round(number * UNITS_TO_SI[dimension][unit], 6)


def vocabulary_tables() -> dict[str, dict[str, tuple[str, ...]]]:
    """Phrases by category and term, for the documentation."""
    tables = {
        rule: {str(term): tuple(phrases) for term, phrases in terms.items()} for rule, terms in CATEGORIES.items()
    }
    return tables | {"filler": {"ignored": vocabulary.FILLERS}}
