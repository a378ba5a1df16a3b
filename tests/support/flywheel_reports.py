"""A report of a flywheel that keeps what it receives."""


class KeptReport:
    """Keeps the lines, the stages that began with the time of the round before, and the last progress."""

    def __init__(self):
        self.lines = []
        self.begun = []
        self.progress = None

    def line(self, text):
        self.lines.append(text)

    def begin(self, name, before_s):
        self.begun.append((name, before_s))

    def advance(self, done, total):
        self.progress = (done, total)

    def end(self):
        pass
