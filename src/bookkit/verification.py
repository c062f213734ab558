"""Run the check of a claim in a notebook: show it, record it, and stop the notebook if it fails."""

from __future__ import annotations

import dataclasses
import html
from typing import Any

from bookkit import mime_types
from entropy_rl.checks import Check, Refutation, Result, run


class CheckFailed(AssertionError):
    """A claim does not hold, a negative control was missed, or a counterexample refutes nothing."""


def verify(claim: str) -> None:
    """Verify ``claim``: show its residual beside its tolerance, and what each wrong variant costs.

    Args:
        claim: its key in ``data/claims.yml``, such as ``"zhang2018.thm4"``.

    Raises:
        ValueError: there is no check of that name, or it is a refutation.
        CheckFailed: the residual is over its tolerance, or a control was not detected.
    """
    result = run(claim)
    if not isinstance(result, Check):
        raise ValueError(
            f"claim: expected one that holds, got {claim!r}, which is refuted: use refute()"
        )
    _show(result, _check_card(result), _check_text(result))


def refute(claim: str) -> None:
    """Refute ``claim``: show the counterexample, what was printed and what was found.

    Args:
        claim: its key in ``data/claims.yml``, such as ``"zhang2018.thm3ii"``.

    Raises:
        ValueError: there is no check of that name, or it is a verification.
        CheckFailed: the counterexample does not refute.
    """
    result = run(claim)
    if not isinstance(result, Refutation):
        raise ValueError(
            f"claim: expected one that is false, got {claim!r}, which has a check: use verify()"
        )
    _show(result, _refutation_card(result), _refutation_text(result))


def as_record(result: Result) -> dict[str, Any]:
    """The result as JSON: its fields, its kind, and whether it holds."""
    kind = "check" if isinstance(result, Check) else "refutation"
    return {**dataclasses.asdict(result), "kind": kind, "holds": result.holds}


def _show(result: Result, card: str, text: str) -> None:
    """Display the card, with the record beside it, and raise if the result does not hold."""
    from IPython.display import display

    display({"text/html": card, "text/plain": text, mime_types.CHECK: as_record(result)}, raw=True)
    if not result.holds:
        raise CheckFailed(text)


def _check_card(check: Check) -> str:
    rows = [
        _row("the claim", check.residual, "≤", check.tolerance, check.residual <= check.tolerance)
    ]
    rows += [
        _row(html.escape(c.name), c.residual, ">", c.least, c.detected) for c in check.controls
    ]
    error = (
        f"<p>Monte Carlo; standard error of the residual {_number(check.standard_error)}.</p>"
        if check.standard_error is not None
        else ""
    )
    table = (
        "<table class='bk-check'><thead><tr><th scope='col'>what was computed</th>"
        "<th scope='col'>is off by</th><th scope='col'>must be</th>"
        "<th scope='col'>so it</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    body = f"<p>{html.escape(check.how)}</p>{error}{table}{_functions(check.functions)}"
    return _card("verified" if check.holds else "failed", check.claim, body)


def _refutation_card(result: Refutation) -> str:
    quantity = f"<p>{_sentence(result.quantity)}:</p>" if result.quantity else ""
    body = (
        f"<p>{html.escape(result.witness)}</p>{quantity}<table><tbody>"
        f"<tr><th scope='row'>as printed</th><td>{_number(result.printed)}</td></tr>"
        f"<tr><th scope='row'>found</th><td>{_number(result.found)}</td></tr></tbody></table>"
        f"{_functions(result.functions)}"
    )
    return _card("refuted" if result.holds else "failed", result.claim, body)


def _card(status: str, claim: str, body: str) -> str:
    sign = {"verified": "✓", "refuted": "✗", "failed": "!"}[status]
    return (
        f"<div class='bk-card bk-{status}' data-claim='{claim}' data-status='{status}'>"
        f"<p class='bk-card-title'><span aria-hidden='true'>{sign}</span> {status.capitalize()}: "
        f"<code>{html.escape(claim)}</code></p>{body}</div>"
    )


def _row(name: str, residual: float, sign: str, bound: float, good: bool) -> str:
    verdicts = {"≤": ("fails", "holds"), ">": ("is missed", "is caught")}
    return (
        f"<tr><th scope='row'>{name}</th><td>{_number(residual)}</td>"
        f"<td>{sign} {_number(bound)}</td><td>{verdicts[sign][good]}</td></tr>"
    )


def _functions(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    listed = ", ".join(f"<code>{html.escape(n)}</code>" for n in names)
    return f"<p class='bk-card-functions'>Put to the test: {listed}</p>"


def _sentence(text: str) -> str:
    """``text`` with a capital, escaped."""
    return html.escape(text[:1].upper() + text[1:])


def _number(x: float | None) -> str:
    """Three significant digits, small ones as 1.2 × 10⁻¹⁶."""
    if x is None:
        return ""
    text = f"{x:.3g}"
    if "e" not in text:
        return text.replace("-", "−")
    mantissa, exponent = text.split("e")
    return f"{mantissa.replace('-', '−')} × 10<sup>{int(exponent)}</sup>".replace(">-", ">−")


def _check_text(check: Check) -> str:
    controls = "; ".join(
        f"{c.name}: {c.residual:.3g} (must exceed {c.least:.3g})" for c in check.controls
    )
    verdict = "holds" if check.holds else "does not hold"
    off = f"off by {check.residual:.3g} of {check.tolerance:.3g}"
    return f"{check.claim} {verdict}: {off}; controls: {controls}"


def _refutation_text(result: Refutation) -> str:
    verdict = "is refuted" if result.holds else "is not refuted"
    values = f"printed {result.printed:.6g}, found {result.found:.6g}"
    return ": ".join(filter(None, (f"{result.claim} {verdict}", result.quantity, values)))
