"""Writes into the files what the kernel says of each mistake now: `python -m tests.policies.mistakes`; read the diff"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from tests.policies.test_mistakes import refused


def said(case: dict[str, Any]) -> dict[str, Any]:
    """A case with its finding as it is now. Stops at a query that is accepted."""
    finding = refused(case["sql"])
    if finding is None or finding.span is None:
        raise SystemExit(f"{case['id']}: accepted, or refused at no place")
    found: dict[str, Any] = {"id": case["id"], "sql": case["sql"], "rule": finding.rule}
    found |= {"clause": finding.clause} if finding.clause else {}
    found |= {"at": [finding.span.line, finding.span.column], "fragment": finding.fragment, "hint": finding.hint}
    return found | ({"rewrite": finding.rewrite} if finding.rewrite else {})


def main() -> None:
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        cases = [said(case) for case in yaml.safe_load(text)]
        blocks = [
            yaml.safe_dump([case], sort_keys=False, allow_unicode=True, width=118, default_flow_style=None)
            for case in cases
        ]
        path.write_text(text.split("\n", 1)[0] + "\n" + "".join(blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
