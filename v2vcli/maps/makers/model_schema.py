"""The label schema of a network of which only the classes' names are known: those of its ``id2label``.

What is peculiar:

- Names that are those of a built-in schema, in its order, give that schema, synonyms included: a network trained on
  Cityscapes' 19 classes makes `CITYSCAPES19` maps, whatever it calls a sidewalk. Any other list is a schema of its own.
- Data sets decorate names. Of ``person, individual, someone`` the first word stays, and COCO's ``-merged``, ``-other``
  and ``-stuff`` go, wherever the names still differ then: so that ``tree-merged`` finds its home in other schemas.
- Which classes are foreground is not in a list of names. It is what the built-in schemas call so, and COCO's 80 things
  (one of which is a traffic light, though it does not move).
- Colours are Pascal VOC's, made from the bits of the id.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Final

from v2vcli.errors import ModelError
from v2vcli.maps.label_schema import VOID, LabelClass, LabelSchema
from v2vcli.maps.schema import SCHEMAS, numbered_schema
from v2vcli.maps.schema_names import canonical_name, plain_name

_DECORATION: Final = re.compile(r"(-(merged|other|stuff))+$")
_VOID_NAME: Final = canonical_name("unlabeled")


def schema_of(names: Sequence[str], name: str) -> LabelSchema:
    """The schema of a network.

    Args:
        names: of its classes; the position is the id.
        name: what the schema is called where it is none of the built-in ones.

    Raises:
        ModelError: there are more classes than a label map holds, or none.
    """
    if not 0 < len(names) <= VOID:
        raise ModelError(f"{name}: has {len(names)} classes; label maps hold 1 to {VOID}, choose another model")
    wanted = [canonical_name(each) for each in names]
    for schema in SCHEMAS.values():
        ordered = sorted(schema.classes, key=lambda c: c.id)
        for classes in (ordered, [c for c in ordered if not c.void]):
            if [(c.id, canonical_name(c.name)) for c in classes] == list(enumerate(wanted)):
                return schema
    things = _things()
    colours = [c.colour for c in numbered_schema(len(names)).classes]
    classes = []
    for number, (each, colour) in enumerate(zip(_short_names(names), colours, strict=True)):
        void = canonical_name(each) == _VOID_NAME
        foreground = not void and canonical_name(each) in things
        classes.append(LabelClass(each, number, colour, foreground=foreground, void=void))
    if all(c.void for c in classes):
        raise ModelError(f"{name}: all of its classes are void; choose another model")
    return LabelSchema(name, tuple(classes))


def tells_only_things(schema: LabelSchema) -> bool:
    """Whether every class that is not void is foreground: a network that finds objects and leaves the rest open."""
    return all(c.foreground for c in schema.classes if not c.void)


def _short_names(names: Sequence[str]) -> list[str]:
    """Names without decoration, each different from all others."""
    short = [_DECORATION.sub("", each.split(",")[0].strip()) or each for each in names]
    count = Counter(map(plain_name, short))
    taken: set[str] = set()
    chosen = []
    for number, (each, full) in enumerate(zip(short, names, strict=True)):
        best = each if count[plain_name(each)] == 1 else full.strip()
        if not best or plain_name(best) in taken:
            best = f"{best} {number}".strip()
        taken.add(plain_name(best))
        chosen.append(best)
    return chosen


@cache
def _things() -> frozenset[str]:
    """Canonical names of what counts as an object."""
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights

    coco = MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    named = [c.name for schema in SCHEMAS.values() for c in schema.classes if c.foreground]
    named += [each for each in coco if each not in ("N/A", "__background__")]
    return frozenset(map(canonical_name, named))
