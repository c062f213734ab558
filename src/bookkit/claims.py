"""The ledger: every claim of ``data/claims.yml`` with a status computed from a check or a run."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from bookkit import paths
from bookkit.stored import NOT_RUN, VERDICTS
from entropy_rl import _validate
from entropy_rl.checks import Refutation, Result, run

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("theorem", "proposition", "equation", "table", "figure", "sentence")
STATUSES = (
    "verified",
    "corrected",
    "refuted",
    "reproduced",
    "partly",
    "undecided",
    "not reproduced",
    NOT_RUN,
    "not attempted",
)


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim of a paper.

    Attributes:
        id: paper and name, such as ``"zhang2018.thm4"``.
        paper: key of the bibliography; ``"book"`` for what is ours.
        place: where it stands in the paper.
        kind: one of `KINDS`.
        says: what it says, in a sentence.
        printed: whether it holds as printed: ``"holds"``, ``"false"`` or ``"conditional"``.
        chapter: the page of the book that treats it.
        evidence: ``"check"``, ``"run"`` or ``"none"``.
        correction: what holds instead, or the hypothesis it needs.
        sizes: whether it says how large the differences are, so that runs are judged by that too.
    """

    id: str
    paper: str
    place: str
    kind: str
    says: str
    printed: str
    chapter: str
    evidence: str
    correction: str = ""
    sizes: bool = False

    def __post_init__(self) -> None:
        _validate.choice(f"{self.id}: kind", self.kind, KINDS)
        _validate.choice(f"{self.id}: printed", self.printed, ("holds", "false", "conditional"))
        _validate.choice(f"{self.id}: evidence", self.evidence, ("check", "run", "none"))
        _validate.boolean(f"{self.id}: sizes", self.sizes)
        if self.sizes and self.evidence != "run":
            raise _validate.fail(f"{self.id}: sizes", "False unless runs are judged", self.sizes)
        if bool(self.correction) == (self.printed == "holds"):
            expected = "none for a claim that holds, one otherwise"
            raise _validate.fail(f"{self.id}: correction", expected, repr(self.correction))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The contrasts that were registered for a claim.

    Attributes:
        verdicts: one each, as :func:`bookkit.stored.contrasts` gives them.
        says: the differences with their intervals.
        paper_scale: whether the runs are as long as the paper's.
        sizes: of a claim that says sizes, whether each printed ratio of two means is one of those
            that ours allow; else empty.
    """

    verdicts: tuple[str, ...]
    says: str
    paper_scale: bool = True
    sizes: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        for verdict in self.verdicts:
            _validate.choice("verdicts", verdict, VERDICTS)
        if not self.verdicts:
            raise _validate.fail("verdicts", "at least one", self.verdicts)

    @property
    def complete(self) -> bool:
        """Whether all runs are there."""
        return NOT_RUN not in self.verdicts

    @property
    def status(self) -> str:
        """One of "reproduced", "partly", "undecided", "not reproduced" and "not run yet".

        Reproduced: every contrast is as printed, its whole interval, at the paper's scale. Partly:
        some are and none is against it; or all are, at a smaller scale, or in another size than
        the claim says. Undecided: none is, and none is against it. The rule is the same at every
        scale, and of signs; of sizes only where the claim is of sizes.
        """
        if not self.complete:
            return NOT_RUN
        if "against" in self.verdicts:
            return "not reproduced"
        good = [verdict.startswith("as ") for verdict in self.verdicts]
        if all(good) and all(self.sizes) and self.paper_scale:
            return "reproduced"
        return "partly" if any(good) else "undecided"


Evidence: TypeAlias = Result | Comparison


def load(path: Path | None = None) -> dict[str, Claim]:
    """The claims of ``data/claims.yml`` by id, in its order.

    Raises:
        ValueError: a field is missing, unknown or out of range, or an id stands twice.
    """
    path = path or paths.root() / "data" / "claims.yml"
    claims: dict[str, Claim] = {}
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        try:
            claim = Claim(**entry)
        except TypeError as error:
            raise ValueError(f"{path.name}: entry {entry.get('id')!r}: {error}") from None
        if claim.id in claims:
            raise ValueError(f"{path.name}: expected each id once, got {claim.id!r} twice")
        claims[claim.id] = claim
    return claims


def status(claim: Claim, evidence: Evidence | None) -> str:
    """The status of ``claim`` given its check's result or what its stored runs say.

    Raises:
        ValueError: a check that does not hold: a ledger cannot list it.
    """
    if evidence is None:
        return "not attempted"
    if isinstance(evidence, Comparison):
        return evidence.status
    if not evidence.holds:
        raise ValueError(f"{claim.id}: expected a check that holds, got {evidence}")
    if isinstance(evidence, Refutation):
        return "refuted"
    return "verified" if claim.printed == "holds" else "corrected"


def ledger(runs: Mapping[str, Comparison] | None = None) -> pd.DataFrame:
    """Every claim with its status; runs every check.

    Args:
        runs: what stored runs say, by claim id: :func:`bookkit.evidence.evidence`.

    Returns:
        One row a claim: id, paper, place, kind, says, correction, status, evidence, chapter.

    Raises:
        ValueError: a check does not hold, or ``runs`` names a claim whose evidence is no run.
    """
    import pandas as pd

    claims, runs = load(), dict(runs or {})
    for name in runs:
        _validate.choice("runs", name, [c.id for c in claims.values() if c.evidence == "run"])
    rows = []
    for claim in claims.values():
        evidence = run(claim.id) if claim.evidence == "check" else runs.get(claim.id)
        rows.append(
            {
                **{k: getattr(claim, k) for k in ("id", "paper", "place", "kind", "says")},
                "correction": claim.correction,
                "status": status(claim, evidence),
                "evidence": _evidence(evidence),
                "chapter": claim.chapter,
            }
        )
    return pd.DataFrame(rows)


def as_html(table: pd.DataFrame, pages: set[str] | None = None) -> str:
    """The ledger as an HTML table, each claim linked to the page that treats it.

    Args:
        table: as `ledger` gives it, or some of its rows.
        pages: the names of the pages that exist; those in ``_toc.yml`` unless given.
    """
    if pages is None:
        pages = {p.stem for p in paths.documents(paths.root())}
    rows = "".join(_row(row, pages) for row in table.to_dict("records"))
    head = "".join(
        f"<th scope='col'>{h}</th>" for h in ("claim", "what it says", "status and evidence")
    )
    return (
        "<div class='bk-scroll'><table class='bk-ledger'><thead><tr>"
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(row: Mapping[str, Any], pages: set[str]) -> str:
    breakable = html.escape(row["id"]).replace(".", ".<wbr>").replace("_", "_<wbr>")
    name = f"<code>{breakable}</code>"
    if row["chapter"] in pages:
        name = f"<a href='{row['chapter']}.html'>{name}</a>"
    says = html.escape(row["says"])
    if row["correction"]:
        label = "To check" if row["status"] in ("not attempted", NOT_RUN) else "Erratum"
        says += f"<br><em>{label}:</em> {html.escape(row['correction'])}"
    mark = row["status"].replace(" ", "-")
    return (
        f"<tr id='claim-{row['id'].replace('.', '-')}'><th scope='row'>{name}<br>"
        f"<small>{html.escape(row['paper'])}, {html.escape(row['place'])}</small></th>"
        f"<td>{says}</td><td><span class='bk-status bk-{mark}'>{row['status']}</span><br>"
        f"<small>{html.escape(row['evidence'])}</small></td></tr>"
    )


def _evidence(evidence: Evidence | None) -> str:
    """What the status rests on, with its numbers."""
    if evidence is None:
        return ""
    if isinstance(evidence, Comparison):
        return evidence.says
    if isinstance(evidence, Refutation):
        values = f"printed {evidence.printed:.4g}, found {evidence.found:.4g}"
        return f"{evidence.quantity}: {values}" if evidence.quantity else values
    controls = len(evidence.controls)
    return (
        f"off by {evidence.residual:.1e} of {evidence.tolerance:.0e}; "
        f"{controls} control{'s' if controls > 1 else ''} caught"
    )
