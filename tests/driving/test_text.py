import pytest

from driving.text import printable


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\x00b\x7fc\x9bd", r"a\x00b\x7fc\x9bd"),
        ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
        ("right\u202eleft\u2028next", r"right\u202eleft\u2028next"),
        ("lone \ud800", r"lone \ud800"),
    ],
)
def test_control_characters_become_python_escapes(text, escaped):
    assert printable(text) == escaped


def test_other_characters_stay():
    text = r"plain ü 𝛼 [red] \ 禁38 Ρ-32 é"
    assert printable(text) == text


def test_newlines_of_documents_and_tracebacks_stay():
    assert printable("one\n\x1btwo\n", keeps_lines=True) == "one\n\\x1btwo\n"


def test_escaped_text_is_escaped_only_once():
    assert printable(printable("\x1b\n")) == printable("\x1b\n")
