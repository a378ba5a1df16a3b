"""Log and map names, which nuPlan uses as names of files and folders."""

import hashlib
import re

from driving.importers.notes import ImportNotes, NoteKind


def file_name(name: str, notes: ImportNotes) -> str:
    """A name of letters, digits, `.`, `-`, `_` and `+` that starts with a letter or digit.

    Other characters become `-`. A changed name ends with a hash of the original, so that two names stay distinct.
    """
    cleaned = re.sub(r"[^A-Za-z0-9._+-]", "-", name).lstrip("._+-").replace(".gpkg", "-gpkg")
    if name and cleaned == name:
        return name
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
    named = f"{cleaned}-{digest}" if cleaned else digest
    notes.add(NoteKind.HINT, "names that cannot be file names got another one", f"{name!r} is {named}")
    return named
