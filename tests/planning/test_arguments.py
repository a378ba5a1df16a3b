"""Arguments of planners are typed by the constructor, and each planner gets those that it takes."""

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Literal

import pytest

from planning.arguments import assign_arguments, bind_arguments, parameters_of


class Color(Enum):
    RED = "red"


class Everything:
    def __init__(
        self,
        folder: Path,
        count: int = 1,
        ratio: float = 0.5,
        on: bool = False,
        mode: Literal["a", "b"] = "a",
        color: Color = Color.RED,
        limit: int | None = None,
        names: tuple[str, ...] = (),
        numbers: Sequence[int] = (),
        untyped="x",
        by_default=3,
        shape: dict[str, int] | None = None,
        odd: "Missing" = None,
    ):
        pass


class Anything:
    def __init__(self, **values):
        pass


EVERYTHING = parameters_of(Everything)


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["count=3"], {"count": 3}),
        (["ratio=3"], {"ratio": 3.0}),
        (["on=true"], {"on": True}),
        (["mode=b"], {"mode": "b"}),
        (["color=red"], {"color": Color.RED}),
        (["limit=none"], {"limit": None}),
        (["limit=4"], {"limit": 4}),
        (["names=a,b"], {"names": ("a", "b")}),
        (["names=a", "names=b"], {"names": ("a", "b")}),
        (["names="], {"names": ()}),
        (["numbers=1,2"], {"numbers": [1, 2]}),
        (["untyped=a=b"], {"untyped": "a=b"}),
        (["by_default=5"], {"by_default": 5}),
    ],
)
def test_values_have_the_type_of_their_parameter(texts, values):
    bound = bind_arguments("x:Y", EVERYTHING, ["folder=a b", *texts])
    assert bound == {"folder": Path("a b"), **values}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ([], "Planner x:Y needs folder: give --planner-arg folder=VALUE."),
        (["folder=a", "count=many"], "count must be of type int, got 'many'"),
        (["folder=a", "mode=c"], "mode must be of type .*Literal.*, got 'c'"),
        (["folder=a", "count=1", "count=2"], r"count is given 2 times, with \['1', '2'\]"),
        (["folder=a", "cuont=1"], "No argument named 'cuont'. Did you mean 'count'"),
        (["folder=a", "numbers=1,b"], r"numbers must be of type .*Sequence\[int\], got \['1', 'b'\]"),
        (["folder=a", "shape=1"], "shape must be of type dict"),
    ],
)
def test_arguments_that_do_not_fit_say_why(texts, sentence):
    with pytest.raises(ValueError, match=sentence):
        bind_arguments("x:Y", EVERYTHING, texts)


def test_a_type_without_a_text_form_says_so():
    class Takes:
        def __init__(self, thing: Anything):
            pass

    with pytest.raises(ValueError, match="thing has type Anything, which cannot be written on the command line"):
        bind_arguments("x:Y", parameters_of(Takes), ["thing=1"])


def test_leading_parameters_and_classes_without_a_signature_are_left_out():
    assert next(iter(parameters_of(Everything, 2))) == "ratio"
    assert parameters_of(type("C", (), {"__signature__": 3})) == {}


PARAMETERS = {"student": parameters_of(Everything), "my:Own": parameters_of(Anything), "idm": {}}


def test_an_argument_reaches_all_planners_that_take_it():
    assert assign_arguments(["count=1"], PARAMETERS) == {"student": ("count=1",), "my:Own": ("count=1",)}
    assert assign_arguments([], PARAMETERS) == {}


def test_an_argument_may_name_its_planner():
    assert assign_arguments(["my:Own.count=1", "student.count=2"], PARAMETERS) == {
        "my:Own": ("count=1",),
        "student": ("count=2",),
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("count", "takes NAME=VALUE or PLANNER.NAME=VALUE, got 'count'"),
        ("=3", "takes NAME=VALUE"),
        ("idm.count=1", r"no planner of this run takes it \(idm\)"),
        ("student.cuont=1", r"no planner of this run takes it \(student\)\. No argument named 'cuont'"),
    ],
)
def test_an_argument_that_no_planner_takes_is_an_error(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        assign_arguments([text], PARAMETERS)
